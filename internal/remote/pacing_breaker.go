package remote

import (
	"context"
	"fmt"
	"time"
)

// tooOften is how many connections in a row a server closes before it has said who
// it is until it is left alone: it may count them, and lock this address out for
// longer with each.
const tooOften = 3

// alone are the pauses for which a server is left alone; the last one is repeated.
// What sshd imposes for failed log-ins is over after the first.
var alone = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute}

// breaker is what is known of a server that closes connections at once. It is under
// the lock of the pacing.
type breaker struct {
	closed  int       // in a row
	pauses  int       // how often it was left alone since it last spoke
	until   time.Time // it is left alone until then; zero: it is not
	probing bool      // one attempt is under way, to see how it is now
	change  chan struct{}
}

// shutOut is why a server is not asked.
type shutOut struct {
	closed int
	left   time.Duration
}

func (e *shutOut) Error() string {
	return fmt.Sprintf("the server closed %d connections in a row before authentication, and is left alone for another %v", e.closed, e.left.Round(time.Second))
}

// patience is what one attempt has waited for.
type patience struct {
	waited bool
	pauses int // that the server had been left alone for then
}

// pass waits until a server may be asked. It waits for one pause, and fails when
// whoever tried after that was shut out again. Probe means that others wait for
// what becomes of this attempt. Told hears of a pause before it.
func (p pacing) pass(ctx context.Context, name string, have *patience, told func(*shutOut)) (probe bool, err error) {
	for {
		p.mu.Lock()
		b := p.breakers[name]
		if b == nil || b.until.IsZero() {
			p.mu.Unlock()
			return false, nil
		}
		left := time.Until(b.until)
		if left <= 0 && !b.probing {
			b.probing = true
			p.mu.Unlock()
			return true, nil
		}
		why, pauses, change := &shutOut{b.closed, max(left, 0)}, b.pauses, b.change
		p.mu.Unlock()
		if have.waited && pauses > have.pauses {
			return false, why
		}
		if !have.waited && left > 0 {
			told(why)
		}
		*have = patience{true, pauses}
		var over <-chan time.Time
		timer := time.NewTimer(left)
		if left > 0 {
			over = timer.C
		}
		select {
		case <-over:
		case <-change:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
	}
}

// isAlone reports whether a server is left alone.
func (p pacing) isAlone(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.breakers[name]
	return b != nil && !b.until.IsZero()
}

// ended is told what became of an attempt: the server closed the connection at once,
// it spoke, or neither. It returns for how long the server is left alone now; nil:
// it is not.
func (p pacing) ended(name string, probe, early, spoke bool) *shutOut {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.breakers[name]
	switch {
	case spoke:
		if b != nil {
			delete(p.breakers, name)
			close(b.change)
		}
		return nil
	case b == nil && !early:
		return nil
	case b == nil:
		b = &breaker{change: make(chan struct{})}
		p.breakers[name] = b
	}
	if early {
		b.closed++
	}
	if early && (probe || b.until.IsZero() && b.closed >= tooOften) {
		b.until = time.Now().Add(p.alone[min(b.pauses, len(p.alone)-1)])
		b.pauses++
	}
	if probe {
		b.probing = false
	}
	close(b.change)
	b.change = make(chan struct{})
	if b.until.IsZero() {
		return nil
	}
	return &shutOut{b.closed, max(0, time.Until(b.until))}
}

// forgive lets every server be asked again: the network is another one now.
func (p pacing) forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, b := range p.breakers {
		delete(p.breakers, name)
		close(b.change)
	}
}
