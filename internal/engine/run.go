package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
	"vmorchestrator/internal/process"
	"vmorchestrator/internal/remote"
)

// Launch is a request to run something.
type Launch struct {
	job.Spec
	Hosts []string  // names, as for SelectHosts; empty: this machine
	There string    // working directory on other machines; empty: the home directory
	Stdin io.Reader // of a job without a terminal; nil: none
	Input bool      // keep stdin open for Engine.Input instead
}

// Start begins one job on every host and returns when all are on the disk. They
// run when there is a place for them. The hosts are settled here, once: what any
// file says later changes none of them. What cannot be begun on one host begins
// on none.
func (e *Engine) Start(launch Launch) (job.Run, []job.Job, error) {
	hosts := []inventory.Host{{Local: true}}
	var err error
	if len(launch.Hosts) > 0 {
		if hosts, err = e.SelectHosts(launch.Hosts); err != nil {
			return job.Run{}, nil, err
		}
	}
	names := make([]string, len(hosts))
	specs := make([]job.Spec, len(hosts))
	for i, h := range hosts {
		if !h.Local {
			names[i] = h.Name
		}
		spec := launch.Spec
		if !h.Local {
			spec.Dir = launch.There
		}
		if specs[i], err = resolve(spec, h.Local); err != nil {
			return job.Run{}, nil, err
		}
	}
	if len(hosts) > 1 && launch.Stdin != nil {
		return job.Run{}, nil, fmt.Errorf("%w: one input cannot go to %d hosts", job.ErrInvalid, len(hosts))
	}
	run := job.NewRun(launch.Spec, names...)
	var jobs []job.Job
	for i, h := range hosts {
		run.Spec = specs[i]
		begun, err := e.begin(run, names[i], h.Destination, launch)
		if err != nil {
			return run, jobs, err
		}
		jobs = append(jobs, begun)
	}
	return run, jobs, nil
}

// resolve fills in what the caller left to us, so that the record says it. A
// folder of another machine is for that machine to understand.
func resolve(s job.Spec, local bool) (job.Spec, error) {
	if len(s.Argv) == 0 && s.TTY {
		s.Argv = []string{shellThere}
		if local {
			s.Argv[0] = process.LoginShell()
		}
	}
	if s.TTY && s.Size == (job.Size{}) {
		s.Size = job.Size{Cols: 80, Rows: 24}
	}
	if local {
		dir, err := filepath.Abs(s.Dir)
		if err != nil {
			return s, fmt.Errorf("find the working directory: %w", err)
		}
		s.Dir, s.Link = dir, job.LinkLost
	}
	return s, s.Validate()
}

func (e *Engine) begin(run job.Run, host string, d inventory.Destination, launch Launch) (job.Job, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return job.Job{}, ErrClosed
	}
	record, err := e.journal.Begin(run.Begin(host, e.config.Operator, time.Now())) // 1: begin
	if err != nil {
		return job.Job{}, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &live{
		record: record, spec: run.Spec, stdin: launch.Stdin, input: launch.Input, grace: e.config.Grace,
		host: host, destination: d,
		giveUp: cancel, queue: e.queue, ready: make(chan struct{}), started: make(chan struct{}),
	}
	if host != "" {
		l.queue = e.fleet
	}
	if run.Spec.TTY || run.Spec.Source != "" {
		l.queue = newQueue(1) // it stays for long: nobody waits for it
	}
	l.place = l.queue.join()
	e.live[record.ID()] = l
	e.runs.Add(1)
	go func() {
		defer e.runs.Done()
		defer cancel()
		e.run(ctx, l)
	}()
	return record.Job(), nil
}

// run takes a job that has been begun (1) through the rest of its life: start
// (2), wait (3), finish (4). The hints (5) come from the journal, after every
// append and at the end.
func (e *Engine) run(ctx context.Context, l *live) {
	exit := e.attempt(ctx, l)
	l.detach()
	ended, err := l.record.Finish(exit) // 4: no context, nothing can cancel it
	e.mu.Lock()
	delete(e.live, l.record.ID())
	if err != nil {
		// A record that could not be completed has no owner any more, and the next
		// sweep of the journal ends it as lost: that is the truth about it. Close
		// tells whoever asked for the job.
		e.unfinished = append(e.unfinished, err)
	}
	e.mu.Unlock()
	if err == nil {
		e.tidy(ended)
	}
}

// attempt runs the process and says how it ended.
func (e *Engine) attempt(ctx context.Context, l *live) job.Exit {
	defer l.queue.leave(l.place)
	select { // wait for a place
	case <-l.place:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return l.ended(job.Exit{At: time.Now()})
	}
	p, err := e.launch(ctx, l) // 2: start
	switch {
	case err != nil && ctx.Err() != nil:
		return l.ended(job.Exit{At: time.Now()})
	case err != nil:
		return l.notStarted(err)
	}
	late := l.attach(p)
	if err := l.record.Start(p.PID()); err != nil {
		l.cancel(job.CauseJournal, "")
	}
	if late != (job.Size{}) {
		_ = l.record.Note(job.Note{Kind: job.NoteResize, Size: late}) // Finish tells if the record cannot be written
	}
	close(l.started)
	if l.spec.Timeout > 0 {
		timer := time.AfterFunc(l.spec.Timeout, func() { l.cancel(job.CauseTimeout, "") })
		defer timer.Stop()
	}
	return l.ended(p.Wait()) // 3: wait, for the process and for its output
}

