//go:build unix

package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process/processtest"
)

func launch(t *testing.T, cfg Config) *Process {
	t.Helper()
	p, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); processtest.Wait(t, p) })
	return p
}

func TestStart_Errors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := file("plain", "#!/bin/sh\n", 0o644)
	orphan := file("orphan", "#!/no/such/interpreter\n", 0o755)
	noFormat := file("no-format", "echo hello\n", 0o755)
	for name, test := range map[string]struct {
		cfg  Config
		code int
		dir  bool
	}{
		"not in PATH":       {Config{Argv: []string{"no-such-command"}}, 127, false},
		"no such file":      {Config{Argv: []string{"/no/such/file"}}, 127, false},
		"file as directory": {Config{Argv: []string{plain + "/x"}}, 127, false},
		"not executable":    {Config{Argv: []string{plain}}, 126, false},
		"in PATH":           {Config{Argv: []string{"plain"}, Env: map[string]string{"PATH": dir}}, 126, false},
		"directory":         {Config{Argv: []string{dir}}, 126, false},
		"no interpreter":    {Config{Argv: []string{orphan}}, 126, false},
		"no format":         {Config{Argv: []string{noFormat}}, 126, false},
		"too long":          {Config{Argv: []string{"/bin/true", strings.Repeat("x", 1<<20)}}, 126, false},
		"no directory":      {Config{Argv: []string{"/bin/true"}, Dir: "/no/such/dir"}, 125, true},
		"file for dir":      {Config{Argv: []string{"true"}, Dir: plain}, 125, true},
		"relative PATH":     {Config{Argv: []string{"orphan"}, Dir: dir, Env: map[string]string{"PATH": "."}}, 127, false},
	} {
		for _, tty := range []bool{false, true} {
			test.cfg.ID, test.cfg.TTY, test.cfg.Stdout = job.NewID(), tty, io.Discard
			_, err := Start(test.cfg)
			var se *StartError
			if !errors.As(err, &se) {
				t.Errorf("%s: got %v", name, err)
				continue
			}
			if se.ExitCode() != test.code || (se.Dir != "") != test.dir || job.HintOf(err) == "" || len(err.Error()) > 200 {
				t.Errorf("%s: got code %d, dir %q, hint %q, %v", name, se.ExitCode(), se.Dir, job.HintOf(err), err)
			}
		}
	}
	for name, cfg := range map[string]Config{
		"no id":      {Argv: []string{"true"}},
		"no command": {ID: job.NewID()},
		"NUL":        {ID: job.NewID(), Argv: []string{"a\x00b"}},
		"two inputs": {ID: job.NewID(), Argv: []string{"true"}, Input: true, Stdin: strings.NewReader("")},
	} {
		if _, err := Start(cfg); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestStart_FindsCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("#!/bin/sh\necho mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]Config{
		"in the child's PATH": {Argv: []string{"mine"}, Env: map[string]string{"PATH": dir + ":/bin:/usr/bin"}},
		"relative to Dir":     {Argv: []string{"./mine"}, Dir: dir},
	} {
		out := processtest.NewRecorder()
		cfg.ID, cfg.Stdout = job.NewID(), out
		if processtest.Wait(t, launch(t, cfg)); out.String() != "mine\n" {
			t.Errorf("%s: got %q", name, out)
		}
	}
}

// Ensure that a job has neither our terminal nor a way to be stopped by it.
func TestStart_HasNoForeignTerminal(t *testing.T) {
	t.Parallel()
	out := processtest.NewRecorder()
	cfg := as("nested", "read-terminal")
	cfg.TTY, cfg.Stdout = true, out
	if processtest.Wait(t, launch(t, cfg)); out.String() != "refused" {
		t.Errorf("got %q", out)
	}
}

// Ensure that output goes on when a command closes its terminal for a moment.
func TestTerminal_ClosedAndOpenedAgain(t *testing.T) {
	t.Parallel()
	out := processtest.NewRecorder()
	cfg := as("close-terminal")
	cfg.TTY, cfg.Stdout = true, out
	if e := processtest.Wait(t, launch(t, cfg)); out.String() != "still here" {
		t.Errorf("got %q, %+v", out, e)
	}
}

func TestCancel_NestedJobs(t *testing.T) {
	t.Parallel()
	t.Run("outer ends inner", func(t *testing.T) {
		t.Parallel()
		out := processtest.NewRecorder()
		cfg := as("nested", "daemon")
		cfg.Stdout, cfg.Stderr, cfg.Grace = out, out, 20*time.Millisecond
		p := launch(t, cfg)
		out.Until(t, "daemon")
		p.Cancel()
		e := processtest.Wait(t, p)
		if pid := out.PIDs("daemon")[0]; processtest.Alive(pid) || e.Survivors != nil {
			t.Errorf("got %+v, the inner job's daemon alive: %t", e, processtest.Alive(pid))
		}
	})
	t.Run("inner spares outer", func(t *testing.T) {
		t.Parallel()
		out := processtest.NewRecorder()
		cfg := as("nested-cancel")
		cfg.Stdout = out
		e := processtest.Wait(t, launch(t, cfg))
		if e.State != job.Succeeded || out.String() != "inner ended by SIGKILL, survivors 0" {
			t.Errorf("got %+v, %q", e, out)
		}
	})
	t.Run("marks", func(t *testing.T) {
		t.Parallel()
		out := processtest.NewRecorder()
		cfg := as("nested", "env", markJobs)
		cfg.Stdout = out
		processtest.Wait(t, launch(t, cfg))
		if outer, inner, _ := strings.Cut(out.String(), " "); outer != string(cfg.ID) || inner == outer || len(inner) != len(outer) {
			t.Errorf("got %q in job %s", out, cfg.ID)
		}
	})
}

