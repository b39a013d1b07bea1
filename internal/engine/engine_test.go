//go:build unix

package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

func config(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	return Config{
		DataDir: filepath.Join(dir, "journal"), ConfigDir: filepath.Join(dir, "config"),
		Registry: filepath.Join(dir, "mkcli", "registry"), Operator: "ann@laptop", Grace: time.Second,
	}
}

func open(t *testing.T, c Config) *Engine {
	t.Helper()
	e, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func start(t *testing.T, e *Engine, l Launch) job.ID {
	t.Helper()
	_, jobs, err := e.Start(l)
	if err != nil {
		t.Fatal(err)
	}
	return jobs[0].ID
}

func shell(script string) Launch {
	return Launch{Spec: job.Spec{Argv: []string{"sh", "-c", script}}, Input: true}
}

func wait(t *testing.T, e *Engine, id job.ID) job.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	j, err := e.Wait(ctx, id)
	if err != nil {
		t.Fatalf("wait for %s: %v", id, err)
	}
	return j
}

// until follows a job until it has printed something.
func until(t *testing.T, e *Engine, id job.ID, want string) {
	t.Helper()
	r, err := e.Output(id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all bytes.Buffer
	enough := errors.New("enough")
	err = r.Follow(ctx, 0, func(page []job.Chunk) error {
		for _, c := range page {
			all.Write(c.Data)
		}
		if strings.Contains(all.String(), want) {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("the job printed %q, not %q: %v", all.String(), want, err)
	}
}

// Ensure jobs beyond the limit wait, visibly and in their order, and that one
// that waits can be cancelled without ever having run.
func TestQueue_IsVisibleFairAndCancellable(t *testing.T) {
	t.Parallel()
	c := config(t)
	c.Parallel = 1
	e := open(t, c)
	first := start(t, e, shell("echo ready; read x"))
	until(t, e, first, "ready")
	mark := filepath.Join(t.TempDir(), "order")
	var waiting []job.ID
	for i := range 5 {
		waiting = append(waiting, start(t, e, shell(fmt.Sprintf("echo %d >>%s", i, mark))))
	}
	for _, id := range waiting {
		if j, err := e.Job(t.Context(), id); err != nil || j.State != job.Pending || j.StartedAt != nil {
			t.Errorf("behind the limit a job is %+v, %v", j, err)
		}
	}
	if err := e.Cancel(t.Context(), waiting[2], false); err != nil {
		t.Fatal(err)
	}
	if j := wait(t, e, waiting[2]); j.State != job.Cancelled || j.Cause != job.CauseCancel || j.StartedAt != nil || j.ExitCode != nil {
		t.Errorf("cancelled while it waited: %+v", j)
	}
	if err := e.Input(first, []byte("\n")); err != nil {
		t.Fatal(err)
	}
	for i, id := range waiting {
		if j := wait(t, e, id); i != 2 && j.State != job.Succeeded {
			t.Errorf("job %d: %+v", i, j)
		}
	}
	if order, err := os.ReadFile(mark); err != nil || string(order) != "0\n1\n3\n4\n" {
		t.Errorf("they ran in the order %q, %v", order, err)
	}
}

// Ensure how a job ended is recorded with its cause.
func TestRun_RecordsTheCause(t *testing.T) {
	t.Parallel()
	e := open(t, config(t))
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	timed := shell("echo ready; read x")
	timed.Timeout = 100 * time.Millisecond
	lost := Launch{Spec: job.Spec{Argv: []string{"true"}, Dir: "/nowhere/at/all"}}
	for name, c := range map[string]struct {
		launch Launch
		state  job.State
		cause  job.Cause
		code   int
		signal string
	}{
		"success":   {shell("exit 0"), job.Succeeded, job.CauseExit, 0, ""},
		"failure":   {shell("exit 7"), job.Failed, job.CauseExit, 7, ""},
		"signal":    {shell("kill -USR1 $$"), job.Failed, job.CauseSignal, -1, "SIGUSR1"},
		"timeout":   {timed, job.TimedOut, job.CauseTimeout, -1, "SIGINT"},
		"not found": {Launch{Spec: job.Spec{Argv: []string{"no-such-command"}}}, job.Failed, job.CauseStart, 127, ""},
		"no right":  {Launch{Spec: job.Spec{Argv: []string{plain}}}, job.Failed, job.CauseStart, 126, ""},
		"no folder": {lost, job.Failed, job.CauseStart, 125, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := wait(t, e, start(t, e, c.launch))
			code := -1
			if j.ExitCode != nil {
				code = *j.ExitCode
			}
			if j.State != c.state || j.Cause != c.cause || code != c.code || j.Signal != c.signal || j.Detail == "" || j.FinishedAt == nil {
				t.Errorf("%+v", j)
			}
			if (j.StartedAt == nil) != (c.cause == job.CauseStart) {
				t.Errorf("started at %v", j.StartedAt)
			}
		})
	}
}

// Ensure a request that cannot be right starts nothing.
func TestStart_RefusesNonsense(t *testing.T) {
	t.Parallel()
	e := open(t, config(t))
	for _, l := range []Launch{
		{}, {Spec: job.Spec{Argv: []string{"a\x00b"}}}, {Spec: job.Spec{Argv: []string{"true"}, Timeout: -1}},
		{Spec: job.Spec{Argv: []string{"true"}}, Hosts: []string{"elsewhere"}},
	} {
		if _, _, err := e.Start(l); !errors.Is(err, job.ErrInvalid) && !errors.Is(err, job.ErrNotFound) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	if jobs, err := e.Jobs(t.Context(), job.Filter{}, "", 10); err != nil || len(jobs) > 0 {
		t.Errorf("%v, %v", jobs, err)
	}
}

// Ensure one Ctrl-C is a question, which a command may answer by succeeding, and
// the second an order.
func TestInterrupt_AsksFirst(t *testing.T) {
	t.Parallel()
	e := open(t, config(t))
	goesOn := start(t, e, shell(`trap 'echo asked; exit 0' INT; echo ready; read x`))
	until(t, e, goesOn, "ready")
	if err := e.Interrupt(goesOn); err != nil {
		t.Fatal(err)
	}
	if j := wait(t, e, goesOn); j.State != job.Succeeded || j.Cause != job.CauseExit {
		t.Errorf("answered by success: %+v", j)
	}
	stops := start(t, e, shell("echo ready; read x"))
	until(t, e, stops, "ready")
	if err := e.Interrupt(stops); err != nil {
		t.Fatal(err)
	}
	if j := wait(t, e, stops); j.State != job.Cancelled || j.Cause != job.CauseInterrupt || j.Signal != "SIGINT" {
		t.Errorf("stopped: %+v", j)
	}
	deaf := start(t, e, shell(`trap '' INT; echo ready; while :; do read x || exec sleep 1000; done`))
	until(t, e, deaf, "ready")
	if err := errors.Join(e.Interrupt(deaf), e.Kill(deaf)); err != nil {
		t.Fatal(err)
	}
	if j := wait(t, e, deaf); j.State != job.Cancelled || j.Cause != job.CauseInterrupt || j.Signal != "SIGKILL" {
		t.Errorf("killed: %+v", j)
	}
}

// Ensure a size that is given at any moment of a start is the one that whoever
// types then finds.
func TestResize_WhileItStarts(t *testing.T) {
	t.Parallel()
	e := open(t, config(t))
	for i := range 40 {
		id := start(t, e, Launch{Spec: job.Spec{Argv: []string{"sh", "-c", "read x; stty size"}, TTY: true}})
		for range i * 20 {
			runtime.Gosched() // a little later each time
		}
		if err := e.Resize(id, job.Size{Cols: 91, Rows: 17}); err != nil {
			t.Fatal(err)
		}
		if err := e.Input(id, []byte("\n")); err != nil {
			t.Fatal(err)
		}
		until(t, e, id, "17 91")
		wait(t, e, id)
	}
}

// Ensure input that is typed before the command exists reaches it, and that the
// size given meanwhile is the one it starts with.
func TestInput_WaitsForTheStart(t *testing.T) {
	t.Parallel()
	c := config(t)
	c.Parallel = 1
	e := open(t, c)
	first := start(t, e, shell("echo ready; read x"))
	until(t, e, first, "ready")
	second := start(t, e, Launch{Spec: job.Spec{Argv: []string{"sh", "-c", "read x; stty size; echo got $x"}, TTY: true}})
	if err := e.Resize(second, job.Size{Cols: 91, Rows: 17}); err != nil {
		t.Fatal(err)
	}
	typed := make(chan error, 1)
	go func() { typed <- e.Input(second, []byte("early\n")) }()
	if err := e.CloseInput(first); err != nil {
		t.Fatal(err)
	}
	until(t, e, second, "17 91\r\ngot early")
	if err := <-typed; err != nil {
		t.Error(err)
	}
	wait(t, e, second)
	if err := e.Input(second, []byte("late")); err == nil {
		t.Error("typing into a job that has ended succeeds")
	}
}

// Ensure another engine on the same journal sees a job, follows it and stops it,
// and that the record says who did.
func TestRequests_ReachTheOwner(t *testing.T) {
	t.Parallel()
	c := config(t)
	owner := open(t, c)
	c.Operator = "bob@desk"
	other := open(t, c)
	id := start(t, owner, shell("echo ready; read x"))
	until(t, other, id, "ready")
	if other.Owns(id) || !owner.Owns(id) {
		t.Error("who owns the job is not told apart")
	}
	if err := other.Input(id, []byte("x")); !errors.Is(err, job.ErrNotOwner) {
		t.Errorf("Input from elsewhere: %v", err)
	}
	if err := other.Cancel(t.Context(), id, false); err != nil {
		t.Fatal(err)
	}
	if j := wait(t, other, id); j.State != job.Cancelled || j.Cause != job.CauseCancel || !strings.Contains(j.Detail, "cancelled by bob@desk") {
		t.Errorf("%+v", j)
	}
	if err := other.Cancel(t.Context(), id, false); !errors.Is(err, job.ErrFinished) {
		t.Errorf("once more: %v", err)
	}
}

// Ensure Close cancels what runs and what waits, and that both records say why.
func TestClose_RecordsTheShutdown(t *testing.T) {
	t.Parallel()
	c := config(t)
	c.Parallel = 1
	e, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	runs := start(t, e, shell("echo ready; read x"))
	until(t, e, runs, "ready")
	waits := start(t, e, shell("echo never"))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Start(shell("true")); !errors.Is(err, ErrClosed) {
		t.Errorf("Start behind Close: %v", err)
	}
	again := open(t, c)
	for _, id := range []job.ID{runs, waits} {
		j, err := again.Job(t.Context(), id)
		if err != nil || j.State != job.Cancelled || j.Cause != job.CauseShutdown {
			t.Errorf("%+v, %v", j, err)
		}
	}
}
