package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
	"vmorchestrator/internal/tail"
)

// Tail asks for a log to be followed.
type Tail struct {
	Source string // such as docker:web; see tail.Source
	Since  string // a time, or how long ago, such as 10m; empty: as Lines says
	Lines  int    // the last lines to begin with; negative: all
	Dir    string // of a compose project; empty: the service is looked for in all of them
}

// TailSpec is the request for a log tail. Its Argv is what the record shows: the
// words that ask for the tail, of which the command on the host is made anew
// whenever the connection was lost.
func TailSpec(t Tail) (job.Spec, error) {
	spec := job.Spec{Source: t.Source, Argv: []string{"tail", t.Source, "--lines=" + strconv.Itoa(t.Lines)}}
	if t.Dir != "" {
		spec.Argv = append(spec.Argv, "--dir="+t.Dir)
	}
	if t.Since != "" {
		spec.Argv = append(spec.Argv, "--since="+t.Since)
	}
	_, _, err := parseTail(spec, time.Now())
	return spec, err
}

// parseTail is the inverse of TailSpec.
func parseTail(spec job.Spec, now time.Time) (tail.Source, tail.Options, error) {
	o := tail.Options{Follow: true}
	source, err := tail.Parse(spec.Source)
	if err != nil {
		return source, o, fmt.Errorf("follow a log: %w: %w", job.ErrInvalid, err)
	}
	for _, arg := range spec.Argv[min(2, len(spec.Argv)):] {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "--dir":
			source.Dir = value
		case "--lines":
			o.Lines, err = strconv.Atoi(value)
		case "--since":
			o.Since, err = since(value, now)
		default:
			err = fmt.Errorf("%q is not known", arg)
		}
		if err != nil {
			return source, o, fmt.Errorf("follow a log: %w: %w", job.ErrInvalid, err)
		}
	}
	if o.Since > 0 && !source.Kind.KnowsTimes() {
		return source, o, job.WithHint(fmt.Errorf("follow a log: %w: nobody knows from when the lines of %s are, so it has no --since", job.ErrInvalid, source),
			"Say how many of the last lines instead, with --lines. A docker:, compose: or journal: source has times.")
	}
	return source, o, nil
}

// since reads a time, or how long ago it was.
func since(text string, now time.Time) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil && t.Before(now) {
			return now.Sub(t), nil
		}
	}
	return 0, fmt.Errorf("%q is neither a time in the past, such as 2026-11-23 15:04, nor how long ago, such as 10m", text)
}

// follower is a log tail: one command after the other, each of which goes on
// where a lost connection left the one before. Its run goroutine belongs to it;
// Wait waits for that.
type follower struct {
	e       *Engine
	l       *live
	tracker *tail.Tracker
	pid     int
	done    chan struct{} // closed when exit is set
	exit    job.Exit

	stop context.CancelFunc // no more connections

	mu      sync.Mutex
	current started
	ending  bool
}

func (e *Engine) follow(ctx context.Context, l *live) (started, error) {
	source, options, err := parseTail(l.spec, time.Now())
	if err != nil {
		return nil, err
	}
	f := &follower{e: e, l: l, done: make(chan struct{})}
	f.tracker = tail.NewTracker(source, options, func(text string) {
		<-l.started
		_ = l.record.Note(job.Note{Kind: job.NoteBoundary, Text: text}) // Finish tells if the record cannot be written
	})
	if err := f.start(ctx, l.record.ID()); err != nil {
		return nil, err
	}
	f.pid = f.current.PID()
	ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx))
	go f.run(ctx)
	return f, nil
}

// start starts the command that goes on from here.
func (f *follower) start(ctx context.Context, id job.ID) error {
	argv := f.tracker.Command()
	p, err := f.e.command(ctx, f.l, id, argv, job.LinkStop, f.tracker.Stdout(f.l.output(job.Stdout)), f.tracker.Stderr(f.l.output(job.Stderr)))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current = p
	if f.ending {
		p.Cancel()
	}
	return nil
}

func (f *follower) run(ctx context.Context) {
	defer close(f.done)
	defer f.stop()
	for {
		f.exit = f.current.Wait()
		if f.exit.Cause != job.CauseLink {
			if err := f.tracker.Flush(); err != nil {
				f.exit.Detail = strings.TrimPrefix(f.exit.Detail+"; "+err.Error(), "; ")
			}
			return
		}
		if !f.reconnect(ctx) {
			return
		}
	}
}

// reconnect waits for a connection and goes on. It reports false when the tail is
// to end instead.
func (f *follower) reconnect(ctx context.Context) bool {
	f.note("the connection to " + f.l.host + " was lost; the log goes on when it is there again")
	unwatch := f.e.pool.Watch(f.l.destination)
	defer unwatch()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done(): // what followed the log there has ended with its connection
			f.exit = job.Exit{State: job.Failed, Cause: job.CauseSignal, Detail: "it ended while there was no connection", At: time.Now()}
			return false
		case <-tick.C:
		}
		if f.e.pool.State(f.l.destination).Status != remote.StatusConnected {
			continue
		}
		err := f.start(ctx, job.NewID())
		if err == nil {
			f.note("connected to " + f.l.host + " again")
			return true
		}
		var c *remote.ConnectError
		if !errors.As(err, &c) && ctx.Err() == nil {
			f.exit.Detail, f.exit.At = err.Error(), time.Now()
			return false
		}
	}
}

func (f *follower) note(text string) {
	_ = f.l.record.Note(job.Note{Kind: job.NoteLink, Text: text}) // Finish tells if the record cannot be written
}

func (f *follower) PID() int { return f.pid }

func (f *follower) Wait() job.Exit {
	<-f.done
	return f.exit
}

// end makes sure that the tail does not go on, and returns what runs of it now.
func (f *follower) end() started {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ending = true
	f.stop()
	return f.current
}

func (f *follower) Cancel()          { f.end().Cancel() }
func (f *follower) Kill()            { f.end().Kill() }
func (f *follower) Interrupt() error { return f.end().Interrupt() }

func (f *follower) Write([]byte) (int, error) {
	return 0, fmt.Errorf("type into a log: %w", job.ErrInvalid)
}
func (f *follower) CloseInput() error     { return nil }
func (f *follower) Resize(job.Size) error { return fmt.Errorf("resize a log: %w", job.ErrInvalid) }

// Sources are the logs that a host has.
type Sources struct {
	Found    []tail.Found `json:"found"`
	Problems []string     `json:"problems"` // what could not be asked, and why
}

// discoverLimit bounds what a host may say about its logs, and how long it may
// take for that.
const (
	discoverLimit = 4 << 20
	discoverWait  = 20 * time.Second
)

// Sources asks a host which logs it has.
func (e *Engine) Sources(ctx context.Context, host string) (Sources, error) {
	h, err := e.Host(host)
	if err != nil {
		return Sources{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, discoverWait, fmt.Errorf("%s did not answer within %v", host, discoverWait))
	defer cancel()
	var out []byte
	if h.Local {
		out, _, err = ask(ctx, tail.Discover())
	} else {
		before := e.pool.State(h.Destination)
		out, _, _, err = e.pool.Output(ctx, h.Destination, tail.Discover(), nil, discoverLimit)
		e.connected(h, before, ", to ask for its logs")
	}
	if err != nil && len(out) == 0 {
		return Sources{}, connectError(fmt.Errorf("ask %s for its logs: %w", host, err))
	}
	found, problems := tail.ParseDiscovered(out)
	return Sources{Found: slices.Concat([]tail.Found{}, found), Problems: slices.Concat([]string{}, problems)}, nil
}
