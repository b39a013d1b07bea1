package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// holdsOutput is why a survivor is named that nobody wanted to end.
const holdsOutput = "may be what keeps the output open"

// endTime is how long a host may take to end a run, beyond the grace.
const endTime = 30 * time.Second

// Cancel ends the process and everything it started: SIGINT, Command.Grace,
// SIGTERM, Command.Grace, SIGKILL, stopping as soon as nobody is left. It returns
// at once; calling it again changes nothing. Wait tells the outcome.
func (p *Process) Cancel() { p.climbLadder() }

// Kill is Cancel without grace, also when a Cancel is under way.
func (p *Process) Kill() {
	p.hurried.Do(func() { close(p.hurry) })
	p.climbLadder()
}

func (p *Process) climbLadder() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ladder != nil || p.over {
		return
	}
	p.ladder = make(chan struct{})
	go p.climb()
}

// climbing reports whether a cancel is under way.
func (p *Process) climbing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ladder != nil && !closed(p.ladder)
}

// climb runs the script that ends the run on the host, on a session of its own,
// and a second one without grace when Kill does not want to wait for the first.
func (p *Process) climb() {
	defer close(p.ladder)
	if p.header.PID == 0 {
		p.climbBlind()
		return
	}
	if p.cmd.TTY && !closed(p.hurry) {
		_ = p.interrupt() // as an operator would; the program in front may have changed what it does
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*p.cmd.Grace+endTime)
	defer cancel()
	asked := make(chan error, 1)
	if !closed(p.hurry) {
		go func() {
			left, _, err := p.host.end(ctx, p.header, p.cmd.ID, p.cmd.ladder()...)
			p.leave(left)
			asked <- err
		}()
		select {
		case err := <-asked:
			p.doubt(err)
			return
		case <-p.hurry:
		}
	}
	left, _, err := p.host.end(ctx, p.header, p.cmd.ID, killStep{"KILL", killGrace})
	p.leave(left)
	p.doubt(err)
	cancel()
}

func (p *Process) leave(left []job.Survivor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = left
}

// doubt notes that nobody knows whether everything was ended, and asks the server
// itself to end what it knows of.
func (p *Process) doubt(err error) {
	if err == nil {
		return
	}
	p.unsure = fmt.Sprintf("what it started may still run on %s: %v", p.host.name, err)
	if p.s == nil {
		close(p.lostHope)
		return
	}
	_ = p.s.send("KILL")
	select {
	case <-p.s.exited:
	case <-p.s.over:
	case <-time.After(p.cmd.Grace):
		p.s.close()
	}
}

// climbBlind is for hosts without a shell of ours: the server signals, if it
// does, and then the session is closed.
func (p *Process) climbBlind() {
	p.unsure = fmt.Sprintf("what it started may still run on %s, which did not run our launcher", p.host.name)
	for _, signal := range []string{"INT", "TERM", "KILL"} {
		if closed(p.hurry) && signal != "KILL" {
			continue
		}
		if signal == "INT" && p.cmd.TTY {
			_ = p.interrupt()
		} else {
			_ = p.s.send(signal)
		}
		timer := time.NewTimer(p.cmd.Grace)
		select {
		case <-p.s.exited:
			timer.Stop()
			return
		case <-p.hurry:
		case <-timer.C:
		}
		timer.Stop()
	}
	p.s.close()
	<-p.s.exited
}

// name lists what is left of the run, for the exit.
func (p *Process) name(why string) []job.Survivor {
	if p.header.PID == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	left, _, err := p.host.end(ctx, p.header, p.cmd.ID)
	if err != nil {
		return nil
	}
	for i := range left {
		left[i].Why = why
	}
	return left
}

// ladder are the steps of a cancel.
func (c Command) ladder() []killStep {
	term := killStep{"TERM", c.Grace}
	if c.TTY {
		term.signals = "TERM HUP" // a shell at its prompt listens to nothing else
	}
	return []killStep{{"INT", c.Grace}, term, {"KILL", killGrace}}
}

// end runs the script that ends a run, and returns who is left and how many there
// were. Without steps it only looks.
func (h *host) end(ctx context.Context, at header, id job.ID, steps ...killStep) (left []job.Survivor, found int, err error) {
	line, err := killSteps(at, id, steps...)
	if err != nil {
		return nil, 0, err
	}
	return h.report(ctx, id, line)
}

func (h *host) report(ctx context.Context, id job.ID, line string) (left []job.Survivor, found int, err error) {
	out, said, code, err := h.ask(ctx, line)
	if err != nil {
		return nil, 0, err
	}
	left, found, ok := parseSurvivors(id, string(out))
	if !ok {
		return nil, 0, fmt.Errorf("its answer makes no sense (exit code %d): %s", code, clean(said))
	}
	return left, found, nil
}

// answerLimit bounds what a script of ours may print.
const answerLimit = 1 << 20

// ask runs a script of ours and returns what it prints.
func (h *host) ask(ctx context.Context, line string) (out []byte, said string, code int, err error) {
	s, err := h.session(ctx, forControl, func(s *session) error {
		if err := s.exec(line); err != nil {
			return err
		}
		return s.ch.CloseWrite()
	})
	if err != nil {
		return nil, "", 0, err
	}
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	errs := &tail{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(errs, s.ch.Stderr())
	}()
	out, err = io.ReadAll(io.LimitReader(s.ch, answerLimit+1))
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case len(out) > answerLimit:
		err = errors.New("the host answers without end")
	}
	s.close()
	<-read
	<-s.exited
	if err == nil && !s.said {
		err = s.link.gone(errors.New("the session ended without an answer"))
	}
	return out, errs.String(), s.code, err
}

// KillRun ends what is left on a host of a run of which nobody is in charge any
// more. Found is how many processes there were of it; left are those that it
// could not end. With force it does not ask first.
func (p *Pool) KillRun(ctx context.Context, d inventory.Destination, id job.ID, pid int, force bool) (left []job.Survivor, found int, err error) {
	h, err := p.host(place{Destination: d})
	if err != nil {
		return nil, 0, fmt.Errorf("end what runs on %s: %w", d, err)
	}
	steps := Command{}.withDefaults().ladder()
	if force {
		steps = steps[len(steps)-1:]
	}
	left, found, err = h.end(ctx, header{PID: pid}, id, steps...)
	if err != nil {
		return nil, 0, fmt.Errorf("end what runs on %s: %w", d, err)
	}
	return left, found, nil
}
