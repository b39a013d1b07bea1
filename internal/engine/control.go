package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
)

// Cancel stops a job of any process: interrupt, grace, terminate, grace, kill;
// with force it kills at once. It returns when the job has been told; how it
// ends is in its record. For a job that has ended it fails with job.ErrFinished.
func (e *Engine) Cancel(ctx context.Context, id job.ID, force bool) error {
	if l, err := e.running(id); err == nil {
		if force {
			l.kill(job.CauseCancel, "")
		} else {
			l.cancel(job.CauseCancel, "")
		}
		return nil
	}
	what := journal.RequestCancel
	if force {
		what = journal.RequestKill
	}
	return e.ask(id, what)
}

// Unrecorded lets a job whose output waits for the journal go on without being
// recorded until there is space again. The gap is marked in its record.
func (e *Engine) Unrecorded(ctx context.Context, id job.ID) error {
	if l, err := e.running(id); err == nil {
		l.record.Unrecorded()
		return nil
	}
	return e.ask(id, journal.RequestUnrecorded)
}

// ask leaves a request for the process that owns a job.
func (e *Engine) ask(id job.ID, what string) error {
	// From the record: the list may be a moment behind it.
	r, err := e.Output(id)
	if err != nil {
		return err
	}
	current, err := r.Job()
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if current.State.Final() {
		return fmt.Errorf("%s job %s: %w", what, id, job.ErrFinished)
	}
	return e.journal.Ask(journal.Request{Job: id, What: what, By: e.config.Operator})
}

// Interrupt passes on one Ctrl-C to a job of this process.
func (e *Engine) Interrupt(id job.ID) error {
	l, err := e.running(id)
	if err != nil {
		return err
	}
	l.mu.Lock()
	p := l.process
	l.interrupted = true
	l.mu.Unlock()
	if p == nil { // still waiting for its place
		l.cancel(job.CauseInterrupt, "")
		return nil
	}
	return p.Interrupt()
}

// Kill is the second Ctrl-C: it ends a job of this process at once.
func (e *Engine) Kill(id job.ID) error {
	l, err := e.running(id)
	if err != nil {
		return err
	}
	l.kill(job.CauseInterrupt, "")
	return nil
}

// Input types into a job of this process. It is not recorded: it may be a
// password. While the job waits for its place, so does Input.
func (e *Engine) Input(id job.ID, p []byte) error {
	proc, err := e.process(id, "type into")
	if err != nil {
		return err
	}
	_, err = proc.Write(p)
	return err
}

// CloseInput ends the input of a job without a terminal.
func (e *Engine) CloseInput(id job.ID) error {
	proc, err := e.process(id, "end the input of")
	if err != nil {
		return err
	}
	return proc.CloseInput()
}

// Resize changes the size of a job's terminal, or that with which it will start.
func (e *Engine) Resize(id job.ID, size job.Size) error {
	l, err := e.running(id)
	if err != nil {
		return fmt.Errorf("resize it: %w", err)
	}
	l.mu.Lock()
	l.spec.Size = size
	p := l.process
	l.mu.Unlock()
	if p == nil {
		return nil
	}
	if err := p.Resize(size); err != nil {
		return err
	}
	return l.record.Note(job.Note{Kind: job.NoteResize, Size: size})
}

// Ready waits until a job of this process has been started, or will not be.
func (e *Engine) Ready(ctx context.Context, id job.ID) {
	l, err := e.running(id)
	if err != nil {
		return
	}
	select {
	case <-l.ready:
	case <-ctx.Done():
	}
}

func (e *Engine) process(id job.ID, what string) (started, error) {
	l, err := e.running(id)
	if err != nil {
		return nil, fmt.Errorf("%s it: %w", what, err)
	}
	<-l.ready
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.process == nil {
		return nil, fmt.Errorf("%s job %s: %w", what, id, job.ErrFinished)
	}
	return l.process, nil
}

// Owns reports whether this process runs the job.
func (e *Engine) Owns(id job.ID) bool {
	_, err := e.running(id)
	return err == nil
}

// Job returns one job as it stands.
func (e *Engine) Job(ctx context.Context, id job.ID) (job.Job, error) { return e.journal.Job(ctx, id) }

// Find returns the job that a name means: an id, a unique beginning of one, @n for
// the n-th newest, or its link.
func (e *Engine) Find(ctx context.Context, name string) (job.Job, error) {
	name, err := linked(name)
	if err != nil {
		return job.Job{}, err
	}
	return e.journal.Find(ctx, name)
}

// linked is the id that a link names; every other name is as it is.
func linked(name string) (string, error) {
	if !job.IsAddress(name) {
		return name, nil
	}
	a, err := job.ParseAddress(name)
	if err == nil && a.Run != nil {
		err = job.WithHint(fmt.Errorf("%w: this link asks for a target to be run and names no job", job.ErrInvalid), "Open it with the window, which fills a form in.")
	}
	return string(a.Job), err
}

// Alive lists the jobs of all processes that have not ended.
func (e *Engine) Alive(ctx context.Context) ([]job.Job, error) { return e.journal.Alive(ctx) }

// Reader is the record of one job; see [journal.Reader].
type Reader = journal.Reader

// Place is a place in a record; see [journal.Place].
type Place = journal.Place

// Lines is a window of a record; see [journal.Lines].
type Lines = journal.Lines

// Output opens the record of a job. The caller closes it.
func (e *Engine) Output(id job.ID) (*Reader, error) { return e.journal.Reader(id) }

// Indexed is what Reindex found.
type Indexed = journal.Indexed

// Reindex makes the list of jobs anew from their records.
func (e *Engine) Reindex(ctx context.Context) (Indexed, error) { return e.journal.Reindex(ctx) }

// Compacted is what Compact did.
type Compacted = journal.Compacted

// Compact compresses the records of ended jobs that are not compressed yet.
func (e *Engine) Compact(ctx context.Context) (Compacted, error) { return e.journal.CompactAll(ctx) }

// Wait waits until a job of any process has ended and returns it.
func (e *Engine) Wait(ctx context.Context, id job.ID) (job.Job, error) {
	r, err := e.Output(id)
	if err != nil {
		return job.Job{}, err
	}
	defer r.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		current, err := r.Job()
		// A record is complete before this process knows that it owns the job no
		// more; whoever has waited must not be told otherwise afterwards.
		if err != nil || current.State.Final() && !e.Owns(id) {
			return current, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return current, context.Cause(ctx)
		}
	}
}

// Running is how many jobs of this process have not ended.
func (e *Engine) Running() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.live)
}
