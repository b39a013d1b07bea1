package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
)

// relay is one connection through a tunnel.
type relay struct {
	t     *Tunnel
	name  string
	began time.Time
}

// relay makes room for one more connection; nil when there is none.
func (t *Tunnel) relay(name string) *relay {
	t.mu.Lock()
	full := len(t.open) >= maxRelays
	r := &relay{t: t, name: name, began: time.Now()}
	if !full {
		t.open[r] = struct{}{}
	}
	t.mu.Unlock()
	if full {
		t.say(TunnelFailed, fmt.Sprintf("%s: refused, the tunnel carries %d connections already", name, maxRelays))
		return nil
	}
	return r
}

// over gives the room back.
func (r *relay) over() {
	t := r.t
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, r)
	close(t.fewer)
	t.fewer = make(chan struct{})
}

// begin copies between a connection and a channel until both directions have ended.
// Its goroutines belong to the link: a channel on a frozen one cannot be closed.
func (r *relay) begin(l *link, conn net.Conn, far far) {
	r.t.say(TunnelTraffic, r.name+": opened")
	if !l.run(func() { r.carry(l, conn, far) }) {
		_ = conn.Close()
		r.over()
	}
}

func (r *relay) carry(l *link, conn net.Conn, far far) {
	defer r.over()
	hangUp := func() {
		_ = conn.Close()
		_ = far.Close()
	}
	stop := context.AfterFunc(r.t.ctx, func() {
		_ = conn.Close()
		l.run(func() { _ = far.Close() })
	})
	var received int64
	var copies sync.WaitGroup
	done := make(chan struct{}) // all that is to be sent has been
	copies.Go(func() {
		var err error
		received, err = io.Copy(conn, far)
		if err != nil {
			hangUp()
			return
		}
		closeWrite(conn)
		select {
		case <-far.over(): // the other side wants no more either
		case <-done:
		}
		_ = conn.Close()
	})
	sent, err := io.Copy(far, conn)
	if err != nil {
		hangUp()
	} else {
		closeWrite(far)
	}
	close(done)
	copies.Wait()
	hangUp()
	stop()
	r.t.say(TunnelTraffic, fmt.Sprintf("%s: closed after %v, %d bytes sent, %d received", r.name, time.Since(r.began).Round(time.Millisecond), sent, received))
}

func closeWrite(conn io.Closer) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = conn.Close()
}

// far is the side of a relay that leads to the host.
type far interface {
	io.ReadWriteCloser
	over() <-chan struct{} // closed when the other side has closed it; nil if nobody tells
}

// channel is one of a connection's, whose requests are answered.
type channel struct {
	ssh.Channel
	gone chan struct{}
}

func (c channel) over() <-chan struct{} { return c.gone }

// handed is a connection that ssh has made to us for one at the host.
type handed struct{ *net.UnixConn }

func (handed) over() <-chan struct{} { return nil }

// withRequests answers the requests of a channel, until it is closed.
func (l *link) withRequests(ch ssh.Channel, requests <-chan *ssh.Request) (channel, error) {
	c := channel{ch, make(chan struct{})}
	if !l.run(func() {
		defer close(c.gone)
		ssh.DiscardRequests(requests)
	}) {
		return c, l.err
	}
	return c, nil
}

// directly connects from the host to an address or socket.
func (l *link) directly(ctx context.Context, to string, origin net.Addr) (channel, error) {
	kind := "direct-tcpip"
	var payload []byte
	if inventory.IsSocket(to) {
		kind = "direct-streamlocal@openssh.com"
		payload = ssh.Marshal(struct {
			Path, Reserved string
			Number         uint32
		}{Path: to})
	} else {
		host, port, err := splitAddress(to)
		if err != nil {
			return channel{}, err
		}
		from, fromPort := originOf(origin)
		payload = ssh.Marshal(struct {
			To     string
			Port   uint32
			From   string
			AtPort uint32
		}{host, port, from, fromPort})
	}
	return ask(ctx, l, func() (channel, error) {
		ch, requests, err := l.client.OpenChannel(kind, payload)
		if err != nil {
			return channel{}, err
		}
		return l.withRequests(ch, requests)
	}, func(c channel) { _ = c.Close() })
}

// notReached says why there is no connection from the host.
func (l *link) notReached(to string, err error) string {
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &refused) && refused.Reason == ssh.Prohibited:
		return fmt.Sprintf("%s does not allow it (AllowTcpForwarding, AllowStreamLocalForwarding and PermitOpen in its sshd_config): %s", l.host.name, clean(refused.Message))
	case errors.As(err, &refused):
		return fmt.Sprintf("%s cannot connect to %s: %s", l.host.name, to, clean(refused.Message))
	}
	return l.gone(err).Error()
}