func TestCancel_SparesOtherJobs(t *testing.T) {
	t.Parallel()
	var jobs []*Process
	var daemons []int
	for range 2 {
		out := processtest.NewRecorder()
		cfg := as("daemon")
		cfg.Stdout, cfg.Grace = out, time.Millisecond
		jobs = append(jobs, launch(t, cfg))
		out.Until(t, "daemon")
		daemons = append(daemons, out.PIDs("daemon")...)
	}
	jobs[0].Kill()
	processtest.Wait(t, jobs[0])
	if processtest.Alive(daemons[0]) || !processtest.Alive(daemons[1]) || closed(jobs[1].gone) {
		t.Errorf("daemons alive: %t of the job, %t of the other, whose process has exited: %t", processtest.Alive(daemons[0]), processtest.Alive(daemons[1]), closed(jobs[1].gone))
	}
}

func members(p *Process) []proc {
	all, _ := p.child.family.scan(nil)
	return all
}

// Ensure that processes that start new ones all the time do not get away.
func TestCancel_RunningAway(t *testing.T) {
	t.Parallel()
	for range 5 {
		out := processtest.NewRecorder()
		cfg := as("respawn", "0")
		cfg.Stderr, cfg.Grace = out, 10*time.Millisecond
		p := launch(t, cfg)
		out.Until(t, "running")
		p.Cancel()
		e := processtest.Wait(t, p)
		if left := members(p); e.Survivors != nil || len(left) > 0 {
			t.Errorf("got %+v, and %d processes are left", e, len(left))
		}
	}
}

// Ensure that a stopped process learns that it is to end.
func TestCancel_Stopped(t *testing.T) {
	t.Parallel()
	out := processtest.NewRecorder()
	cfg := as("listen", "SIGINT")
	cfg.Stdout, cfg.Grace = out, time.Minute
	p := launch(t, cfg)
	out.Until(t, "ready")
	if err := syscall.Kill(p.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for !members(p)[0].stopped {
		runtime.Gosched()
	}
	p.Cancel()
	if e := processtest.Wait(t, p); e.Code == nil || *e.Code != 5 {
		t.Errorf("got %+v", e)
	}
}

// Ensure that a number that was given to another process is not signalled.
func TestSignal_StaleNumber(t *testing.T) {
	t.Parallel()
	out := processtest.NewRecorder()
	cfg := as("wait")
	cfg.Stdout = out
	p := launch(t, cfg)
	out.Until(t, "ready")
	stale := p.child.family.root
	stale.start--
	if err := stale.signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("got %v", err)
	}
	if !processtest.Alive(p.PID()) {
		t.Error("another process was killed")
	}
}

