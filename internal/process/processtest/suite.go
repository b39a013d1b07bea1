//go:build unix

// Package processtest is what holds for a command wherever it runs: one suite for
// the commands of this machine and for those of others, which have to be this
// same machine, reached in another way.
//
// The test binary plays the commands: [Play] has to be the first thing that its
// TestMain calls.
package processtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// Running is what everything that runs a command offers.
type Running interface {
	PID() int
	Wait() job.Exit
	Write([]byte) (int, error)
	CloseInput() error
	Resize(job.Size) error
	Interrupt() error
	Cancel()
	Kill()
}

// Config is what the suite asks for; see process.Config.
type Config struct {
	ID             job.ID
	Argv           []string
	Dir            string
	Env            map[string]string
	TTY            bool
	Stdin          io.Reader
	Input          bool
	Stdout, Stderr io.Writer
	Grace, Drain   time.Duration
}

// Place is where the commands run, with what is different there.
type Place struct {
	Start func(Config) (Running, error)

	Mark  string // the variable that holds the job's id
	Path  bool   // the environment is that of the caller
	Holds string // why a survivor is named that holds the output

	// HangsUp is set where a terminal goes away with its first process, whoever
	// else has it open.
	HangsUp bool

	// LetsGo is set where the output ends with the first process, whoever else
	// has it open.
	LetsGo bool

	Runs int // how often the last bytes are looked for
}

