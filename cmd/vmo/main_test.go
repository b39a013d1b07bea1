//go:build unix

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// The test binary is vmo, and play, the programs that vmo runs.
func TestMain(m *testing.M) {
	if code, asked := engine.Askpass(); asked {
		os.Exit(code)
	}
	testscript.Main(m, map[string]func(){
		"vmo": func() {
			policy = os.Getenv("VMO_TEST_POLICY")
			os.Exit(run(os.Args[1:]))
		},
		"play": play,
	})
}

func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			for name, value := range isolated(e.WorkDir) {
				e.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"field": field},
	})
}

// field NAME VALUE compares a field of the JSON objects that were just printed,
// each of them; "null" is null.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: field NAME JSON")
	}
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	n := 0
	for ; ; n++ {
		var object map[string]json.RawMessage
		if err := dec.Decode(&object); err == io.EOF {
			break
		} else if err != nil {
			ts.Fatalf("not one JSON object a line: %v", err)
		}
		value, ok := object[args[0]]
		if !ok {
			ts.Fatalf("there is no %q in %s", args[0], ts.ReadFile("stdout"))
		}
		if (string(value) == args[1]) == neg {
			ts.Fatalf("%s is %s, want %s (negated: %t)", args[0], value, args[1], neg)
		}
	}
	if n == 0 {
		ts.Fatalf("nothing was printed")
	}
}

// isolated is the environment in which vmo touches nothing outside of dir.
func isolated(dir string) map[string]string {
	return map[string]string{
		"HOME":            dir,
		"XDG_CONFIG_HOME": filepath.Join(dir, "config"),
		"XDG_DATA_HOME":   filepath.Join(dir, "data"),
		"VMO_DATA_DIR":    filepath.Join(dir, "journal"),
		"VMO_SSH_CONFIG":  filepath.Join(dir, "ssh_config"),
		"VMO_JOB":         "", "VMO_JOBS": "",
		"VMO_KEYCHAIN":    "off", // tests never touch the operator's
		"VMO_TEST_POLICY": filepath.Join(dir, "policy.json"),
		"GORACE":          "atexit_sleep_ms=0", // else every vmo takes a second to exit
	}
}

// house is a folder in which vmo runs, with a journal of its own.
type house struct {
	t   *testing.T
	dir string
}

func newHouse(t *testing.T) house { return house{t, t.TempDir()} }

// command prepares a program to run in the house.
func (h house) command(name string, args ...string) *exec.Cmd {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), name, args...)
	cmd.Dir = h.dir
	cmd.Env = os.Environ()
	for name, value := range isolated(h.dir) {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// vmo runs vmo to its end.
func (h house) vmo(args ...string) (stdout, stderr string, code int) {
	h.t.Helper()
	cmd := h.command("vmo", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		h.t.Fatalf("vmo %q: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs vmo and fails the test unless it succeeds.
func (h house) must(args ...string) string {
	h.t.Helper()
	out, errs, code := h.vmo(args...)
	if code != 0 {
		h.t.Fatalf("vmo %q: exit code %d: %s", args, code, errs)
	}
	return out
}

// jobs lists jobs as vmo does.
func (h house) jobs() []job.Job {
	h.t.Helper()
	var jobs []job.Job
	for line := range strings.Lines(h.must("jobs", "--json", "--limit", "10000")) {
		var j job.Job
		if err := json.Unmarshal([]byte(line), &j); err != nil {
			h.t.Fatalf("%v in %q", err, line)
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// newest is the newest job.
func (h house) newest() job.Job {
	h.t.Helper()
	jobs := h.jobs()
	if len(jobs) == 0 {
		h.t.Fatal("no jobs")
	}
	return jobs[0]
}

// until asks again until a job is as it should be.
func (h house) until(what string, ok func(job.Job) bool) job.Job {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		if jobs := h.jobs(); len(jobs) > 0 && ok(jobs[0]) {
			return jobs[0]
		} else if time.Now().After(end) {
			h.t.Fatalf("no job is %s: %+v", what, jobs)
		}
	}
}

// play is the programs that vmo runs in tests: the first argument is the role.
func play() {
	role, ok := roles[os.Args[1]]
	if !ok {
		fmt.Fprintln(os.Stderr, "no role", os.Args[1])
		os.Exit(98)
	}
	role(os.Args[2:])
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Ensure binary output comes back bit for bit, live and from the record, in
// whatever pieces it was written.
func TestExec_BytesAreIdentical(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for size, piece := range map[int]int{200_000: 1, 20_000_000: 1 << 20, 5_000_000: 4097} {
		want := make([]byte, size)
		rand.NewChaCha8([32]byte{1}).Read(want)
		args := []string{"exec", "--", "play", "noise", strconv.Itoa(size), strconv.Itoa(piece)}
		if piece%8 != 0 { // the source is not the same when it is asked in odd pieces
			args = []string{"exec", "--", "sh", "-c", fmt.Sprintf("play noise %d %d | dd bs=%d status=none", size, size, piece)}
		}
		live := h.must(args...)
		if live != string(want) {
			t.Errorf("%d bytes in pieces of %d: live %d bytes with %x, want %x", size, piece, len(live), sha256.Sum256([]byte(live)), sha256.Sum256(want))
		}
		if shown := h.must("show", "@1"); shown != string(want) {
			t.Errorf("%d bytes in pieces of %d: shown %d bytes with %x, want %x", size, piece, len(shown), sha256.Sum256([]byte(shown)), sha256.Sum256(want))
		}
	}
}