// Ensure that who cannot be killed is named, and does not hold the job.
func TestCancel_NamesSurvivors(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to make a program that becomes root")
	}
	dir := t.TempDir()
	for d := dir; d != "/"; d = filepath.Dir(d) { // to be reached without rights
		if info, err := os.Stat(d); err == nil && info.Mode()&1 == 0 {
			if err := os.Chmod(d, info.Mode()|0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := os.ReadFile(processtest.Self())
	if err != nil {
		t.Fatal(err)
	}
	sudo, vmo := filepath.Join(dir, "sudo"), filepath.Join(dir, "vmo")
	for _, path := range []string{sudo, vmo} {
		if err := os.WriteFile(path, text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(sudo, 0o755|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	out := processtest.NewRecorder()
	cfg := as("run-root", sudo)
	cfg.Argv[0], cfg.Stdout, cfg.Stderr, cfg.Dir = vmo, out, out, "/"
	p := launchAs(t, cfg, 65534)
	processtest.Wait(t, p)
	if want := "true sudo still running: it belongs to another user and needs root; keeps the output open\nstate failed true true\n"; out.String() != want &&
		out.String() != strings.Replace(want, "keeps", "may be what keeps", 1) {
		t.Errorf("got %q", out)
	}
	p.Kill()
	for _, left := range members(p) { // this one is root's, who may
		if err := left.signal(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		processtest.UntilDead(left.pid)
	}
}

// launchAs starts the command as another user.
func launchAs(t *testing.T, cfg Config, uid uint32) *Process {
	t.Helper()
	argv := []string{"/usr/bin/setpriv", fmt.Sprintf("--reuid=%d", uid), "--clear-groups", "--"}
	if _, err := os.Stat(argv[0]); err != nil {
		t.Skip("needs setpriv")
	}
	cfg.Argv = append(argv, cfg.Argv...)
	return launch(t, cfg)
}

// Ensure that a Writer that fails ends its stream as a closed pipe does, and
// that the exit says so.
func TestWriter_Fails(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	r.CloseWithError(errors.New("no more"))
	cfg := as("write", "0")
	cfg.Stdout = w
	if e := processtest.Wait(t, launch(t, cfg)); e.Signal != "SIGPIPE" || !strings.Contains(e.Detail, "stdout was closed early: no more") {
		t.Errorf("got %+v", e)
	}
}

// Ensure that what lies in a pipe or terminal when the process exits is copied,
// also when somebody holds it open and all the time for that is over.
func TestDrain_CopiesWhatWasThere(t *testing.T) {
	t.Parallel()
	for tty, size := range map[bool]int{false: 600_000, true: 9000} { // more than one read, less than what fits
		out, open := processtest.Blocked()
		cfg := as("")
		cfg.Argv = []string{"/bin/sh", "-c", fmt.Sprintf("trap '' HUP; head -c %d /dev/zero; sleep 60 & exit 0", size)}
		cfg.Stdout, cfg.TTY, cfg.Drain = out, tty, 1
		p := launch(t, cfg)
		processtest.Await(t, "a Write", out.Stuck)
		processtest.Await(t, "the exit", p.gone)
		open()
		e := processtest.Wait(t, p)
		if got := len(out.String()); got != size || len(e.Survivors) != 1 || e.Survivors[0].Why != holdsOutput {
			t.Errorf("tty %t: got %d bytes, want %d; %+v", tty, got, size, e)
		}
		for _, s := range e.Survivors {
			processtest.End(t, s)
		}
	}
}

// Ensure that the last words of those who are being cancelled are copied, however
// long before the process itself has gone.
func TestDrain_WaitsForTheLadder(t *testing.T) {
	t.Parallel()
	out := processtest.NewRecorder()
	cfg := as("")
	cfg.Stdout, cfg.Grace, cfg.Drain = out, 300*time.Millisecond, 1
	cfg.Argv = []string{"/bin/sh", "-c", `VMO_PLAY=listen "$0" SIGTERM & trap 'exit 1' INT; wait`, processtest.Self()}
	p := launch(t, cfg)
	out.Until(t, "ready")
	p.Cancel()
	e := processtest.Wait(t, p)
	if !strings.HasSuffix(out.String(), "got SIGTERM\n") || e.Survivors != nil || e.Code == nil || *e.Code != 1 {
		t.Errorf("got %q and %+v", out, e)
	}
}

// Ensure that background output that never ends is cut off in bounded time.
func TestDrain_Flood(t *testing.T) {
	t.Parallel()
	for _, tty := range []bool{false, true} {
		cfg := as("")
		cfg.Argv = []string{"/bin/sh", "-c", "trap '' HUP; yes & exit 3"}
		cfg.Stdout, cfg.TTY, cfg.Drain = io.Discard, tty, 50*time.Millisecond
		p := launch(t, cfg)
		e := processtest.Wait(t, p)
		if e.Code == nil || *e.Code != 3 || len(e.Survivors) != 1 || e.Survivors[0].Why != holdsOutput {
			t.Errorf("tty %t: got %+v", tty, e)
		}
		// Its output is closed now, which ends it.
		for _, s := range e.Survivors {
			processtest.UntilDead(s.PID)
		}
	}
}

// Ensure that files and goroutines are given back. It does not run in parallel
// because it counts those of the whole test.
func TestProcess_LeavesNothingBehind(t *testing.T) {
	every := func() {
		for _, tty := range []bool{false, true} {
			for _, cancel := range []bool{false, true} {
				cfg := as("daemon")
				out := processtest.NewRecorder()
				cfg.Stdout, cfg.Stderr, cfg.TTY, cfg.Grace, cfg.Drain = out, processtest.NewRecorder(), tty, time.Millisecond, time.Millisecond
				cfg.Stdin = strings.NewReader("input")
				if !cancel {
					cfg.Argv, cfg.Env = []string{"/bin/sh", "-c", "trap '' HUP; sleep 60 & exit 1"}, nil
				}
				p := launch(t, cfg)
				if cancel {
					out.Until(t, "daemon")
					p.Cancel()
				}
				for _, s := range p.Wait().Survivors {
					processtest.End(t, s)
				}
				cfg.Argv = []string{"/no/such/file"}
				if _, err := Start(cfg); err == nil {
					t.Error("started nothing")
				}
			}
		}
	}
	every() // the runtime opens some files of its own once
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	for range 5 {
		every()
	}
	if now := openFiles(t); now != files {
		t.Errorf("%d open files, %d before", now, files)
	}
	for late := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(late) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

func TestCut(t *testing.T) {
	t.Parallel()
	for n := 195; n < 205; n++ {
		got := cut([]string{strings.Repeat("x", n) + "€uro"})
		if len(got) > 200 || len(got) < 198 || strings.ContainsRune(got, '\uFFFD') || strings.ToValidUTF8(got, "?") != got {
			t.Errorf("%d: got %d bytes, %q", n, len(got), got[190:])
		}
	}
}
