//go:build unix

package main

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"vmorchestrator/internal/job"
)

// terminal is a program in a terminal, as an operator has it.
type terminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  io.ReadWriteCloser
	size func(cols, rows uint16)
	said bytes.Buffer
}

func (h house) terminal(cmd *exec.Cmd) *terminal {
	h.t.Helper()
	cmd.WaitDelay = 0
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 100, Rows: 30})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { tty.Close() })
	deadline := time.AfterFunc(10*time.Second, func() { cmd.Process.Signal(syscall.SIGABRT) }) // what does not answer fails
	h.t.Cleanup(func() { deadline.Stop() })
	return &terminal{t: h.t, cmd: cmd, tty: tty, size: func(cols, rows uint16) {
		if err := pty.Setsize(tty, &pty.Winsize{Cols: cols, Rows: rows}); err != nil {
			h.t.Fatal(err)
		}
	}}
}

// until reads until the terminal has shown something.
func (x *terminal) until(pattern string) {
	x.t.Helper()
	want := regexp.MustCompile(pattern)
	buf := make([]byte, 4096)
	for !want.Match(x.said.Bytes()) {
		n, err := x.tty.Read(buf)
		x.said.Write(buf[:n])
		if err != nil {
			x.t.Fatalf("the terminal showed %q, not %q: %v", x.said.String(), pattern, err)
		}
	}
	x.said.Reset()
}

func (x *terminal) typed(s string) {
	x.t.Helper()
	if _, err := io.WriteString(x.tty, s); err != nil {
		x.t.Fatal(err)
	}
}

// end reads the rest and returns the exit code.
func (x *terminal) end() int {
	x.t.Helper()
	_, _ = io.Copy(&x.said, x.tty) // ends with EIO
	_ = x.cmd.Wait()               // the code is what matters
	return x.cmd.ProcessState.ExitCode()
}

// Ensure --tty gives the command a terminal: it is typed into, from the first
// key on, resized, and its Ctrl-C is the command's.
func TestTTY_IsTheOperatorsTerminal(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	x := h.terminal(h.command("vmo", "exec", "--tty", "--", "play", "size"))
	x.until(`size 100 30 <nil>`)
	x.size(77, 22)
	x.until(`size 77 22 <nil>`)
	x.typed("\n")
	if code := x.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	j := h.newest()
	if !j.TTY || j.Size != (job.Size{Cols: 100, Rows: 30}) {
		t.Errorf("the job is %+v", j)
	}
	if chunks := h.must("show", "--json", "@1"); !strings.Contains(chunks, `{"kind":"resize","size":{"cols":77,"rows":22}}`) {
		t.Errorf("the resize is not in the record: %s", chunks)
	}

	x = h.terminal(h.command("vmo", "exec", "--tty", "--", "sh", "-c", `read x; echo "got [$x]"; exec play wait`))
	x.typed("early\n")                  // perhaps before the command exists
	x.until(`(?s)got \[early\].*ready`) // a shell may swallow what comes while it executes
	x.typed("\x03")
	if code := x.end(); code != 130 {
		t.Errorf("Ctrl-C in a terminal: exit code %d, said %q", code, x.said.String())
	}
}

// Ensure what goes through a raw terminal is what was printed, bit for bit.
func TestTTY_RawBytesAreIdentical(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must("exec", "--", "play", "noise", "3000000", "1000000")
	want := h.must("show", "@1")
	got := h.must("exec", "--tty", "--", "play", "raw-noise", "3000000", "777")
	if got != want || len(want) != 3000000 {
		t.Errorf("live: %d bytes with %x, want %d with %x", len(got), sha256.Sum256([]byte(got)), len(want), sha256.Sum256([]byte(want)))
	}
	if got := h.must("show", "@1"); got != want {
		t.Errorf("recorded: %d bytes, want %d", len(got), len(want))
	}
}

// Ensure Ctrl-C once is passed on, and twice kills.
func TestInterrupt_OnceAsksTwiceKills(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	x := h.terminal(h.command("vmo", "exec", "--", "play", "polite"))
	x.until("ready")
	x.typed("\x03")
	if code := x.end(); code != 130 || !strings.Contains(x.said.String(), "bye") {
		t.Errorf("once: exit code %d, said %q", code, x.said.String())
	}
	if j := h.newest(); j.State != job.Cancelled || j.Cause != job.CauseInterrupt || j.ExitCode == nil || *j.ExitCode != 3 {
		t.Errorf("once: %+v", j)
	}

	x = h.terminal(h.command("vmo", "exec", "--", "play", "stubborn"))
	x.until("ready")
	x.typed("\x03\x03")
	// The terminal may make one signal of two: a third key is pressed by an
	// operator who sees nothing happen.
	go func() {
		for h.t.Context().Err() == nil {
			if _, err := io.WriteString(x.tty, "\x03"); err != nil {
				return
			}
		}
	}()
	if code := x.end(); code != 130 {
		t.Errorf("twice: exit code %d, said %q", code, x.said.String())
	}
	if j := h.newest(); j.State != job.Cancelled || j.Cause != job.CauseInterrupt || j.Signal != "SIGKILL" {
		t.Errorf("twice: %+v", j)
	}
}

// Ensure vmo behind a shell is not stopped because it has a terminal it may not
// read, nor killed by what nohup protects it from.
func TestBackground_IsNotStopped(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	x := h.terminal(h.command("bash", "-c", `set -m; vmo exec -- cat & wait $!; echo "cat ended with $?"`))
	x.until("cat ended with 0")
	x.end()
	x = h.terminal(h.command("bash", "-c", `set -m; vmo exec --tty -- sh -c 'echo in a terminal' & wait $!; echo "it ended with $?"`))
	x.until("(?s)in a terminal.*it ended with 0")
	x.end()

	cmd := h.command("sh", "-c", `trap '' HUP; exec vmo exec -- play polite`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait()
	if j := h.newest(); j.Cause != job.CauseCancel || j.ExitCode == nil || *j.ExitCode != 3 {
		t.Errorf("SIGTERM: %+v", j)
	}
}

// Ensure a terminal target of make gets the terminal by itself, and only then.
func TestRun_InteractiveTargetGetsTheTerminal(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	write(t, h.dir+"/Makefile", "shell:\n\t@play size\n")
	x := h.terminal(h.command("vmo", "run", "shell"))
	x.until("size 100 30")
	x.typed("\n")
	if code := x.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	h.must("run", "shell")
	if jobs := h.jobs(); jobs[0].TTY || !jobs[1].TTY {
		t.Errorf("in a terminal: %t, then in a pipe: %t", jobs[1].TTY, jobs[0].TTY)
	}
}
