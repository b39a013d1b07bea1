//go:build unix

package remote

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// enemy is a server that does what it likes with each connection.
type enemy struct {
	addr string
	key  ssh.Signer
}

func newEnemy(t *testing.T, serve func(net.Conn, *ssh.ServerConfig)) *enemy {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			cfg := &ssh.ServerConfig{NoClientAuth: true}
			cfg.AddHostKey(key)
			go func() {
				defer c.Close()
				serve(c, cfg)
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return &enemy{l.Addr().String(), key}
}

func (e *enemy) pool(t *testing.T, lines map[string][]string) *Pool {
	t.Helper()
	known := filepath.Join(t.TempDir(), "known_hosts")
	line := knownhosts.Line([]string{e.addr}, e.key.PublicKey())
	if err := os.WriteFile(known, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(e.addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]string{
		"userknownhostsfile": {known}, "globalknownhostsfile": {"/dev/null"}, "stricthostkeychecking": {"yes"},
		"identityagent": {"none"}, "connecttimeout": {"1"},
	}
	for k, v := range lines {
		values[k] = v
	}
	return newTestPool(t, func(d inventory.Destination) *inventory.Options { return inventory.New(d, host, "me", n, values) })
}

// Ensure that nothing a server does in the beginning takes more than the time for
// that, or more memory than it deserves.
func TestConnect_HostileServer(t *testing.T) {
	t.Parallel()
	flood := func(c net.Conn, b []byte) {
		for {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
	for name, serve := range map[string]func(net.Conn, *ssh.ServerConfig){
		"lines without end":    func(c net.Conn, _ *ssh.ServerConfig) { flood(c, []byte("welcome\r\n")) },
		"one line without end": func(c net.Conn, _ *ssh.ServerConfig) { flood(c, bytes.Repeat([]byte("x"), 1<<16)) },
		"a packet of 4 GiB": func(c net.Conn, _ *ssh.ServerConfig) {
			fmt.Fprint(c, "SSH-2.0-x\r\n\xff\xff\xff\xff")
			flood(c, make([]byte, 1<<16))
		},
		"no kex": func(c net.Conn, _ *ssh.ServerConfig) {
			fmt.Fprint(c, "SSH-2.0-x\r\n")
			for {
				if _, err := c.Read(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		},
		"the end in the handshake": func(c net.Conn, _ *ssh.ServerConfig) { fmt.Fprint(c, "SSH-2.0-x\r\n"); c.Read(make([]byte, 100)) },
		"a banner of a megabyte": func(c net.Conn, cfg *ssh.ServerConfig) {
			cfg.BannerCallback = func(ssh.ConnMetadata) string { return strings.Repeat("b", 200<<10) }
			_, _, _, _ = ssh.NewServerConn(c, cfg)
		},
		"no answer to who we are": func(c net.Conn, cfg *ssh.ServerConfig) {
			cfg.NoClientAuthCallback = func(ssh.ConnMetadata) (*ssh.Permissions, error) {
				time.Sleep(5 * time.Second)
				return nil, errors.New("no")
			}
			_, _, _, _ = ssh.NewServerConn(c, cfg)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newEnemy(t, serve).pool(t, nil)
			began := time.Now()
			err := p.Connect(within(t, time.Minute), web1)
			var c *ConnectError
			if !errors.As(err, &c) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// Ensure that a server that lets us in and then does nothing any more cannot hold
// a start, and that one that does not let go of a session cannot hold its end.
func TestStart_HostileServer(t *testing.T) {
	t.Parallel()
	silent := func(c net.Conn, cfg *ssh.ServerConfig) {
		conn, chans, reqs, err := ssh.NewServerConn(c, cfg)
		if err != nil {
			return
		}
		go ssh.DiscardRequests(reqs)
		for range chans { // never answered
		}
		conn.Wait()
	}
	p := newEnemy(t, silent).pool(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := p.Start(ctx, web1, Command{ID: job.NewID(), Argv: []string{"true"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	p.Disconnect(web1)

	vanish := func(c net.Conn, cfg *ssh.ServerConfig) {
		_, chans, reqs, err := ssh.NewServerConn(c, cfg)
		if err != nil {
			return
		}
		go ssh.DiscardRequests(reqs)
		for n := range chans {
			ch, reqs, err := n.Accept()
			if err != nil {
				return
			}
			go func() {
				for r := range reqs {
					_ = r.Reply(true, nil)
					if r.Type == "exec" {
						fmt.Fprint(ch, "hostile \x1b]0;title\a\n")
						_ = ch.Close()
					}
				}
			}()
		}
	}
	p = newEnemy(t, vanish).pool(t, nil)
	r, err := p.Start(within(t, time.Minute), web1, Command{ID: job.NewID(), Argv: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	if e := r.Wait(); e.State != job.Lost || e.Cause != job.CauseLink {
		t.Errorf("got %+v", e)
	}
}
