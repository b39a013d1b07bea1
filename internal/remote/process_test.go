//go:build unix

package remote

import (
	"context"
	"testing"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process/processtest"
	"vmorchestrator/internal/remote/remotetest"
)

func TestProcess(t *testing.T) {
	t.Parallel()
	p := poolFor(t, remotetest.Start(t, remotetest.Config{}))
	processtest.Suite(t, processtest.Place{
		Start: func(c processtest.Config) (processtest.Running, error) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return p.Start(ctx, web1, command(c))
		},
		Mark: "VMO_RUN", Holds: holdsOutput, HangsUp: true, Runs: 20,
	})
}

func command(c processtest.Config) Command {
	return Command{
		ID: c.ID, Argv: c.Argv, Dir: c.Dir, Env: c.Env, TTY: c.TTY, Stdin: c.Stdin, Input: c.Input,
		Stdout: c.Stdout, Stderr: c.Stderr, Grace: c.Grace, Drain: c.Drain,
	}
}

func TestStart_RunsACommand(t *testing.T) {
	t.Parallel()
	p := poolFor(t, remotetest.Start(t, remotetest.Config{}))
	out := processtest.NewRecorder()
	r, err := p.Start(t.Context(), web1, Command{ID: job.NewID(), Argv: []string{"echo", "hello"}, Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	if e := processtest.Wait(t, r); e.State != job.Succeeded || out.String() != "hello\n" || r.PID() == 0 {
		t.Errorf("got %+v, %q, pid %d", e, out, r.PID())
	}
}
