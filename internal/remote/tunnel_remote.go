package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// reverse leads what a server accepts for us to the tunnels that asked for it. Its
// goroutines belong to the link.
type reverse struct {
	once sync.Once
	mu   sync.Mutex
	at   []*wished
}

// wished is what a server was asked to listen on.
type wished struct {
	host string // as it was asked for; empty of a socket
	port uint32
	path string
	take func(ssh.NewChannel)
}

// find returns who asked for what a server says it has accepted. Not every server
// repeats the address as it was given.
func (r *reverse) find(host string, port uint32, path string) *wished {
	r.mu.Lock()
	defer r.mu.Unlock()
	var near []*wished
	for _, a := range r.at {
		if a.port != port || a.path != path {
			continue
		}
		if a.host == host {
			return a
		}
		near = append(near, a)
	}
	if len(near) == 1 {
		return near[0]
	}
	return nil
}

func (r *reverse) add(a *wished) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = append(r.at, a)
}

func (r *reverse) remove(a *wished) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, b := range r.at {
		if a == b {
			r.at = append(r.at[:i:i], r.at[i+1:]...)
			return
		}
	}
}

// reversed begins to take what the server accepts.
func (l *link) reversed() {
	l.reverse.once.Do(func() {
		for _, kind := range []string{"forwarded-tcpip", "forwarded-streamlocal@openssh.com"} {
			channels := l.client.HandleChannelOpen(kind)
			if channels == nil {
				continue // it is taken already: there is only this one
			}
			l.run(func() {
				for ch := range channels { // closed with the connection
					l.reverse.hand(ch)
				}
			})
		}
	})
}

func (r *reverse) hand(ch ssh.NewChannel) {
	var a *wished
	var tcp struct {
		Host   string
		Port   uint32
		From   string
		AtPort uint32
	}
	var unix struct{ Path, Reserved string }
	switch {
	case ch.ChannelType() == "forwarded-tcpip" && ssh.Unmarshal(ch.ExtraData(), &tcp) == nil:
		a = r.find(tcp.Host, tcp.Port, "")
	case ch.ChannelType() != "forwarded-tcpip" && ssh.Unmarshal(ch.ExtraData(), &unix) == nil:
		a = r.find("", 0, unix.Path)
	}
	if a == nil {
		_ = ch.Reject(ssh.Prohibited, "nobody asked for that")
		return
	}
	a.take(ch)
}

// requestTime is how long a server may take to say whether it listens.
const requestTime = 15 * time.Second

// request makes a global request.
func (l *link) request(ctx context.Context, name string, payload []byte) (bool, []byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTime, fmt.Errorf("%w from %s after %v", errTimeout, l.host.name, requestTime))
	defer cancel()
	type answer struct {
		ok   bool
		data []byte
	}
	a, err := ask(ctx, l, func() (answer, error) {
		ok, data, err := l.client.SendRequest(name, true, payload)
		return answer{ok, data}, err
	}, nil)
	return a.ok, a.data, err
}

const refusedHint = "Check that nothing else listens there, and AllowTcpForwarding, AllowStreamLocalForwarding and PermitListen in its sshd_config."

// openRemote has the host listen, until the tunnel is closed or the link is lost.
func (t *Tunnel) openRemote(ctx context.Context, l *link, f inventory.Forward) error {
	if m := l.master(); m != nil { // which would die of our own requests
		return t.openByMaster(ctx, l, m, f)
	}
	l.reversed()
	a := &wished{take: func(ch ssh.NewChannel) { t.incoming(l, ch, f) }}
	verb, payload := "tcpip-forward", []byte(nil)
	if inventory.IsSocket(f.Listen) {
		verb, a.path = "streamlocal-forward@openssh.com", f.Listen
		payload = ssh.Marshal(struct{ Path string }{a.path})
	} else {
		host, given, port := f.ListenAddress()
		switch {
		case host == "*":
			host = ""
		case !given:
			host = "localhost"
		}
		a.host, a.port = host, uint32(port)
		payload = ssh.Marshal(struct {
			Host string
			Port uint32
		}{host, a.port})
	}
	if a.port != 0 || a.path != "" {
		l.reverse.add(a) // before anybody can connect
	}
	ok, data, err := l.request(ctx, verb, payload)
	if err == nil && !ok {
		err = job.WithHint(fmt.Errorf("%s refused to listen on %s", t.host.name, f.Listen), refusedHint)
	} else if err != nil {
		err = fmt.Errorf("ask %s to listen on %s: %w", t.host.name, f.Listen, l.gone(err))
	}
	if err != nil {
		l.reverse.remove(a)
		return err
	}
	listen := f.Listen
	if a.port == 0 && a.path == "" {
		var chosen struct{ Port uint32 }
		if ssh.Unmarshal(data, &chosen) != nil {
			return fmt.Errorf("%s does not say on which port it listens", t.host.name)
		}
		a.port = chosen.Port
		l.reverse.add(a)
		listen = strconv.Itoa(int(chosen.Port))
		if _, given, _ := f.ListenAddress(); given {
			listen = net.JoinHostPort(a.host, listen)
		}
	}
	t.sayRemote(listen, f)
	if !t.goes(func() { t.untilOver(l, func(ctx context.Context) { l.withdraw(ctx, a) }) }) {
		l.withdraw(ctx, a)
	}
	return nil
}

