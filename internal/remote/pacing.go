package remote

import (
	"context"
	"sync"
	"time"
)

const (
	// perEndpoint are the handshakes at a time with one server. sshd's default,
	// MaxStartups 10:30:100, refuses some from the tenth on, and its penalties may
	// make that fewer; with four none was ever refused.
	perEndpoint = 4

	allHandshakes = 16
)

// backPause are the longest pauses before a connection that the server closed
// before it said who it is is tried again.
var backPause = []time.Duration{500 * time.Millisecond, 2 * time.Second, 8 * time.Second}

// pacing spreads the handshakes out, so that a hundred hosts behind one address
// do not look like an attack.
type pacing struct {
	all   chan struct{}
	alone []time.Duration

	mu       *sync.Mutex
	at       map[string]*endpoint
	breakers map[string]*breaker // of servers that closed the last connections at once
}

type endpoint struct {
	room  chan struct{}
	users int
}

func newPacing() pacing {
	return pacing{
		all: make(chan struct{}, allHandshakes), alone: alone,
		mu: new(sync.Mutex), at: map[string]*endpoint{}, breakers: map[string]*breaker{},
	}
}

// permit is leave for one handshake.
type permit struct {
	global, done func()
}

// enter waits for leave to shake hands with an endpoint.
func (p pacing) enter(ctx context.Context, name string) (permit, error) {
	p.mu.Lock()
	e, ok := p.at[name]
	if !ok {
		e = &endpoint{room: make(chan struct{}, perEndpoint)}
		p.at[name] = e
	}
	e.users++
	p.mu.Unlock()
	leave := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if e.users--; e.users == 0 {
			delete(p.at, name)
		}
	}
	select {
	case e.room <- struct{}{}:
	case <-ctx.Done():
		leave()
		return permit{}, context.Cause(ctx)
	}
	select {
	case p.all <- struct{}{}:
	case <-ctx.Done():
		<-e.room
		leave()
		return permit{}, context.Cause(ctx)
	}
	global := sync.OnceFunc(func() { <-p.all })
	return permit{global: global, done: sync.OnceFunc(func() { global(); <-e.room; leave() })}, nil
}
