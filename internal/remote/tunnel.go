package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// TunnelConfig is what a [Tunnel] opens, and who hears of it.
type TunnelConfig struct {
	Forwards []inventory.Forward

	// Stays has the tunnel outlive its connection: what it listens on here stays
	// open, and leads to the host again when there is a connection.
	Stays bool

	// Say is told what happens, in single lines that hold nothing a terminal would
	// act on. It may be called from several goroutines, one at a time.
	Say func(TunnelNews, string)
}

// TunnelNews is what a line about a tunnel is about.
type TunnelNews int

// The kinds of lines.
const (
	TunnelOpen    TunnelNews = iota // what listens where
	TunnelFailed                    // what does not listen, and why; what could not be connected to
	TunnelTraffic                   // a connection was opened or closed
	TunnelLink                      // the connection to the host was lost, or is there again
)

// Tunnel carries ports and sockets over the connection to a host, until Close.
//
// It owns the goroutines that accept connections and the one that follows the link.
// Those that carry data belong to the link: they end with it at the latest.
type Tunnel struct {
	host *host
	cfg  TunnelConfig
	ctx  context.Context
	stop context.CancelCauseFunc
	done chan struct{} // closed when all has ended
	work sync.WaitGroup
	err  error // why it ended by itself; after done

	saying sync.Mutex // one line at a time, and none after the end
	silent bool

	mu     sync.Mutex
	closed bool
	link   *link // nil while there is none
	ends   []net.Listener
	open   map[*relay]struct{}
	fewer  chan struct{} // closed when a relay has ended
}

// maxRelays bounds the connections that one tunnel carries at a time.
const maxRelays = 1024

// Tunnel connects to a host if need be and opens the forwards. One that cannot be
// opened is said, and the others are, unless ExitOnForwardFailure wants all or
// nothing. It fails when none could be opened. The context bounds the start only.
func (p *Pool) Tunnel(ctx context.Context, d inventory.Destination, cfg TunnelConfig) (*Tunnel, error) {
	h, err := p.host(place{Destination: d})
	if err != nil {
		return nil, fmt.Errorf("open a tunnel to %s: %w", d, err)
	}
	l, err := h.link(ctx)
	if err != nil {
		return nil, err
	}
	t := &Tunnel{host: h, cfg: cfg, link: l, done: make(chan struct{}), open: map[*relay]struct{}{}, fewer: make(chan struct{})}
	t.ctx, t.stop = context.WithCancelCause(p.ctx)
	if err := t.begin(ctx, l); err != nil {
		t.Close()
		t.work.Wait()
		l.release(asJump)
		return nil, fmt.Errorf("open a tunnel to %s: %w", d, err)
	}
	if !p.run(t.follow) {
		t.Close()
		t.work.Wait()
		l.release(asJump)
		return nil, fmt.Errorf("open a tunnel to %s: %w", d, ErrClosed)
	}
	return t, nil
}

// begin opens all forwards for the first time.
func (t *Tunnel) begin(ctx context.Context, l *link) error {
	var failed []error
	for _, f := range t.cfg.Forwards {
		err := t.openForward(ctx, l, f)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			failed = append(failed, err)
			t.say(TunnelFailed, err.Error())
		}
	}
	switch {
	case len(failed) == 0:
		return nil
	case l.options.Yes("ExitOnForwardFailure"):
		return job.WithHint(failed[0], "ExitOnForwardFailure is on: without it the other forwards would be opened.")
	case len(failed) == len(t.cfg.Forwards):
		return failed[0]
	}
	return nil
}

func (t *Tunnel) openForward(ctx context.Context, l *link, f inventory.Forward) error {
	if f.Kind == inventory.ForwardRemote {
		return t.openRemote(ctx, l, f)
	}
	return t.openLocal(l, f)
}

// Close closes what listens and what is connected. It does not wait for the end:
// Done tells.
func (t *Tunnel) Close() {
	t.mu.Lock()
	t.closed = true
	listeners := t.ends
	t.ends = nil
	t.mu.Unlock()
	t.stop(ErrClosed)
	for _, l := range listeners {
		_ = l.Close() // its accept loop hears of it
	}
}

// Done is closed when nothing is left of the tunnel.
func (t *Tunnel) Done() <-chan struct{} { return t.done }

// Err is why the tunnel ended by itself, once Done is closed; nil after Close.
func (t *Tunnel) Err() error { return t.err }

// goes starts a goroutine of the tunnel, unless it is closed.
func (t *Tunnel) goes(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.work.Go(f)
	}
	return !t.closed
}

