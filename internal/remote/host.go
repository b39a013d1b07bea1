package remote

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// maxSessions is sshd's default for MaxSessions, the sessions of one
	// connection. A server with less says so when it refuses one.
	maxSessions = 10

	// maxLinks are the connections to one host: four of the default are enough for
	// more than thirty commands at once.
	maxLinks = 4

	// maxSingles are the connections to a host that has one session on each. The last
	// one is for ending what runs on the others.
	maxSingles = 10
)

// use is what a connection is taken for.
type use int

const (
	forBulk     use = iota // a command whose output may come fast
	forReader              // what a kept run prints; nobody is asked anything for it
	forTerminal            // an operator waits for each keystroke
	forControl             // a short question, such as who is to be killed: it may take the reserved session
	asJump                 // it carries another connection; no session
)

// host is one place and the connections to it.
type host struct {
	pool *Pool
	at   place
	name string

	mu         sync.Mutex
	links      []*link
	flight     *flight       // the attempt under way to make another link
	full       bool          // another link could not be made beside those there are
	limit      int           // sessions of one link
	freed      chan struct{} // closed when a session has ended or a link was lost
	state      State
	refusedKey *refusedKey   // the changed host key that the last attempt ended with
	wanted     int           // how many want it to be connected all the time
	again      chan struct{} // wakes the reconnect; nil when there is none
}

func newHost(p *Pool, at place) *host {
	h := &host{pool: p, at: at, name: at.String(), limit: maxSessions, freed: make(chan struct{})}
	h.state = State{Destination: at.Destination, Status: StatusUnknown, Engine: "built-in"}
	return h
}

// link takes a connection that will carry others.
func (h *host) link(ctx context.Context) (*link, error) { return h.acquire(ctx, asJump) }

