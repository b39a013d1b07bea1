package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"vmorchestrator/internal/inventory"
)

// ErrClosed is what a Pool says that was closed, and a destination that is being
// disconnected.
var ErrClosed = errors.New("the connection was closed")

// Pool keeps authenticated connections and shares them: all commands on a host,
// and all hosts behind a jump host, use the same ones. Its methods may be called
// from several goroutines at once.
//
// A connection is made when somebody needs it and closed when nobody has needed
// it for ten minutes. Every goroutine of a connection belongs to its link, and
// Close waits for all of them.
type Pool struct {
	cfg  Config
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup // links, attempts to connect, reconnects
	idle time.Duration  // after which a connection that nobody uses is closed

	sessionTime time.Duration

	pacing  pacing
	memory  *authMemory
	keys    *hostKeys
	openssh opensshMemory

	mu     sync.Mutex
	hosts  map[place]*host
	closed bool
}

// place is a destination as reached in one way. Jumps is what stands before it
// in a ProxyJump with several hops; empty means that its own configuration says
// how it is reached.
type place struct {
	inventory.Destination
	jumps string
}

// New makes a Pool without connections.
func New(cfg Config) *Pool {
	ctx, stop := context.WithCancel(context.Background())
	return &Pool{
		cfg: cfg, ctx: ctx, stop: stop, idle: 10 * time.Minute, sessionTime: sessionTime,
		pacing: newPacing(), memory: newAuthMemory(), keys: newHostKeys(cfg.Accepted), hosts: map[place]*host{},
	}
}

// host finds or makes what is known of a place.
func (p *Pool) host(at place) (*host, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	h, ok := p.hosts[at]
	if !ok {
		h = newHost(p, at)
		p.hosts[at] = h
	}
	return h, nil
}

// run starts a goroutine that Close waits for; it reports false when the Pool is
// closed.
func (p *Pool) run(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.work.Go(f)
	return true
}

// Connect makes sure that there is an authenticated connection.
func (p *Pool) Connect(ctx context.Context, d inventory.Destination) error {
	h, err := p.host(place{Destination: d})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", d, err)
	}
	l, err := h.link(ctx)
	if err != nil {
		return err
	}
	l.release(asJump)
	return nil
}

// Watch keeps a destination connected until the function it returns is called:
// a connection that is lost is made again, without asking the operator anything.
func (p *Pool) Watch(d inventory.Destination) (stop func()) {
	h, err := p.host(place{Destination: d})
	if err != nil {
		return func() {}
	}
	return h.want()
}

// Disconnect closes all connections to a destination. What runs there is lost.
func (p *Pool) Disconnect(d inventory.Destination) {
	p.mu.Lock()
	h := p.hosts[place{Destination: d}]
	p.mu.Unlock()
	if h != nil {
		h.disconnect()
	}
}

// State is what is known of a destination.
func (p *Pool) State(d inventory.Destination) State {
	p.mu.Lock()
	h := p.hosts[place{Destination: d}]
	p.mu.Unlock()
	if h == nil {
		return State{Destination: d, Status: StatusUnknown}
	}
	return h.snapshot()
}

// States is what is known of every destination that somebody has asked for, and
// of the jump hosts on the way, by name.
func (p *Pool) States() []State {
	var all []State
	for _, h := range p.all() {
		if h.at.jumps == "" {
			all = append(all, h.snapshot())
		}
	}
	slices.SortFunc(all, func(a, b State) int { return strings.Compare(a.Destination.String(), b.Destination.String()) })
	return all
}

func (p *Pool) all() []*host {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*host, 0, len(p.hosts))
	for _, h := range p.hosts {
		all = append(all, h)
	}
	return all
}

// NetworkChanged asks every connection at once whether it is still there, and
// tries now what waits to be tried again: this machine woke up, or has another
// address.
func (p *Pool) NetworkChanged() {
	p.pacing.forgive()
	for _, h := range p.all() {
		h.probe()
	}
}

// Close closes every connection and waits until nothing is left of them.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	for _, h := range p.all() {
		h.disconnect()
	}
	p.work.Wait()
}