// keep notes what Close has to close. It closes what comes too late.
func (t *Tunnel) keep(l net.Listener) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = l.Close()
		return false
	}
	t.ends = append(t.ends, l)
	return true
}

func (t *Tunnel) say(n TunnelNews, text string) {
	t.saying.Lock()
	defer t.saying.Unlock()
	if t.cfg.Say != nil && !t.silent {
		t.cfg.Say(n, clean(text))
	}
}

// current is the link that carries it; nil while there is none.
func (t *Tunnel) current() *link {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.link
}

// relayTime is how long connections that are being closed may take for that. What
// is left of them then belongs to the link alone.
const relayTime = 2 * time.Second

// follow waits for the end, of the tunnel or of its link.
func (t *Tunnel) follow() {
	defer close(t.done)
	l := t.current()
	if t.cfg.Stays {
		stop := t.host.want() // a lost connection is made again
		defer stop()
	}
	for {
		select {
		case <-t.ctx.Done():
		case <-l.dead:
			if t.ctx.Err() == nil && t.cfg.Stays {
				if l = t.again(l); l != nil {
					continue
				}
			} else if t.ctx.Err() == nil {
				t.err = fmt.Errorf("the connection to %s was lost: %w", t.host.name, l.err)
			}
		}
		break
	}
	t.Close()
	t.work.Wait()
	t.settle()
	if l := t.current(); l != nil {
		l.release(asJump)
	}
	t.saying.Lock()
	t.silent = true
	t.saying.Unlock()
}

// settle waits until the connections are closed, for a moment.
func (t *Tunnel) settle() {
	timer := time.NewTimer(relayTime)
	defer timer.Stop()
	for {
		t.mu.Lock()
		left, fewer := len(t.open), t.fewer
		t.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-fewer:
		case <-timer.C:
			return
		}
	}
}

// again waits for another link after one was lost, and opens there what the host
// listens on. It returns nil when the tunnel is closed before.
func (t *Tunnel) again(lost *link) *link {
	t.mu.Lock()
	t.link = nil
	t.mu.Unlock()
	lost.release(asJump)
	t.say(TunnelLink, fmt.Sprintf("the connection to %s was lost (%v); the tunnel goes on when it is there again", t.host.name, lost.err))
	l := t.host.nextLink(t.ctx, func(why string) {
		t.say(TunnelLink, fmt.Sprintf("the connection to %s is not made again by itself: %s; the tunnel goes on when something else connects", t.host.name, why))
	})
	if l == nil {
		return nil
	}
	t.mu.Lock()
	t.link = l
	t.mu.Unlock()
	t.say(TunnelLink, "connected to "+t.host.name+" again")
	for _, f := range t.cfg.Forwards {
		if f.Kind == inventory.ForwardRemote {
			t.goes(func() { t.reopen(l, f) })
		}
	}
	return l
}

// reopen has the host listen again. It may still do so for the connection that was
// lost, until it notices: that is tried again.
func (t *Tunnel) reopen(l *link, f inventory.Forward) {
	said := ""
	for attempt := 0; ; attempt++ {
		err := t.openRemote(t.ctx, l, f)
		if err == nil || t.ctx.Err() != nil || closed(l.dead) {
			return
		}
		if text := err.Error(); text != said {
			said = text
			t.say(TunnelFailed, text+"; trying again")
		}
		timer := time.NewTimer(backOff[min(attempt, len(backOff)-1)])
		select {
		case <-timer.C:
		case <-t.ctx.Done():
		case <-l.dead:
		}
		timer.Stop()
	}
}

// nextLink waits for a link that somebody else makes, and takes it as a jump does.
// It returns nil when the context ends. Told hears why nobody is making one.
func (h *host) nextLink(ctx context.Context, told func(why string)) *link {
	said := false
	for {
		h.mu.Lock()
		for _, l := range h.links {
			if !closed(l.dead) {
				l.take(asJump)
				h.mu.Unlock()
				return l
			}
		}
		freed, st := h.freed, h.state
		h.mu.Unlock()
		if !said && (st.Status == StatusRefused || st.Status == StatusHostKey) {
			said = true
			told(st.Error)
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil
		}
	}
}

// where names one side of a forward for people.
func where(address string) string {
	if address == "" {
		return "whatever is asked for by SOCKS"
	}
	return address
}

// plainly is what the system said, without the words of package net around it.
func plainly(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	text := err.Error()
	for _, call := range []string{"bind: ", "listen: ", "connect: "} {
		text = strings.TrimPrefix(text, call)
	}
	return text
}