// acquire takes a place on a connection, making the connection if need be. Who
// takes it has to release it.
func (h *host) acquire(ctx context.Context, u use) (*link, error) {
	for {
		h.mu.Lock()
		l, more := h.pick(u)
		if l != nil && !more {
			l.take(u)
			h.mu.Unlock()
			return l, nil
		}
		if !more {
			freed := h.freed
			h.mu.Unlock()
			select {
			case <-freed:
				continue
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		first := len(h.links) == 0
		prompts := Prompts{}
		if u != forReader && h.pool.cfg.Prompts != nil {
			prompts = h.pool.cfg.Prompts()
		}
		f := h.join(ctx, prompts, u == forReader)
		h.mu.Unlock()
		err := h.await(ctx, f)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return nil, err
		case f.silent && u != forReader && errors.As(err, new(*ConnectError)):
			// It was made in the background, without asking; ask now.
		case first:
			return nil, err
		default:
			h.mu.Lock()
			h.full = true // what there is has to do
			h.mu.Unlock()
		}
	}
}

// pick needs h.mu. It chooses the connection that suits best; more means that
// another one is to be made. Without either one has to wait.
func (h *host) pick(u use) (best *link, more bool) {
	room := max(1, h.limit-1) // the last one is for ending the others
	if u == forControl {
		room = h.limit
	}
	most, busy := maxLinks, 0
	if h.limit == 1 {
		most = maxSingles
	}
	for _, l := range h.links {
		if l.sessions > 0 {
			busy++
		}
		if closed(l.dead) || u != asJump && l.sessions >= room {
			continue
		}
		if best == nil || l.load(u) < best.load(u) {
			best = l
		}
	}
	spare := len(h.links) < most && !h.full
	switch {
	case h.limit == 1 && busy >= maxSingles-1 && u != forControl && u != asJump:
		return nil, false
	case u == forReader && best == nil:
		return nil, spare && len(h.links) > 0 && !h.links[0].asked
	case len(h.links) == 0:
		return nil, true
	case best == nil:
		return nil, spare
	case u == forTerminal && best.bulk > 0 && spare && !best.asked:
		return best, true // a keystroke would wait behind the output of others
	default:
		return best, false
	}
}

// learn notes how many sessions a connection may have, from one that was refused
// and has given back its place. Some of the others may be refused as well: what is
// learnt comes down to the limit step by step.
func (h *host) learn(l *link, refused *ssh.OpenChannelError) (retry bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.sessions == 0 || refused.Reason == ssh.UnknownChannelType {
		return false
	}
	h.limit = min(h.limit, l.sessions)
	return true
}

// lost is told by a link that it is over.
func (h *host) lost(l *link) {
	h.mu.Lock()
	h.links = slices.DeleteFunc(h.links, func(o *link) bool { return o == l })
	h.full = false
	h.wake()
	if len(h.links) == 0 && h.flight == nil {
		h.settle(l.err)
	}
	h.mu.Unlock()
	h.changed()
}

// settle needs h.mu. It says where a host stands that has no connection any more.
func (h *host) settle(err error) {
	if errors.Is(err, ErrClosed) {
		h.state = State{Destination: h.at.Destination, Status: StatusUnknown, Since: time.Now(), Engine: h.state.Engine}
		return
	}
	h.state.Status, h.state.Since, h.state.Error = StatusLost, time.Now(), err.Error()
	h.state.Hint, h.state.Attempt, h.state.Next = "", 0, time.Time{}
	if h.wanted > 0 {
		h.reconnect()
	}
}

// wake needs h.mu. It tells everybody who waits for room.
func (h *host) wake() {
	close(h.freed)
	h.freed = make(chan struct{})
}

func (h *host) disconnect() {
	h.mu.Lock()
	links, f := slices.Clone(h.links), h.flight
	h.mu.Unlock()
	if f != nil {
		f.cancel(ErrClosed)
	}
	for _, l := range links {
		l.close(ErrClosed)
	}
}

// flight is one attempt to connect. Everybody who needs the connection waits for
// the same one, so that the operator is asked once; when nobody waits any more
// it is given up.
type flight struct {
	done    chan struct{}
	silent  bool // the operator is not asked
	waiters int
	cancel  context.CancelCauseFunc
	err     error // after done
}

// join needs h.mu. It starts an attempt, or takes part in the one under way.
func (h *host) join(asker context.Context, prompts Prompts, silent bool) *flight {
	if h.flight != nil {
		h.flight.waiters++
		return h.flight
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(h.pool.ctx, journey{}, asker.Value(journey{})))
	f := &flight{done: make(chan struct{}), silent: silent, waiters: 1, cancel: cancel}
	h.flight = f
	if len(h.links) == 0 && !silent {
		h.state.Status, h.state.Since, h.state.Error, h.state.Hint = StatusConnecting, time.Now(), "", ""
	}
	started := h.pool.run(func() {
		defer cancel(nil)
		l, trail, err := h.connect(ctx, prompts)
		h.landed(f, l, trail, err)
	})
	if !started {
		f.err, h.flight = ErrClosed, nil
		close(f.done)
	}
	return f
}

// landed ends an attempt.
func (h *host) landed(f *flight, l *link, trail *trail, err error) {
	h.mu.Lock()
	h.flight, f.err = nil, err
	if err == nil {
		h.links = append(h.links, l)
		l.take(asJump) // for the moment between this and the first use
		h.arrived(l, trail)
	} else if len(h.links) == 0 {
		h.failed(trail, err, f.silent)
	}
	h.wake()
	close(f.done)
	h.mu.Unlock()
	if err == nil {
		l.serve()
		l.release(asJump)
	}
	h.changed()
}

// await waits for an attempt.
func (h *host) await(ctx context.Context, f *flight) error {
	h.changed()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
	}
	h.mu.Lock()
	f.waiters--
	if f.waiters == 0 && !closed(f.done) {
		f.cancel(context.Cause(ctx))
	}
	h.mu.Unlock()
	return context.Cause(ctx)
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
