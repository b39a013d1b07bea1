package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process"
	"vmorchestrator/internal/remote"
)

// spawned is a local program that a connection uses: a ProxyCommand, or ssh.
type spawned struct {
	p   *process.Process
	out *io.PipeReader
}

// spawn starts one. What it prints waits until it is read.
func spawn(_ context.Context, s remote.Spawn) (remote.Spawned, error) {
	out, to := io.Pipe()
	p, err := process.Start(process.Config{
		ID: job.NewID(), Argv: s.Argv, Env: s.Env, Input: true, Stdout: to, Stderr: s.Stderr, Grace: 200 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	go func() { // ends with the process, for which Close waits
		p.Wait()
		to.Close()
	}()
	return &spawned{p, out}, nil
}

func (s *spawned) Read(b []byte) (int, error)  { return s.out.Read(b) }
func (s *spawned) Write(b []byte) (int, error) { return s.p.Write(b) }

// Close ends the program with everything it started.
func (s *spawned) Close() error {
	s.out.Close() // what it still prints finds nobody
	s.p.Kill()
	s.p.Wait()
	return nil
}

func (s *spawned) Wait() error { return exitError(s.p.Wait()) }

func exitError(exit job.Exit) error {
	switch {
	case exit.State == job.Succeeded:
		return nil
	case exit.Code != nil:
		return fmt.Errorf("exit code %d", *exit.Code)
	case exit.Signal != "":
		return errors.New(exit.Signal)
	}
	return errors.New(exit.Detail)
}

// ask runs a program for its answer, of at most some megabytes. With the context
// it ends, and everything it started.
func ask(ctx context.Context, argv []string) (stdout, stderr []byte, err error) {
	var out, errs limited
	exit, err := runBriefly(ctx, process.Config{Argv: argv, Stdout: &out, Stderr: &errs, Drain: 500 * time.Millisecond})
	if err == nil {
		err = exitError(exit)
	}
	return out.Bytes(), errs.Bytes(), err
}

// runBriefly runs a program that is no job to its end, or until the context ends:
// then it is killed with everything it started, and the error is the context's
// cause.
func runBriefly(ctx context.Context, c process.Config) (job.Exit, error) {
	c.ID, c.Grace = job.NewID(), 100*time.Millisecond
	p, err := process.Start(c)
	if err != nil {
		return job.Exit{}, err
	}
	stop := context.AfterFunc(ctx, p.Kill)
	exit := p.Wait()
	if !stop() {
		return exit, context.Cause(ctx)
	}
	return exit, nil
}
