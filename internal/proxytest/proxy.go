// Package proxytest is a network for tests, between a client and a server: it can
// freeze, be cut at a byte, be slow and refuse.
package proxytest

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// Proxy is a network between a client and a server.
type Proxy struct {
	Addr string // what to connect to instead of the server

	target   string
	listener net.Listener
	done     sync.WaitGroup

	mu       sync.Mutex
	change   *sync.Cond // frozen, limit or closed are not what they were
	links    []*link
	accepted int
	frozen   bool
	refusing bool
	closed   bool
	limit    int64 // bytes a client may still get before its link is cut; negative: any number
	rate     int   // bytes a second in each direction; zero: as fast as it goes
}

const dialTimeout = 30 * time.Second

// link is one connection, with both of its ends.
type link struct{ client, server net.Conn }

func (l *link) cut() {
	for _, c := range []net.Conn{l.client, l.server} {
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0) // a reset: no polite end
		}
		c.Close()
	}
}

// New begins to hand on connections to an address, until the test ends.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, listener: l, limit: -1}
	p.change = sync.NewCond(&p.mu)
	p.done.Go(p.serve)
	t.Cleanup(p.close)
	return p
}

// Freeze lets nothing through any more, in either direction and without a word,
// as when a cable is pulled. New connections are taken and get no answer.
func (p *Proxy) Freeze() { p.set(func() { p.frozen = true }) }

// Thaw lets everything through again, what came meanwhile first.
func (p *Proxy) Thaw() { p.set(func() { p.frozen = false }) }

// Cut resets all connections. New ones are taken.
func (p *Proxy) Cut() {
	p.mu.Lock()
	links := p.links
	p.links = nil
	p.mu.Unlock()
	for _, l := range links {
		l.cut()
	}
}

// CutAfter ends the connection by which the nth byte from now comes from the
// server. The bytes up to it still arrive.
func (p *Proxy) CutAfter(n int64) { p.set(func() { p.limit = n }) }

// Refuse says whether new connections are ended at once.
func (p *Proxy) Refuse(yes bool) { p.set(func() { p.refusing = yes }) }

// Throttle limits each direction of each connection to so many bytes a second;
// zero lifts that.
func (p *Proxy) Throttle(bytes int) { p.set(func() { p.rate = bytes }) }

// Accepted is how many connections there have been.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Open is how many connections there are.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

func (p *Proxy) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.change.Broadcast()
}

func (p *Proxy) close() {
	p.set(func() { p.closed = true })
	p.listener.Close()
	p.Cut()
	p.done.Wait()
}

func (p *Proxy) serve() {
	for {
		c, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil {
			continue // such as a client that has left before it was accepted
		}
		p.done.Go(func() { p.handle(c) })
	}
}

func (p *Proxy) handle(client net.Conn) {
	p.mu.Lock()
	p.accepted++
	refuse := p.refusing || p.closed
	p.mu.Unlock()
	if refuse {
		client.Close()
		return
	}
	server, err := net.DialTimeout("tcp", p.target, dialTimeout)
	if err != nil {
		client.Close()
		return
	}
	l := &link{client, server}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		l.cut()
		return
	}
	p.links = append(p.links, l)
	p.mu.Unlock()

	var both sync.WaitGroup
	both.Go(func() { p.copy(l, l.server, l.client, false) })
	p.copy(l, l.client, l.server, true)
	both.Wait()
	client.Close()
	server.Close()
	p.mu.Lock()
	p.links = slices.DeleteFunc(p.links, func(other *link) bool { return other == l })
	p.mu.Unlock()
}

// copy hands on what comes from one end to the other. Counted is the direction
// that CutAfter is about.
func (p *Proxy) copy(l *link, to, from net.Conn, counted bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		b, cut := p.allow(buf[:n], counted)
		if _, werr := to.Write(b); werr != nil {
			l.cut()
			return
		}
		if cut {
			l.cutAfterWriting(to)
			return
		}
		if err != nil {
			if tcp, ok := to.(*net.TCPConn); ok && errors.Is(err, io.EOF) {
				tcp.CloseWrite()
			} else {
				l.cut()
			}
			return
		}
	}
}

// cutAfterWriting closes in a way that what was written still arrives.
func (l *link) cutAfterWriting(to net.Conn) {
	if tcp, ok := to.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
	l.server.Close()
}

// allow waits while nothing may pass, and returns what may, and whether that is
// the last of it.
func (p *Proxy) allow(b []byte, counted bool) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen && !p.closed {
		p.change.Wait()
	}
	if rate := p.rate; rate > 0 && len(b) > 0 {
		p.mu.Unlock()
		time.Sleep(time.Duration(len(b)) * time.Second / time.Duration(rate)) // what a slow line does
		p.mu.Lock()
	}
	if !counted || p.limit < 0 {
		return b, false
	}
	if int64(len(b)) < p.limit {
		p.limit -= int64(len(b))
		return b, false
	}
	b, p.limit = b[:p.limit], -1
	return b, true
}
