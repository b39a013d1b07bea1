package process

import (
	"time"
)

// rung is a step of the ladder that asks; the last one, SIGKILL, does not.
type rung int

const (
	rungInterrupt rung = iota // SIGINT
	rungTerminate             // SIGTERM; in a terminal SIGHUP as well
)

// Cancel ends the process and everything it started: SIGINT, Config.Grace,
// SIGTERM, Config.Grace, SIGKILL, stopping as soon as nobody is left. It returns
// at once; calling it again changes nothing. Wait tells the outcome.
//
// While a Write of the output blocks, the processes are ended all the same, but
// Wait returns only when the Write has: what was printed is not given up.
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
	p.ladder, p.climb = make(chan struct{}), true
	go p.climbDown()
}

func (p *Process) climbDown() {
	defer p.endLadder()
	for _, r := range []rung{rungInterrupt, rungTerminate} {
		if closed(p.hurry) {
			break
		}
		p.child.ask(r)
		if p.emptied(p.cfg.Grace) {
			return
		}
	}
	p.left = p.child.kill()
}

// emptied waits until nobody is left, until the grace is over or until Kill.
// The exit of the process is an event; that of its descendants can only be
// looked for.
func (p *Process) emptied(grace time.Duration) bool {
	over := time.NewTimer(grace)
	defer over.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	gone := p.gone
	for {
		select {
		case <-over.C:
			return false
		case <-p.hurry:
			return false
		case <-gone:
			gone = nil
		case <-look.C:
		}
		if gone == nil && p.child.empty() {
			return true
		}
	}
}

// endLadder lets the drain clock run again, from now.
func (p *Process) endLadder() {
	if indexPID(p.left, p.child.pid) >= 0 && !closed(p.gone) {
		close(p.stuck)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.climb = false
	if !p.since.IsZero() {
		p.setClock()
	}
	close(p.ladder)
}

// startClock begins the time that output may stay open.
func (p *Process) startClock() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setClock()
}

// setClock needs p.mu. The copiers learn of the deadline when it passes, and
// then ask extend.
func (p *Process) setClock() {
	p.since = time.Now()
	for _, s := range p.child.streams {
		s.setDeadline(p.since.Add(p.cfg.Drain))
	}
}

// extend decides about a stream whose deadline has passed: whether it gets a
// later one, or none while the ladder is under way.
func (p *Process) extend(s *stream) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.climb || p.since.IsZero() {
		s.setDeadline(time.Time{})
		return true
	}
	at := p.since.Add(p.cfg.Drain + s.stall)
	if time.Now().Before(at) {
		s.setDeadline(at)
		return true
	}
	return false
}

// stalled notes how long a Write took since the process exited. Only the longest
// one counts: the sum of them could keep a job for ever whose output never ends.
func (p *Process) stalled(s *stream, began time.Time) {
	now := time.Now()
	if now.Sub(began) < time.Millisecond {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		return
	}
	if began.Before(p.since) {
		began = p.since
	}
	s.stall = max(s.stall, now.Sub(began))
}
