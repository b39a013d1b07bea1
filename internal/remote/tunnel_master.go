package remote

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// openByMaster has ssh ask its server to listen, since a master may die of our own
// requests. What comes is led to a socket of ours, so that it is seen and said like
// everything else.
func (t *Tunnel) openByMaster(ctx context.Context, l *link, m *master, f inventory.Forward) error {
	dir, err := os.MkdirTemp(m.dir, "r")
	if err != nil {
		return fmt.Errorf("make a folder for the socket of a forward: %w", err)
	}
	path := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("make the socket of a forward: %w", err)
	}
	out, err := m.control(ctx, "forward", f, path)
	if err != nil {
		_ = listener.Close()
		return err
	}
	listen, as := f.Listen, f
	if _, given, port := f.ListenAddress(); port == 0 && !inventory.IsSocket(listen) {
		chosen, err := strconv.Atoi(strings.TrimSpace(out))
		if err != nil {
			_ = listener.Close()
			return job.WithHint(fmt.Errorf("%s refused to listen on %s: ssh names no port: %s", t.host.name, listen, clean(out)), refusedHint)
		}
		f.Listen = strconv.Itoa(chosen)
		if given {
			host, _, _ := net.SplitHostPort(listen)
			f.Listen = net.JoinHostPort(host, f.Listen)
		}
	}
	if !t.keep(listener) {
		return ErrClosed
	}
	t.sayRemote(f.Listen, f)
	t.goes(func() {
		t.accept(listener, f, func(conn net.Conn, f inventory.Forward) { t.incomingByMaster(l, conn, f) })
	})
	t.goes(func() {
		t.untilOver(l, func(ctx context.Context) { _, _ = m.control(ctx, "cancel", as, path) })
		_ = listener.Close() // of a link that was lost
	})
	return nil
}

// control asks ssh for something about a forward. Its configuration is not read: ssh
// would open what stands there, too.
func (m *master) control(ctx context.Context, what string, f inventory.Forward, path string) (string, error) {
	said := &tail{}
	argv := []string{m.d.pool.cfg.SSH, "-F", "none", "-S", m.socket(), "-O", what, "-R", f.Listen + ":" + path, "--", m.d.host.at.Alias}
	run, err := m.d.pool.cfg.Spawn(ctx, Spawn{Argv: argv, Env: map[string]string{}, Stderr: said})
	if err != nil {
		return "", fmt.Errorf("start ssh: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = run.Close() })
	defer stop()
	out, _ := io.ReadAll(io.LimitReader(run, tailSize)) // what it lacks is what Wait says
	err = run.Wait()
	_ = run.Close()
	if err != nil || strings.Contains(said.String(), "failed") { // not every version exits as it should
		return "", job.WithHint(fmt.Errorf("%s refused to listen on %s: ssh says: %s", m.d.host.name, f.Listen, clean(said.String())), refusedHint)
	}
	return string(out), nil
}

// incomingByMaster leads a connection that ssh has accepted at the host to where it
// is to go here.
func (t *Tunnel) incomingByMaster(l *link, conn net.Conn, f inventory.Forward) {
	r := t.relay(f.Listen + " of " + t.host.name + " -> " + where(f.To))
	if r == nil {
		_ = conn.Close()
		return
	}
	var to net.Conn
	var err error
	if f.To == "" {
		to, err = t.joinSocks(conn, r, f)
	} else {
		to, err = t.dialHere(f.To)
	}
	if err != nil {
		_ = conn.Close()
		r.over()
		if t.ctx.Err() == nil {
			t.say(TunnelFailed, fmt.Sprintf("%s: %v", r.name, err))
		}
		return
	}
	r.begin(l, to, handed{conn.(*net.UnixConn)})
}
