package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"vmorchestrator/internal/job"
)

// program is a ProxyCommand as a network connection.
type program struct {
	Spawned
	to    address
	said  *tail
	close func() error
}

// spawn starts a ProxyCommand as ssh does: by the operator's shell, which
// becomes the program. Its words were expanded when the host was resolved.
func (p *Pool) spawn(ctx context.Context, command string, hop Hop) (*program, error) {
	said := &tail{}
	run, err := p.cfg.Spawn(ctx, Spawn{Argv: proxyArgv(command), Stderr: said})
	if err != nil {
		return nil, job.WithHint(fmt.Errorf("start the ProxyCommand %q: %w", command, err), "Check ProxyCommand in the SSH configuration.")
	}
	return &program{Spawned: run, to: address(hop.Addr), said: said, close: sync.OnceValue(run.Close)}, nil
}

func proxyArgv(command string) []string {
	if os.PathSeparator == '\\' {
		return []string{"cmd.exe", "/S", "/C", command}
	}
	shell := os.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	return []string{shell, "-c", "exec " + command}
}

// explain adds what the program said to an error that came of it. It ends the
// program, so that all of that has been read.
func (c *program) explain(err error) error {
	_ = c.Close()
	said := clean(c.said.String())
	if said == "" {
		return job.WithHint(fmt.Errorf("the ProxyCommand ended the connection: %w", err), "Run the ProxyCommand by hand to see what it does.")
	}
	return job.WithHint(fmt.Errorf("the ProxyCommand said: %s (%w)", said, err), "Run the ProxyCommand by hand to see what it does.")
}

func (c *program) Close() error { return c.close() }

// LocalAddr has no meaning for a program.
func (c *program) LocalAddr() net.Addr { return address("") }

// RemoteAddr is what the program was asked to reach: the host key is looked up
// by it.
func (c *program) RemoteAddr() net.Addr { return c.to }

var errNoDeadline = errors.New("a program has no deadlines")

func (c *program) SetDeadline(time.Time) error      { return errNoDeadline }
func (c *program) SetReadDeadline(time.Time) error  { return errNoDeadline }
func (c *program) SetWriteDeadline(time.Time) error { return errNoDeadline }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - tailSize; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}