func (t *Tunnel) sayRemote(listen string, f inventory.Forward) {
	t.say(TunnelOpen, fmt.Sprintf("listening on %s of %s, leads to %s from this machine", listen, t.host.name, where(f.To)))
}

// untilOver waits for the end of the tunnel or its link. Only in the first case there
// is something to undo.
func (t *Tunnel) untilOver(l *link, undo func(context.Context)) {
	select {
	case <-l.dead:
	case <-t.ctx.Done():
		ctx, cancel := context.WithTimeout(context.Background(), relayTime)
		defer cancel()
		undo(ctx)
	}
}

// withdraw tells the server not to listen any more. Without an answer in time it
// goes on until the connection ends, and what it accepts is refused.
func (l *link) withdraw(ctx context.Context, a *wished) {
	l.reverse.remove(a)
	if a.path != "" {
		_, _, _ = l.request(ctx, "cancel-streamlocal-forward@openssh.com", ssh.Marshal(struct{ Path string }{a.path}))
		return
	}
	_, _, _ = l.request(ctx, "cancel-tcpip-forward", ssh.Marshal(struct {
		Host string
		Port uint32
	}{a.host, a.port}))
}

// incoming leads a connection that was made at the host to where it is to go here.
func (t *Tunnel) incoming(l *link, offered ssh.NewChannel, f inventory.Forward) {
	from := f.Listen + " of " + t.host.name
	r := t.relay(from + " -> " + where(f.To))
	if r == nil {
		_ = offered.Reject(ssh.ResourceShortage, "too many connections")
		return
	}
	if !l.run(func() {
		conn, ch, err := t.join(l, offered, f, r)
		if err != nil {
			r.over()
			if t.ctx.Err() == nil {
				t.say(TunnelFailed, fmt.Sprintf("%s: %v", r.name, err))
			}
			return
		}
		r.begin(l, conn, ch)
	}) {
		r.over()
	}
}

// join connects here, and takes the channel when that has worked.
func (t *Tunnel) join(l *link, offered ssh.NewChannel, f inventory.Forward, r *relay) (net.Conn, channel, error) {
	take := func() (channel, error) {
		ch, requests, err := offered.Accept()
		if err != nil {
			return channel{}, err
		}
		return l.withRequests(ch, requests)
	}
	if f.To == "" { // the other side has to speak first
		ch, err := take()
		if err != nil {
			return nil, ch, err
		}
		conn, err := t.joinSocks(ch, r, f)
		if err != nil {
			_ = ch.Close()
		}
		return conn, ch, err
	}
	conn, err := t.dialHere(f.To)
	if err != nil {
		_ = offered.Reject(ssh.ConnectionFailed, "cannot connect")
		return nil, channel{}, err
	}
	ch, err := take()
	if err != nil {
		_ = conn.Close()
	}
	return conn, ch, err
}

// joinSocks connects to where the other side wants.
func (t *Tunnel) joinSocks(ch io.ReadWriteCloser, r *relay, f inventory.Forward) (net.Conn, error) {
	late := time.AfterFunc(socksTime, func() { _ = ch.Close() })
	defer late.Stop()
	stop := context.AfterFunc(t.ctx, func() { _ = ch.Close() })
	defer stop()
	to, answer, err := readSocks(ch)
	if err != nil {
		return nil, err
	}
	r.name = f.Listen + " of " + t.host.name + " -> " + to
	conn, err := t.dialHere(to)
	if err = errors.Join(err, answer(err == nil)); err != nil && conn != nil {
		_ = conn.Close()
	}
	return conn, err
}

// dialHere connects from this machine.
func (t *Tunnel) dialHere(to string) (net.Conn, error) {
	network := "tcp"
	if inventory.IsSocket(to) {
		network = "unix"
	}
	conn, err := (&net.Dialer{Timeout: requestTime}).DialContext(t.ctx, network, to)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s from this machine: %s", to, plainly(err))
	}
	return conn, nil
}
