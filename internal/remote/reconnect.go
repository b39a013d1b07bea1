package remote

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// backOff are the pauses before a lost connection is tried again; the last one
// is repeated.
var backOff = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}

// want asks for the host to be connected until the function it returns is called.
func (h *host) want() (stop func()) {
	h.mu.Lock()
	h.wanted++
	if len(h.links) == 0 && h.flight == nil && h.state.Status == StatusLost {
		h.reconnect()
	}
	h.mu.Unlock()
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.wanted--; h.wanted > 0 {
			return
		}
		if h.again != nil {
			wake(h.again)
		}
		for _, l := range h.links { // they may have become idle meanwhile
			if l.sessions+l.jumps == 0 {
				l.take(asJump)
				defer func() { go l.release(asJump) }()
			}
		}
	})
}

// reconnect needs h.mu. It begins to try again and again, without asking anybody
// anything: a second factor must never be requested by itself. After a refusal
// it ends, since a server counts those.
func (h *host) reconnect() {
	if h.again != nil {
		return
	}
	again := make(chan struct{}, 1)
	h.again = again
	if !h.pool.run(func() { h.keepTrying(again) }) {
		h.again = nil
	}
}

func (h *host) keepTrying(again chan struct{}) {
	for attempt := 1; ; attempt++ {
		pause := backOff[min(attempt, len(backOff))-1]
		pause += rand.N(pause / 2)
		h.mu.Lock()
		if h.wanted == 0 || len(h.links) > 0 || h.state.Status == StatusRefused || h.state.Status == StatusHostKey {
			h.again = nil
			h.mu.Unlock()
			return
		}
		h.state.Attempt, h.state.Next = attempt, time.Now().Add(pause)
		h.mu.Unlock()
		h.changed()

		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-again:
		case <-h.pool.ctx.Done():
		}
		timer.Stop()

		h.mu.Lock()
		if h.wanted == 0 || len(h.links) > 0 || h.pool.ctx.Err() != nil {
			h.again = nil
			h.mu.Unlock()
			return
		}
		f := h.join(h.pool.ctx, Prompts{}, true)
		h.mu.Unlock()
		err := h.await(h.pool.ctx, f)
		if c := (*ConnectError)(nil); errors.As(err, &c) && c.Status != StatusUnreachable {
			h.mu.Lock()
			h.again = nil
			h.wake()
			h.mu.Unlock()
			return
		}
	}
}

// probe is for when the network may have changed.
func (h *host) probe() {
	h.mu.Lock()
	links := slices.Clone(h.links)
	if h.again != nil {
		wake(h.again)
	}
	h.mu.Unlock()
	for _, l := range links {
		l.probe()
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
