package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// openLocal listens here.
func (t *Tunnel) openLocal(l *link, f inventory.Forward) error {
	var listeners []net.Listener
	var err error
	if inventory.IsSocket(f.Listen) {
		listeners, err = listenSocket(l.options, f.Listen)
	} else {
		listeners, err = listenPorts(l.options, f)
	}
	if err != nil {
		return err
	}
	to := where(f.To)
	if f.To == "" {
		to += ","
	}
	var at []string
	for _, listener := range listeners {
		at = append(at, listener.Addr().String())
	}
	t.say(TunnelOpen, fmt.Sprintf("listening on %s, leads to %s from %s", strings.Join(at, " and "), to, t.host.name))
	for _, listener := range listeners {
		if t.keep(listener) {
			t.goes(func() { t.accept(listener, f, t.outgoing) })
		}
	}
	return nil
}

// listenPorts listens on the addresses that ssh would choose: those of this machine
// alone, unless GatewayPorts or the forward itself says otherwise.
func listenPorts(o *inventory.Options, f inventory.Forward) ([]net.Listener, error) {
	host, given, port := f.ListenAddress()
	four, six := true, true
	switch o.Get("AddressFamily") {
	case "inet":
		six = false
	case "inet6":
		four = false
	}
	network := map[bool]string{true: "tcp"}[four && six]
	if network == "" {
		network = map[bool]string{true: "tcp4", false: "tcp6"}[four]
	}
	hosts := []string{host}
	switch {
	case host == "*", host == "" && (given || o.Yes("GatewayPorts")):
		hosts = []string{""}
	case host == "", host == "localhost":
		hosts = nil
		if four {
			hosts = append(hosts, "127.0.0.1")
		}
		if six {
			hosts = append(hosts, "::1")
		}
	}
	var all []net.Listener
	for i, host := range hosts {
		address := net.JoinHostPort(host, strconv.Itoa(port))
		listener, err := net.Listen(network, address)
		switch {
		case err == nil:
			all = append(all, listener)
			if port == 0 {
				port = listener.Addr().(*net.TCPAddr).Port // for the other address, too
			}
		case i > 0 && !errors.Is(err, syscall.EADDRINUSE): // this machine may have no IPv6
		default:
			for _, l := range all {
				_ = l.Close()
			}
			return nil, cannotListen(address, err)
		}
	}
	return all, nil
}

func cannotListen(address string, err error) error {
	failure := fmt.Errorf("cannot listen on %s: %s", address, plainly(err))
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && inventory.IsSocket(address):
		return job.WithHint(failure, "Remove the socket if nothing uses it, or have ssh's configuration do that: StreamLocalBindUnlink yes.")
	case errors.Is(err, syscall.EADDRINUSE):
		return job.WithHint(failure, "Something else listens there, perhaps another tunnel or an ssh: end it, or choose another port.")
	case errors.Is(err, syscall.EACCES):
		return job.WithHint(failure, "Choose a port from 1024 on, or a folder of yours.")
	}
	return failure
}

// listenSocket makes a socket that only those may use whom StreamLocalBindMask does
// not exclude. It comes to its place when that is settled.
func listenSocket(o *inventory.Options, path string) ([]net.Listener, error) {
	if o.Yes("StreamLocalBindUnlink") {
		if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
			_ = os.Remove(path) // that it is still there is what listening says
		}
	}
	if runtime.GOOS == "windows" {
		l, err := net.Listen("unix", path)
		if err != nil {
			return nil, cannotListen(path, err)
		}
		return []net.Listener{l}, nil
	}
	mask, err := strconv.ParseUint(o.Get("StreamLocalBindMask"), 8, 9)
	if err != nil {
		mask = 0o177
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".vmo-") // with mode 0700
	if err != nil {
		return nil, cannotListen(path, pathError(err))
	}
	defer os.RemoveAll(dir)
	made := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, cannotListen(path, err)
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(made, os.FileMode(0o666&^mask)); err == nil {
		err = os.Link(made, path) // unlike a rename it replaces nothing
	}
	if errors.Is(err, os.ErrExist) {
		err = syscall.EADDRINUSE
	}
	if err != nil {
		_ = l.Close()
		return nil, cannotListen(path, pathError(err))
	}
	return []net.Listener{&socket{l, path}}, nil
}

func pathError(err error) error {
	var p *os.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}

// socket is a listener whose path is gone when it is closed.
type socket struct {
	net.Listener
	path string
}

func (s *socket) Addr() net.Addr { return address(s.path) }
func (s *socket) Close() error {
	err := s.Listener.Close()
	if err == nil {
		err = os.Remove(s.path)
	}
	return err
}

// acceptPause is how long no connection is taken after that failed, such as for
// want of file descriptors.
const acceptPause = 100 * time.Millisecond

// accept takes connections until the listener is closed.
func (t *Tunnel) accept(l net.Listener, f inventory.Forward, handle func(net.Conn, inventory.Forward)) {
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return
		default:
			timer := time.NewTimer(acceptPause)
			select {
			case <-timer.C:
			case <-t.ctx.Done():
			}
			timer.Stop()
			continue
		}
		if !t.goes(func() { handle(conn, f) }) {
			_ = conn.Close()
		}
	}
}

// outgoing leads a connection that was made here to where it is to go from the host.
func (t *Tunnel) outgoing(conn net.Conn, f inventory.Forward) {
	from := peer(conn, f)
	to, answer := f.To, func(bool) error { return nil }
	stop := context.AfterFunc(t.ctx, func() { _ = conn.Close() })
	defer stop()
	if to == "" {
		var err error
		_ = conn.SetDeadline(time.Now().Add(socksTime))
		to, answer, err = readSocks(conn)
		_ = conn.SetDeadline(time.Time{})
		if err != nil {
			_ = conn.Close()
			t.say(TunnelFailed, fmt.Sprintf("%s: %v", from, err))
			return
		}
	}
	l := t.current()
	if l == nil {
		_ = answer(false)
		_ = conn.Close()
		t.say(TunnelFailed, fmt.Sprintf("%s -> %s: there is no connection to %s now", from, to, t.host.name))
		return
	}
	r := t.relay(from + " -> " + to)
	if r == nil {
		_ = answer(false)
		_ = conn.Close()
		return
	}
	ch, err := l.directly(t.ctx, to, conn.RemoteAddr())
	if err != nil {
		r.over()
		_ = answer(false)
		_ = conn.Close()
		if t.ctx.Err() == nil {
			t.say(TunnelFailed, fmt.Sprintf("%s: %s", r.name, l.notReached(to, err)))
		}
		return
	}
	if err := answer(true); err != nil {
		r.over()
		_ = conn.Close()
		l.run(func() { _ = ch.Close() })
		return
	}
	if !stop() {
		_ = conn.Close() // and the relay ends at once
	}
	r.begin(l, conn, ch)
}

// peer names who connected.
func peer(conn net.Conn, f inventory.Forward) string {
	if a := conn.RemoteAddr().String(); a != "" && a != "@" {
		return a
	}
	return f.Listen
}

// originOf is what a server is told of who connected here.
func originOf(a net.Addr) (string, uint32) {
	if tcp, ok := a.(*net.TCPAddr); ok {
		host, _, _ := strings.Cut(tcp.IP.String(), "%")
		return host, uint32(tcp.Port)
	}
	return "127.0.0.1", 0
}
