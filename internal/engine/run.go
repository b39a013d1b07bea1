package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
	"vmorchestrator/internal/process"
)

// Launch is a request to run something.
type Launch struct {
	job.Spec
	Hosts []string  // empty: this machine
	Stdin io.Reader // of a job without a terminal; nil: none
	Input bool      // keep stdin open for Engine.Input instead
}

// Start begins one job on every host and returns when all are on the disk. They
// run when there is a place for them. What cannot be begun on one host begins
// on none.
func (e *Engine) Start(launch Launch) (job.Run, []job.Job, error) {
	spec, err := e.resolve(launch.Spec)
	if err != nil {
		return job.Run{}, nil, err
	}
	run := job.NewRun(spec, launch.Hosts...)
	for _, host := range run.Hosts {
		if host != "" {
			return run, nil, job.WithHint(fmt.Errorf("run %s on %q: %w: this version knows only this machine", spec.Argv[0], host, job.ErrInvalid),
				"Leave the host out.")
		}
	}
	var jobs []job.Job
	for _, host := range run.Hosts {
		begun, err := e.begin(run, host, launch)
		if err != nil {
			return run, jobs, err
		}
		jobs = append(jobs, begun)
	}
	return run, jobs, nil
}

// resolve fills in what the caller left to us, so that the record says it.
func (e *Engine) resolve(s job.Spec) (job.Spec, error) {
	if err := s.Validate(); err != nil {
		return s, err
	}
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return s, fmt.Errorf("find the working directory: %w", err)
	}
	s.Dir = dir
	if s.TTY && s.Size == (job.Size{}) {
		s.Size = job.Size{Cols: 80, Rows: 24}
	}
	return s, nil
}

func (e *Engine) begin(run job.Run, host string, launch Launch) (job.Job, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return job.Job{}, ErrClosed
	}
	record, err := e.journal.Begin(run.Begin(host, e.config.Operator, time.Now())) // 1: begin
	if err != nil {
		return job.Job{}, err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	l := &live{record: record, spec: run.Spec, stdin: launch.Stdin, input: launch.Input, give: cancel, grace: e.config.Grace}
	e.live[record.ID()] = l
	e.runs.Add(1)
	go func() {
		defer e.runs.Done()
		defer cancel(nil)
		e.run(ctx, l)
	}()
	return record.Job(), nil
}

// run takes a job that has been begun (1) through the rest of its life: start
// (2), wait (3), finish (4). The hints (5) come from the journal, after every
// append and at the end.
func (e *Engine) run(ctx context.Context, l *live) {
	exit := e.attempt(ctx, l)
	ended, err := l.record.Finish(exit) // 4: no context, nothing can cancel it
	e.mu.Lock()
	delete(e.live, l.record.ID())
	e.mu.Unlock()
	if err == nil {
		e.tidy(ended)
	}
	// A record that could not be finished has no owner any more, and the next
	// sweep of the journal ends it as lost: that is the truth about it.
}

// attempt runs the process and says how it ended.
func (e *Engine) attempt(ctx context.Context, l *live) job.Exit {
	select { // wait for a place
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return l.ended(job.Exit{Cause: job.CauseCancel, State: job.Cancelled, At: time.Now()})
	}
	p, err := process.Start(process.Config{ // 2: start
		ID: l.record.ID(), Argv: l.spec.Argv, Dir: l.spec.Dir, Env: l.spec.Env,
		TTY: l.spec.TTY, Size: l.spec.Size, Stdin: l.stdin, Input: l.input,
		Stdout: l.record.Writer(l.stdout()), Stderr: l.record.Writer(job.Stderr), Grace: l.grace,
	})
	if err != nil {
		return notStarted(err)
	}
	l.attach(p)
	startErr := l.record.Start(p.PID())
	if startErr != nil {
		l.cancel(job.CauseJournal)
	}
	if l.spec.Timeout > 0 {
		timer := time.AfterFunc(l.spec.Timeout, func() { l.cancel(job.CauseTimeout) })
		defer timer.Stop()
	}
	return l.ended(p.Wait()) // 3: wait, for the process and for its output
}

func notStarted(err error) job.Exit {
	exit := job.Exit{State: job.Failed, Cause: job.CauseStart, Detail: err.Error(), At: time.Now()}
	var s *process.StartError
	if errors.As(err, &s) {
		code := s.ExitCode()
		exit.Code = &code
	}
	return exit
}

// smallRecord and largeRecord bound the records that are compressed as soon as
// they end: below, a file system block is all there is to gain; above, the
// command's caller would wait for it.
const (
	smallRecord = 16 << 10
	largeRecord = 4 << 20
)

// tidy compresses the record of an ended job, now or when nothing runs.
func (e *Engine) tidy(ended job.Job) {
	switch {
	case ended.Bytes < smallRecord:
	case ended.Bytes <= largeRecord:
		_ = e.journal.Compact(context.Background(), ended.ID) // it stays readable as it is
	case e.config.Idle:
		select {
		case e.large <- ended.ID:
		default: // `vmo compact` finds it
		}
	}
}

// started is a command that runs: a *process.Process.
type started interface {
	Wait() job.Exit
	Write([]byte) (int, error)
	CloseInput() error
	Resize(job.Size) error
	Interrupt() error
	Cancel()
	Kill()
}

// live is a job of this process that has not ended.
type live struct {
	record *journal.Record
	spec   job.Spec
	stdin  io.Reader
	input  bool
	grace  time.Duration
	give   context.CancelCauseFunc // gives up waiting for a place

	mu          sync.Mutex
	process     started
	why         job.Cause // why it is being stopped; empty while it is not
	interrupted bool
}

func (l *live) stdout() job.Stream {
	if l.spec.TTY {
		return job.TTY
	}
	return job.Stdout
}

// attach makes the process known to those who may want to stop it, and stops it
// if they already did.
func (l *live) attach(p started) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.process = p
	if l.why != "" {
		p.Cancel()
	}
}

// cancel stops the job. The first cause is the one that is recorded.
func (l *live) cancel(why job.Cause) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == "" {
		l.why = why
	}
	l.give(errors.New(string(why)))
	if l.process != nil {
		l.process.Cancel()
	}
	// A job whose output waits for a full disk could not end: the rest of its
	// output becomes a marked gap.
	l.record.Unrecorded()
}

func (l *live) kill(why job.Cause) {
	l.cancel(why)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.process != nil {
		l.process.Kill()
	}
}

// ended says why a job ended, from how its process did.
func (l *live) ended(exit job.Exit) job.Exit {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.why == job.CauseTimeout:
		exit.State = job.TimedOut
		exit.Detail = fmt.Sprintf("stopped after its timeout of %v", l.spec.Timeout)
	case l.why != "":
		exit.State = job.Cancelled
	case l.interrupted && exit.State != job.Succeeded:
		// A program that takes an interrupt for a question and goes on to
		// succeed was not cancelled.
		l.why, exit.State = job.CauseInterrupt, job.Cancelled
	default:
		return exit
	}
	exit.Cause = l.why
	return exit
}