// launch starts the command here or there.
func (e *Engine) launch(ctx context.Context, l *live) (started, error) {
	argv := l.spec.Argv
	switch {
	case IsTunnel(l.spec.Source):
		return e.tunnel(ctx, l)
	case l.spec.Source != "":
		return e.follow(ctx, l)
	case l.host != "" && len(argv) == 1 && argv[0] == shellThere:
		return e.shell(ctx, l)
	}
	return e.command(ctx, l, l.record.ID(), argv, l.spec.Link, l.output(l.stdout()), l.output(job.Stderr))
}

// command starts argv where the job belongs. Its id is that of the job, but for a
// log tail that goes on: what is left of the connection before must not end it.
func (e *Engine) command(ctx context.Context, l *live, id job.ID, argv []string, link job.Link, stdout, stderr io.Writer) (started, error) {
	if l.host == "" {
		return process.Start(process.Config{
			ID: id, Argv: argv, Dir: l.spec.Dir, Env: l.spec.Env,
			TTY: l.spec.TTY, Size: l.size(), Stdin: l.stdin, Input: l.input,
			Stdout: stdout, Stderr: stderr, Grace: l.grace,
		})
	}
	return e.pool.Start(ctx, l.destination, remote.Command{
		ID: id, Argv: argv, Dir: l.spec.Dir, Env: l.spec.Env,
		TTY: l.spec.TTY, Size: l.size(), Stdin: l.stdin, Input: l.input,
		Stdout: stdout, Stderr: stderr, Grace: l.grace, Link: link,
	})
}

// shellThere stands in a record for the login shell of another machine.
const shellThere = "login-shell"

func (l *live) notStarted(err error) job.Exit {
	exit := job.Exit{State: job.Failed, Cause: job.CauseStart, Detail: strings.TrimSpace(err.Error() + ". " + job.HintOf(err)), At: time.Now()}
	var c *remote.ConnectError
	if errors.As(err, &c) {
		code := 255 // as ssh
		exit.Cause, exit.Code = job.CauseConnect, &code
		exit.Detail = strings.TrimSpace(err.Error() + ". " + job.HintOf(connectError(err)))
		_ = l.record.Note(job.Note{Kind: job.NoteLink, Text: c.Ladder()}) // Finish tells if the record cannot be written
	}
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

// started is something that runs: a *process.Process, a *remote.Process, a
// *follower, a *tunneler or a *shellWithForwards.
type started interface {
	PID() int
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
	record      *journal.Record
	spec        job.Spec
	host        string // "" is this machine
	destination inventory.Destination
	queue       *queue
	stdin       io.Reader
	input       bool
	grace       time.Duration
	giveUp      context.CancelFunc // waiting for a place
	place       <-chan struct{}    // closed when there is one
	ready       chan struct{}      // closed when there is a process, or will be none
	started     chan struct{}      // closed when the record says that there is a process

	mu          sync.Mutex
	given       job.Size  // of the terminal, to the process that is being started
	process     started   // nil before ready and if it could not be started
	why         job.Cause // why it is being stopped; empty while it is not
	by          string    // on whose word, if it was another's
	interrupted bool
}

// output is a writer of the record that waits until the start is in it: what a
// process says in its first microseconds stands behind its beginning.
func (l *live) output(s job.Stream) io.Writer { return &output{l.record.Writer(s), l.started} }

type output struct {
	to      io.Writer
	started <-chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	<-o.started
	return o.to.Write(p)
}

// size is that of the terminal at the start.
func (l *live) size() job.Size {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.given = l.spec.Size
	return l.given
}

func (l *live) stdout() job.Stream {
	if l.spec.TTY {
		return job.TTY
	}
	return job.Stdout
}

// attach makes the process known to those who may want to stop it, and stops it
// if they already did.
//
// Its terminal may have been resized while it was being started, which nobody who
// types into it may notice; attach returns that size, or none.
func (l *live) attach(p started) (late job.Size) {
	l.mu.Lock()
	l.process = p
	why := l.why
	if l.spec.TTY && l.spec.Size != l.given {
		late = l.spec.Size
	}
	l.mu.Unlock()
	if late != (job.Size{}) {
		_ = p.Resize(late) // it fails if the process has ended, and then nobody minds
	}
	close(l.ready)
	if why != "" {
		p.Cancel()
	}
	return late
}

// detach lets go of those who wait for a process that never was.
func (l *live) detach() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.process == nil {
		close(l.ready)
	}
}

// cancel stops the job. The first cause is the one that is recorded.
func (l *live) cancel(why job.Cause, by string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == "" {
		l.why, l.by = why, by
	}
	l.giveUp()
	if l.process != nil {
		l.process.Cancel()
	}
	// A job whose output waits for a full disk could not end: the rest of its
	// output becomes a marked gap.
	l.record.DoNotWait()
}

func (l *live) kill(why job.Cause, by string) {
	l.cancel(why, by)
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
	case exit.Cause == job.CauseLink:
		// Nobody saw how it ended: to have been told to is no proof that it did.
		if l.why != "" {
			exit.Detail = strings.TrimPrefix(exit.Detail+"; it had been told to end", "; ")
		}
		return exit
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
	if l.by != "" {
		exit.Detail = strings.TrimPrefix(exit.Detail+"; cancelled by "+l.by, "; ")
	}
	return exit
}
