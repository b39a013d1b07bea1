package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"vmorchestrator/internal/job"
)

// A kept run has no session of its own: the host keeps its output in files, and
// a session reads them. When that is lost another one goes on at the byte where
// it was, as soon as there is a connection again.

// startKept starts the command and returns when it runs.
func (p *Process) startKept(ctx context.Context) error {
	l := p.cmd.launch()
	line, err := launchLine(l)
	if err != nil {
		return fmt.Errorf("start on %s: %w", p.host.name, err)
	}
	s, err := p.host.session(ctx, forBulk, func(s *session) error {
		if err := s.environment(s.link.options); err != nil {
			return err
		}
		if err := s.exec(line); err != nil {
			return err
		}
		if _, err := s.ch.Write(l.input()); err != nil {
			return err
		}
		return s.ch.CloseWrite()
	})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	said, rest := &tail{}, &tail{}
	f := newHeaderFilter(p.cmd.ID, rest, headerWait)
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(said, s.ch.Stderr())
	}()
	_, _ = io.Copy(f, s.ch)
	f.end()
	<-read
	<-s.exited
	s.close()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("start on %s: %w", p.host.name, context.Cause(ctx))
	case f.found:
		p.header = f.header
		go p.followKept()
		return nil
	case s.said && s.code == 125: // as without a connection: the command failed, and says why
		go func() {
			defer close(p.done)
			_, _ = io.WriteString(p.out.err, said.String()+"\n")
			p.exit = exited(s.code)
			p.exit.At = time.Now().UTC()
		}()
		return nil
	case !s.said:
		return fmt.Errorf("start on %s: %w", p.host.name, s.link.gone(errors.New("the session ended without an answer")))
	}
	return job.WithHint(fmt.Errorf("start on %s: the host did not run our launcher: %s", p.host.name, clean(said.String()+" "+rest.String())),
		"A host with a forced command or without a POSIX shell cannot keep a job: start it without that.")
}

// followKept reads until the run has ended.
func (p *Process) followKept() {
	defer close(p.done)
	stop := p.host.want() // a lost connection is made again
	defer stop()
	ctx, cancel := context.WithCancelCause(p.host.pool.ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.lostHope:
			cancel(errNoHope)
		case <-ctx.Done():
		}
	}()

	exit, err := p.readKept(ctx)
	p.mu.Lock()
	p.over = true
	ladder := p.ladder
	p.mu.Unlock()
	if ladder != nil {
		<-ladder
	}
	if err != nil {
		exit = p.lost(fmt.Sprintf("nobody reads what it prints any more: %v", err))
	}
	p.exit = exit
	p.exit.Survivors = p.left
	p.exit.Detail = join(join(p.exit.Detail, p.unsure), p.out.failures())
	p.exit.At = time.Now().UTC()
}

var errNoHope = errors.New("it could not be cancelled without a connection")

// readKept copies the output and returns how the run ended.
func (p *Process) readKept(ctx context.Context) (job.Exit, error) {
	var out, errs counter
	out.to, errs.to = p.out.out, p.out.err
	for {
		code, whole, err := p.readOnce(ctx, readLine(p.cmd.ID, out.n, errs.n, p.cmd.launch().limit()), &out, &errs)
		if err != nil {
			return job.Exit{}, err
		}
		if !whole || code != 0 {
			switch {
			case whole && code == 125:
				return job.Exit{}, errors.New("what was kept of it is not there any more")
			case whole && code == keptLost:
				p.skipLost(ctx, &out, &errs)
			}
			continue // the connection was lost, or there is more
		}
		for {
			code, whole, err = p.readOnce(ctx, finishLine(p.cmd.ID, out.n, errs.n), &out, &errs)
			if err != nil {
				return job.Exit{}, err
			}
			if whole && code == keptLost && p.skipLost(ctx, &out, &errs) {
				continue
			}
			if whole {
				break
			}
		}
		if code == 125 {
			a, err := p.alive(ctx)
			switch {
			case err != nil:
				return job.Exit{}, err
			case !a.Ended && a.Processes > 0:
				continue // only who reads it was ended
			case !a.Ended:
				return job.Exit{}, errors.New("it ended, and nobody could write down how")
			}
			code = a.Code
		}
		p.forget(ctx)
		return exited(code), nil
	}
}

// readOnce runs a script that prints what is kept. Whole means that it came to
// its end.
func (p *Process) readOnce(ctx context.Context, line string, out, errs io.Writer) (code int, whole bool, err error) {
	s, err := p.host.session(ctx, forReader, func(s *session) error { return s.exec(line) })
	if err != nil {
		if ctx.Err() != nil {
			return 0, false, context.Cause(ctx)
		}
		p.host.pause(ctx)
		return 0, false, nil
	}
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	fo, fe := newHeaderFilter(p.cmd.ID, out, time.Hour), newHeaderFilter(p.cmd.ID, errs, time.Hour)
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.out.copy("stderr", s.ch.Stderr(), fe)
	}()
	p.out.copy("stdout", s.ch, fo)
	<-read
	<-s.exited
	s.close()
	fo.timer.Stop()
	fe.timer.Stop()
	return s.code, s.said && s.signal == "", nil
}

// skipLost goes on behind what is not kept any more, and says so where it would be. It
// reports whether anything was lost: 76 may be how the command ended, too.
func (p *Process) skipLost(ctx context.Context, out, errs *counter) (lost bool) {
	text, _, _, err := p.host.ask(ctx, lostLine(p.cmd.ID))
	o, e, ok := parseLost(p.cmd.ID, string(text))
	if err != nil || !ok {
		return false // and the next reader says it again
	}
	for _, l := range []struct {
		name string
		c    *counter
		upTo uint64
	}{{"stdout", out, o}, {"stderr", errs, e}} {
		if l.upTo <= l.c.n {
			continue
		}
		lost = true
		_, _ = fmt.Fprintf(errs.to, "vmo: %d bytes of %s are missing here: while nobody fetches it, %s keeps only the newest %d of it\n",
			l.upTo-l.c.n, l.name, p.host.name, p.cmd.launch().limit())
		l.c.n = l.upTo
	}
	return lost
}

func (p *Process) alive(ctx context.Context) (alive, error) {
	out, _, _, err := p.host.ask(ctx, aliveLine(p.cmd.ID))
	if err != nil {
		return alive{}, err
	}
	a, ok := parseAlive(p.cmd.ID, string(out))
	if !ok {
		return a, errors.New("the host does not say what is left of it")
	}
	return a, nil
}

// forget removes what is kept. That it stays if this fails costs only room.
func (p *Process) forget(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, interruptTime)
	defer cancel()
	_, _, _, _ = p.host.ask(ctx, removeLine(p.cmd.ID))
}

// counter counts what was written, which is where to go on.
type counter struct {
	to io.Writer
	n  uint64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.n += uint64(n)
	return n, err
}

// pause lets a moment pass after a session that failed.
func (h *host) pause(ctx context.Context) {
	timer := time.NewTimer(backOff[0])
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
