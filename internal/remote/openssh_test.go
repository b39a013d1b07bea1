//go:build unix

package remote

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process/processtest"
	"vmorchestrator/internal/remote/remotetest"
)

// opensshPool is a Pool that may use ssh, with the server's configuration and
// extra lines of it. Nothing of ssh must be left when it is closed.
func opensshPool(t *testing.T, s *remotetest.Server, engine string, prompts Prompts, extra ...string) *Pool {
	t.Helper()
	s.AddConfig(strings.Join(append([]string{"Host *"}, extra...), "\n  "))
	mark := "VMO_TEST_MASTER=" + string(job.NewID())
	p := New(Config{
		Resolve: func(_ context.Context, d inventory.Destination) (*inventory.Options, error) {
			return s.Options(d.Alias, extra...), nil
		},
		Spawn: func(ctx context.Context, c Spawn) (Spawned, error) {
			name, value, _ := strings.Cut(mark, "=")
			c.Env[name], c.Env["GORACE"] = value, "atexit_sleep_ms=0"
			return spawnForTest(ctx, c)
		},
		SSH: remotetest.Program(t, "ssh"), SSHConfig: s.ConfigFile, Prompts: prompts,
		Engine: func(inventory.Destination) string { return engine },
	})
	t.Cleanup(func() {
		dirs := socketDirs(mark)
		closed := make(chan struct{})
		go func() { p.Close(); close(closed) }()
		processtest.Await(t, "the end of Close", closed)
		if left := remotetest.Carrying(mark); len(left) > 0 {
			t.Errorf("processes %v are left", left)
		}
		for _, dir := range dirs {
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%s is left", dir)
			}
		}
	})
	return p
}

// socketDirs are the folders of the masters that run.
func socketDirs(mark string) (dirs []string) {
	for _, pid := range masters(mark) {
		line, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		words := strings.Split(string(line), "\x00")
		for i, w := range words {
			if w == "-S" && i+1 < len(words) {
				dirs = append(dirs, filepath.Dir(words[i+1]))
			}
		}
	}
	return dirs
}

func masters(mark string) (pids []string) {
	for _, pid := range remotetest.Carrying(mark) {
		pids = append(pids, strconv.Itoa(pid))
	}
	return pids
}

func TestOpenSSH_IsChosenForAHost(t *testing.T) {
	t.Parallel()
	p := opensshPool(t, remotetest.Start(t, remotetest.Config{}), EngineOpenSSH, Prompts{})
	out, errs, code, err := p.Output(within(t, time.Minute), web1, []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, nil, 100)
	if err != nil || code != 7 || string(out) != "out\n" || errs != "err" {
		t.Fatalf("got %q, %q, %d, %v", out, errs, code, err)
	}
	st := p.State(web1)
	if st.Status != StatusConnected || st.Engine != EngineOpenSSH || !strings.HasPrefix(st.HostKey, "ssh-ed25519 SHA256:") || st.Cipher == "" || st.Kex == "" || !strings.HasPrefix(st.Server, "SSH-2.0-OpenSSH") {
		t.Errorf("got %+v", st)
	}
}

// Ensure that a command on a connection of ssh is what it is on one of ours, in
// everything that can be seen of it.
func TestOpenSSH_Process(t *testing.T) {
	t.Parallel()
	p := opensshPool(t, remotetest.Start(t, remotetest.Config{}), EngineOpenSSH, Prompts{})
	processtest.Suite(t, processtest.Place{
		Start: func(c processtest.Config) (processtest.Running, error) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return p.Start(ctx, web1, command(c))
		},
		Mark: "VMO_RUN", Holds: holdsOutput, HangsUp: true, Runs: 5,
	})
}

func TestOpenSSH_AsksForThePassphrase(t *testing.T) {
	t.Parallel()
	const secret = "correct horse ' battery\\"
	for name, c := range map[string]struct {
		answers []string
		ok      bool
	}{
		"right": {[]string{secret}, true}, "wrong first": {[]string{"wrong", secret}, true}, "refused": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := remotetest.Start(t, remotetest.Config{})
			key := remotetest.Keygen(t, filepath.Join(s.Dir, "locked"), "ed25519", "-N", secret, "-a", "4")
			line, err := os.ReadFile(key + ".pub")
			if err == nil {
				err = os.WriteFile(filepath.Join(s.Dir, "authorized_keys"), line, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			q := &asked{answers: c.answers}
			p := opensshPool(t, s, EngineOpenSSH, Prompts{Secret: q.secret}, "IdentityFile "+key)
			err = p.Connect(within(t, time.Minute), web1)
			if !c.ok {
				var e *ConnectError
				if !errors.As(err, &e) || e.Status != StatusRefused || !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), secret) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(q.got) != len(c.answers) || q.got[0].Of != key || q.got[len(q.got)-1].Try != len(q.got) {
				t.Errorf("asked %+v", q.got)
			}
		})
	}
}