// Suite tests everything that holds for a command.
func Suite(t *testing.T, place Place) {
	begin := func(t *testing.T, cfg Config) Running {
		t.Helper()
		p, err := place.Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Kill(); Wait(t, p) })
		return p
	}
	run := func(name string, test func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t) })
	}

	run("ExitCode", func(t *testing.T) {
		for code, state := range map[int]job.State{0: job.Succeeded, 3: job.Failed} {
			e := Wait(t, begin(t, As("exit", fmt.Sprint(code))))
			if e.State != state || e.Cause != job.CauseExit || e.Code == nil || *e.Code != code || e.Signal != "" || e.At.IsZero() {
				t.Errorf("exit %d: got %+v", code, e)
			}
		}
	})
	run("Signal", func(t *testing.T) {
		for sig, want := range map[syscall.Signal]string{syscall.SIGKILL: "SIGKILL", syscall.SIGTERM: "SIGTERM"} {
			e := Wait(t, begin(t, As("signal", fmt.Sprint(int(sig)))))
			if e.State != job.Failed || e.Cause != job.CauseSignal || e.Code != nil || e.Signal != want {
				t.Errorf("%s: got %+v", want, e)
			}
		}
	})
	run("WaitAgain", func(t *testing.T) {
		p := begin(t, As("exit", "4"))
		if a, b := Wait(t, p), Wait(t, p); *a.Code != *b.Code || a.At != b.At {
			t.Errorf("got %+v, then %+v", a, b)
		}
		p.Cancel()
		p.Kill()
		if _, err := p.Write([]byte("x")); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("Write without input: got %v", err)
		}
		if err := p.Interrupt(); !errors.Is(err, job.ErrFinished) {
			t.Errorf("Interrupt after the end: got %v", err)
		}
	})
	run("Streams", func(t *testing.T) {
		out, errs := NewRecorder(), NewRecorder()
		cfg := As("")
		cfg.Argv, cfg.Stdout, cfg.Stderr = []string{"/bin/sh", "-c", "echo out; echo err >&2"}, out, errs
		Wait(t, begin(t, cfg))
		if out.String() != "out\n" || errs.String() != "err\n" {
			t.Errorf("got %q and %q", out, errs)
		}
	})
	run("OneWriterForBoth", func(t *testing.T) {
		both := NewRecorder()
		cfg := As("")
		cfg.Argv, cfg.Stdout, cfg.Stderr = []string{"/bin/sh", "-c", "for i in 1 2 3; do echo out; echo err >&2; done"}, both, both
		Wait(t, begin(t, cfg))
		if want := strings.Repeat("out\nerr\n", 3); both.String() != want {
			t.Errorf("got %q, want the order of writing", both)
		}
	})
	run("HalfARune", func(t *testing.T) {
		out := NewRecorder()
		cfg := As("half")
		cfg.Stdout, cfg.Input = out, true
		p := begin(t, cfg)
		out.Until(t, "\xe2\x82") // arrives although nothing follows
		Write(t, p, "x")
		Wait(t, p)
		if out.String() != "€" {
			t.Errorf("got %q", out)
		}
	})
	run("Input", func(t *testing.T) {
		out := NewRecorder()
		cfg := As("cat")
		cfg.Stdout, cfg.Input = out, true
		p := begin(t, cfg)
		Write(t, p, "one")
		out.Until(t, "one")
		Write(t, p, "two")
		if err := p.CloseInput(); err != nil {
			t.Error(err)
		}
		if _, err := p.Write([]byte("three")); err == nil {
			t.Error("Write after CloseInput: got no error")
		}
		if e := Wait(t, p); e.State != job.Succeeded || out.String() != "onetwo" {
			t.Errorf("got %+v, %q", e, out)
		}
		if _, err := p.Write([]byte("x")); !errors.Is(err, job.ErrFinished) {
			t.Errorf("Write after the end: got %v", err)
		}
	})
	run("Stdin", func(t *testing.T) {
		text := strings.Repeat("all of it\n", 100_000)
		file, err := os.Create(t.TempDir() + "/in")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err = file.WriteString(text); err == nil {
			_, err = file.Seek(0, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		for name, cfg := range map[string]Config{"file": {Stdin: file}, "reader": {Stdin: strings.NewReader(text)}, "none": {}} {
			out, in := NewRecorder(), cfg.Stdin
			cfg = As("cat")
			cfg.Stdin, cfg.Stdout = in, out
			e := Wait(t, begin(t, cfg))
			if in == nil {
				text = ""
			}
			if e.State != job.Succeeded || (in != nil && out.String() != text && text != "") || (in == nil && out.String() != "") {
				t.Errorf("%s: got %+v and %d bytes", name, e, len(out.String()))
			}
		}
	})
	run("Environment", func(t *testing.T) {
		dir := t.TempDir()
		for name, want := range map[string]string{place.Mark: "", "MINE": "a=b\nc", "PATH": os.Getenv("PATH"), "PWD": dir} {
			out := NewRecorder()
			cfg := As("env", name)
			cfg.Stdout, cfg.Dir, cfg.Env["MINE"] = out, dir, "a=b\nc"
			switch {
			case name == place.Mark:
				want = string(cfg.ID)
			case name == "PATH" && !place.Path:
				continue
			}
			if Wait(t, begin(t, cfg)); out.String() != want {
				t.Errorf("%s: got %q, want %q", name, out, want)
			}
		}
	})
	run("ClosesItsOutputEarly", func(t *testing.T) {
		cfg := As("silent")
		cfg.Stdout, cfg.Stderr, cfg.Input, cfg.Drain = NewRecorder(), NewRecorder(), true, time.Millisecond
		p := begin(t, cfg)
		_ = p.CloseInput()
		if e := Wait(t, p); e.Code == nil || *e.Code != 7 || e.Survivors != nil {
			t.Errorf("got %+v", e)
		}
	})
	run("Cancel", func(t *testing.T) {
		for _, test := range []struct{ role, signal string }{{"wait", "SIGINT"}, {"stubborn", "SIGKILL"}} {
			out := NewRecorder()
			cfg := As(test.role)
			cfg.Stdout, cfg.Grace = out, 50*time.Millisecond
			if test.role == "wait" {
				cfg.Grace = time.Minute
			}
			p := begin(t, cfg)
			out.Until(t, "ready")
			p.Cancel()
			p.Cancel()
			if e := Wait(t, p); e.Signal != test.signal || e.Survivors != nil || Alive(p.PID()) {
				t.Errorf("%s: got %+v", test.role, e)
			}
		}
	})
	run("CancelAsksOncePerRung", func(t *testing.T) {
		out := NewRecorder()
		cfg := As("listen", "SIGTERM")
		cfg.Stdout, cfg.Grace = out, 100*time.Millisecond
		p := begin(t, cfg)
		out.Until(t, "ready")
		p.Cancel()
		e := Wait(t, p)
		if e.Code == nil || *e.Code != 5 || strings.Count(out.String(), "got") != 2 || !strings.HasSuffix(out.String(), "got SIGINT\ngot SIGTERM\n") {
			t.Errorf("got %+v and %q", e, out)
		}
	})
	run("KillDuringCancel", func(t *testing.T) {
		out := NewRecorder()
		cfg := As("listen", "SIGTERM")
		cfg.Stdout, cfg.Grace = out, time.Hour
		p := begin(t, cfg)
		out.Until(t, "ready")
		p.Cancel()
		out.Until(t, "got SIGINT")
		p.Kill()
		if e := Wait(t, p); e.Signal != "SIGKILL" {
			t.Errorf("got %+v", e)
		}
	})
	run("Interrupt", func(t *testing.T) {
		out := NewRecorder()
		cfg := As("listen", "SIGINT")
		cfg.Stdout = out
		p := begin(t, cfg)
		out.Until(t, "ready")
		if err := p.Interrupt(); err != nil {
			t.Error(err)
		}
		if e := Wait(t, p); e.Code == nil || *e.Code != 5 || e.Cause != job.CauseExit {
			t.Errorf("got %+v", e)
		}
	})
	run("CancelFindsDaemons", func(t *testing.T) {
		for _, tty := range []bool{false, true} {
			out := NewRecorder()
			cfg := As("daemon")
			cfg.Stdout, cfg.Grace, cfg.TTY = out, 10*time.Millisecond, tty
			p := begin(t, cfg)
			out.Until(t, "daemon")
			p.Cancel()
			e := Wait(t, p)
			pids := out.PIDs("daemon")
			if len(pids) != 1 || Alive(pids[0]) || e.Survivors != nil {
				t.Errorf("tty %t: got %+v, daemon %v, alive %t", tty, e, pids, Alive(pids[0]))
			}
		}
	})
	run("CancelSparesDaemonsOfTheSucceeded", func(t *testing.T) {
		out := NewRecorder()
		cfg := As("daemon", "and exit")
		cfg.Stdout = out
		e := Wait(t, begin(t, cfg))
		pid := out.PIDs("daemon")[0]
		defer syscall.Kill(pid, syscall.SIGKILL)
		if e.State != job.Succeeded || !Alive(pid) || e.Survivors != nil {
			t.Errorf("got %+v, alive %t", e, Alive(pid))
		}
	})
	run("GrandchildHoldsTheOutput", func(t *testing.T) {
		for _, tty := range []bool{false, true} {
			out := NewRecorder()
			cfg := As("hold")
			cfg.Stdout, cfg.Drain, cfg.TTY = out, 300*time.Millisecond, tty
			if tty {
				cfg.Argv, cfg.Env = []string{"/bin/sh", "-c", "trap '' HUP; VMO_PLAY=stubborn \"$0\" & echo bye", Self()}, nil
			}
			p := begin(t, cfg)
			e := Wait(t, p)
			if e.State != job.Succeeded || !strings.Contains(out.String(), "bye") {
				t.Errorf("tty %t: got %+v and %q", tty, e, out)
			}
			if tty && place.HangsUp {
				continue // the cleanup ends it
			}
			if place.LetsGo {
				for _, pid := range out.PIDs("ready") {
					End(t, job.Survivor{PID: pid})
				}
				continue
			}
			if len(e.Survivors) != 1 || e.Survivors[0].Why != place.Holds || !strings.Contains(e.Survivors[0].Command, Self()) {
				t.Errorf("tty %t: got survivors %+v", tty, e.Survivors)
				continue
			}
			End(t, e.Survivors[0])
		}
	})
	run("CancelEndsHolder", func(t *testing.T) {
		if place.LetsGo {
			return // nobody holds it: the job has ended
		}
		out := NewRecorder()
		cfg := As("hold")
		cfg.Stdout, cfg.Drain = out, time.Hour
		p := begin(t, cfg)
		out.Until(t, "ready")
		out.Until(t, "bye")
		UntilDead(p.PID())
		p.Cancel()
		if e := Wait(t, p); e.State != job.Succeeded || e.Survivors != nil || Alive(out.PIDs("ready")[0]) {
			t.Errorf("got %+v", e)
		}
	})
	run("BlockedWriterLosesNothing", func(t *testing.T) {
		for _, tty := range []bool{false, true} {
			out, open := Blocked()
			cfg := As("write", "40000")
			cfg.Stdout, cfg.Drain, cfg.TTY = out, time.Millisecond, tty
			if tty {
				cfg.Argv[1] = "3000" // has to fit, so that the process can exit meanwhile
			}
			p := begin(t, cfg)
			Await(t, "a Write", out.Stuck)
			UntilDead(p.PID())
			ended := make(chan job.Exit, 1)
			go func() { ended <- p.Wait() }()
			select {
			case <-ended:
				t.Fatal("Wait gave up on a blocked writer")
			case <-time.After(100 * cfg.Drain):
			}
			open()
			e := Await(t, "the end", ended)
			want := 40000
			if tty {
				want = 4500 // each newline became two bytes
			}
			if len(out.String()) != want || e.State != job.Succeeded {
				t.Errorf("tty %t: got %d bytes and %+v, want %d", tty, len(out.String()), e, want)
			}
		}
	})
	run("CancelWhileWriterBlocks", func(t *testing.T) {
		out, open := Blocked()
		cfg := As("write", "0")
		cfg.Stdout, cfg.Grace = out, 10*time.Millisecond
		p := begin(t, cfg)
		defer open()
		Await(t, "a Write", out.Stuck)
		p.Cancel()
		UntilDead(p.PID())
		open()
		if e := Wait(t, p); e.Survivors != nil || e.Cause == "" || len(out.String()) == 0 {
			t.Errorf("got %+v and %d bytes", e, len(out.String()))
		}
	})
	run("Resize", func(t *testing.T) {
		out := NewRecorder()
		cfg := As("size")
		cfg.Stdout, cfg.TTY = out, true
		p := begin(t, cfg)
		out.Until(t, "80x24")
		if err := p.Resize(job.Size{Cols: 132, Rows: 50}); err != nil {
			t.Error(err)
		}
		out.Until(t, "132x50")
		if err := p.Resize(job.Size{}); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("empty size: got %v", err)
		}
		p.Kill()
		Wait(t, p)
		if err := p.Resize(job.Size{Cols: 1, Rows: 1}); !errors.Is(err, job.ErrFinished) {
			t.Errorf("after the end: got %v", err)
		}
	})
	run("TerminalKeystrokes", func(t *testing.T) {
		out := NewRecorder()
		cfg := As("cat")
		cfg.Stdout, cfg.TTY = out, true
		p := begin(t, cfg)
		Write(t, p, "hello\n")
		out.Until(t, "hello\r\nhello\r\n") // echoed, and copied
		if err := p.CloseInput(); err != nil {
			t.Error(err)
		}
		if e := Wait(t, p); e.State != job.Succeeded {
			t.Errorf("got %+v", e)
		}
	})
	run("TerminalStdin", func(t *testing.T) {
		out := NewRecorder()
		cfg := As("cat")
		cfg.Stdout, cfg.TTY, cfg.Stdin = out, true, strings.NewReader("typed\n")
		if e := Wait(t, begin(t, cfg)); e.State != job.Succeeded || !strings.Contains(out.String(), "typed\r\n") {
			t.Errorf("got %+v and %q", e, out)
		}
	})
	run("TerminalInterruptReachesTheFront", func(t *testing.T) {
		out := NewRecorder()
		cfg := As("")
		cfg.Stdout, cfg.TTY = out, true
		cfg.Argv = []string{"/bin/sh", "-c", `set -m; trap 'echo shell too' INT; VMO_PLAY=listen "$0" SIGINT; echo after $?`, Self()}
		p := begin(t, cfg)
		out.Until(t, "ready")
		if err := p.Interrupt(); err != nil {
			t.Error(err)
		}
		Wait(t, p)
		if s := out.String(); strings.Count(s, "got SIGINT") != 1 || !strings.Contains(s, "after 5") || strings.Contains(s, "shell too") {
			t.Errorf("got %q", s)
		}
	})
	run("TerminalCancelEndsAShellAtItsPrompt", func(t *testing.T) {
		out := NewRecorder()
		cfg := As("")
		cfg.Stdout, cfg.TTY, cfg.Grace = out, true, 200*time.Millisecond
		cfg.Argv, cfg.Env = []string{"/bin/sh", "-i"}, map[string]string{"PS1": "prompt:", "ENV": ""}
		p := begin(t, cfg)
		out.Until(t, "prompt:")
		p.Cancel()
		if e := Wait(t, p); e.Signal == "SIGKILL" || e.Survivors != nil {
			t.Errorf("got %+v", e)
		}
	})
	run("RawTerminalIsExact", func(t *testing.T) {
		const n = 3 << 20
		out := NewRecorder()
		cfg := As("raw", fmt.Sprint(n))
		cfg.Stdout, cfg.TTY = out, true
		Wait(t, begin(t, cfg))
		if got := out.String(); len(got) != n || sum([]byte(got)) != sum(noise(n)) {
			t.Errorf("got %d bytes, sha256 %s; want %d, %s", len(got), sum([]byte(got)), n, sum(noise(n)))
		}
	})
	run("LastBytes", func(t *testing.T) {
		for i := range place.Runs {
			for _, tty := range []bool{true, false} {
				out := NewRecorder()
				cfg := As("")
				want := strings.Repeat("x", 2000) + fmt.Sprint("last words ", i)
				cfg.Argv, cfg.Stdout, cfg.TTY = []string{"/bin/sh", "-c", `printf %s "$0"`, want}, out, tty
				if e := Wait(t, begin(t, cfg)); out.String() != want || e.State != job.Succeeded || e.Survivors != nil {
					t.Fatalf("run %d, tty %t: got %d bytes of %d, %+v", i, tty, len(out.String()), len(want), e)
				}
			}
		}
	})
}

// Wait waits for the end of a command.
func Wait(t *testing.T, p Running) job.Exit {
	t.Helper()
	c := make(chan job.Exit, 1)
	go func() { c <- p.Wait() }()
	return Await(t, "the process to end", c)
}

// Write writes all of s to the input of a command.
func Write(t *testing.T, p Running, s string) {
	t.Helper()
	if n, err := p.Write([]byte(s)); n != len(s) || err != nil {
		t.Errorf("Write %q: got %d, %v", s, n, err)
	}
}