func TestOpenSSH_AsksAboutAnUnknownHostKey(t *testing.T) {
	t.Parallel()
	for _, yes := range []bool{true, false} {
		s := remotetest.Start(t, remotetest.Config{})
		want := ssh.FingerprintSHA256(public(t, strings.TrimSuffix(s.HostKey, ".pub")))
		file := filepath.Join(s.Dir, "new_known_hosts")
		var mu sync.Mutex
		var questions []HostKeyQuestion
		p := opensshPool(t, s, EngineOpenSSH, Prompts{HostKey: func(_ context.Context, q HostKeyQuestion) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			questions = append(questions, q)
			return yes, nil
		}}, "StrictHostKeyChecking ask", "UserKnownHostsFile "+file)
		var accepted []AcceptedKey
		p.cfg.Accepted = func(k AcceptedKey) { accepted = append(accepted, k) }
		err := p.Connect(within(t, time.Minute), web1)
		if len(questions) != 1 || questions[0].Type != "ssh-ed25519" || questions[0].Fingerprint != want || questions[0].File != file {
			t.Fatalf("asked %+v, want %s: %v", questions, want, err)
		}
		var e *ConnectError
		switch {
		case yes && (err != nil || len(accepted) != 1 || accepted[0].Fingerprint != want || accepted[0].Line != 1):
			t.Errorf("got %v, accepted %+v", err, accepted)
		case !yes && (!errors.As(err, &e) || e.Status != StatusHostKey || len(accepted) != 0):
			t.Errorf("got %v, accepted %+v", err, accepted)
		}
	}
}

// Ensure that a host whose configuration needs ssh gets it, that one whose does
// not gets the built-in engine, and that the operator's word counts more.
func TestOpenSSH_IsChosenByItself(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	text, err := os.ReadFile(s.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(s.Dir, "keys_of_command")
	if err := os.WriteFile(keys, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ask := []string{"KnownHostsCommand /bin/cat " + keys, "UserKnownHostsFile /dev/null"}
	p := opensshPool(t, s, "", Prompts{}, ask...)
	if err := p.Connect(within(t, time.Minute), web1); err != nil {
		t.Fatal(err)
	}
	if st := p.State(web1); st.Engine != EngineOpenSSH || !strings.Contains(ladder(st.Steps), "KnownHostsCommand") {
		t.Errorf("got %+v", st)
	}
	ours := opensshPool(t, s, EngineBuiltIn, Prompts{}, ask...)
	if err := ours.Connect(within(t, time.Minute), web1); err == nil {
		t.Error("the built-in engine was to be used, and cannot")
	}
	plain := opensshPool(t, remotetest.Start(t, remotetest.Config{}), "", Prompts{})
	if err := plain.Connect(within(t, time.Minute), web1); err != nil || plain.State(web1).Engine != EngineBuiltIn {
		t.Errorf("got %v, %+v", err, plain.State(web1))
	}
}

func TestOpenSSH_EndOfTheMasterLosesTheLink(t *testing.T) {
	t.Parallel()
	p := opensshPool(t, remotetest.Start(t, remotetest.Config{}), EngineOpenSSH, Prompts{})
	out := processtest.NewRecorder()
	c := processtest.As("wait")
	c.Stdout = out
	r := run(t, p, web1, c)
	out.Until(t, "ready")
	defer processtest.End(t, job.Survivor{PID: r.PID()})
	h, err := p.host(place{Destination: web1})
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	m := h.links[0].master()
	h.mu.Unlock()
	m.run.(*spawnedForTest).p.Kill()
	if e := processtest.Wait(t, r); e.State != job.Lost || e.Cause != job.CauseLink {
		t.Errorf("got %+v", e)
	}
	processtest.Wait(t, run(t, p, web1, shell("true"))) // on a new one
}

func TestOpenSSH_SaysWhyItFailed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line   string
		status Status
		text   string
	}{
		{"PubkeyAuthentication no", StatusRefused, "Permission denied"},
		{"UserKnownHostsFile /dev/null", StatusHostKey, "host key is known"},
		{"HostName does-not-exist.invalid", StatusUnreachable, "does-not-exist.invalid"},
		{"Port 1", StatusUnreachable, "refused"},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			e := &ConnectError{}
			err := opensshPool(t, remotetest.Start(t, remotetest.Config{}), EngineOpenSSH, Prompts{}, c.line).Connect(within(t, time.Minute), web1)
			if !errors.As(err, &e) || e.Status != c.status || !strings.Contains(err.Error(), c.text) || job.HintOf(err) == "" {
				t.Errorf("got %v, hint %q\n%s", err, job.HintOf(err), ladder(e.Steps))
			}
		})
	}
}

// Ensure that a server that never says a word does not keep anybody waiting.
func TestOpenSSH_HasADeadline(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	proxy.Freeze()
	defer proxy.Thaw()
	p := opensshPool(t, s, EngineOpenSSH, Prompts{}, "ConnectTimeout 2")
	var e *ConnectError
	if err := p.Connect(within(t, time.Minute), web1); !errors.As(err, &e) || e.Status != StatusUnreachable {
		t.Errorf("got %v", err)
	}
}
