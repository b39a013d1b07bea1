package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"vmorchestrator/internal/job"
)

// master is an ssh that keeps one connection, and our connection to its socket. It
// owns the goroutine that waits for ssh and those that answer its questions; Close
// ends them and ssh, and waits for them.
type master struct {
	net.Conn // to the socket; nil until it is ready

	d       *dialer
	dir     string // of the sockets; nobody else may look into it
	run     Spawned
	said    *opensshOutput
	prompts Prompts
	ctx     context.Context // ends with Close; bounds every question
	stop    context.CancelCauseFunc
	listen  net.Listener
	work    sync.WaitGroup
	exited  chan struct{} // closed when ssh has ended
	close   func() error

	mu       sync.Mutex
	tries    map[string]int
	accepted []HostKeyQuestion // that the operator said yes to
	refusal  error             // why a question was not answered
}

// socketRoom is how long the path of a socket may be, less what ssh adds while it
// makes one: systems take 104 bytes.
const socketRoom = 80

// socketDir makes a folder of ours alone, with a path short enough for a socket
// and without what ssh would expand.
func socketDir() (string, error) {
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		dir, err := os.MkdirTemp(parent, "vmo-ssh-") // with mode 0700
		switch {
		case err != nil && parent == "/tmp":
			return "", err
		case err != nil:
		case len(dir) <= socketRoom && !strings.ContainsAny(dir, "%$~\"'\\ "):
			return dir, nil
		default:
			_ = os.Remove(dir)
		}
	}
	return "", fmt.Errorf("no folder for temporary files has a path that is short enough: %s", os.TempDir())
}

// startMaster starts ssh.
func (d *dialer) startMaster(ctx context.Context, prompts Prompts) (*master, error) {
	hint := "Check the folder for temporary files (TMPDIR), or choose the built-in engine for this host."
	dir, err := socketDir()
	if err != nil {
		return nil, job.WithHint(fmt.Errorf("make a folder for the socket of ssh: %w", err), hint)
	}
	m := &master{d: d, dir: dir, prompts: prompts, said: &opensshOutput{alone: d.step.hop.Of == 1}, exited: make(chan struct{}), tries: map[string]int{}}
	m.ctx, m.stop = context.WithCancelCause(d.pool.ctx)
	m.close = sync.OnceValue(m.end)
	env, err := m.serveAskpass()
	if err != nil {
		_ = m.Close()
		return nil, job.WithHint(err, hint)
	}
	ask := prompts.HostKey != nil || prompts.Secret != nil || prompts.Challenge != nil
	m.run, err = d.pool.cfg.Spawn(ctx, Spawn{Argv: d.opensshArgv(m.socket(), ask), Env: env, Stderr: m.said})
	if err != nil {
		_ = m.Close()
		return nil, fmt.Errorf("start ssh: %w", err)
	}
	m.work.Go(func() {
		_, _ = io.Copy(io.Discard, m.run) // it prints nothing; this waits for its end
		_ = m.run.Wait()
		close(m.exited)
	})
	return m, nil
}

func (m *master) socket() string { return filepath.Join(m.dir, "m") }

// look is how often the socket is looked for: ssh makes it when it is logged in.
const look = 10 * time.Millisecond

var errEnded = errors.New("ssh has ended")

// ready waits until ssh is logged in, and connects to its socket.
func (m *master) ready(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-m.exited:
			return errEnded
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-m.ctx.Done():
			return context.Cause(m.ctx)
		case <-tick.C:
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", m.socket())
		if err == nil {
			m.Conn = conn
			return nil
		}
	}
}

// Read ends ssh before it tells that the connection is over: who hears of that
// finds all that ssh had to say.
func (m *master) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	if err != nil {
		_ = m.Close()
	}
	return n, err
}

// Close ends ssh with everything it started, and the connection with it.
func (m *master) Close() error { return m.close() }

func (m *master) end() error {
	m.stop(ErrClosed)
	var errs []error
	if m.Conn != nil {
		errs = append(errs, m.Conn.Close())
	}
	if m.run != nil {
		errs = append(errs, m.run.Close())
	}
	if m.listen != nil {
		errs = append(errs, m.listen.Close())
	}
	m.work.Wait()
	return errors.Join(append(errs, os.RemoveAll(m.dir))...)
}

// refuse gives the connection up because of a question that was not answered: ssh
// would go on with an empty answer, and ask again.
func (m *master) refuse(err error) {
	m.mu.Lock()
	if m.refusal == nil {
		m.refusal = err
	}
	m.mu.Unlock()
	m.stop(err)
}

func (m *master) refused() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refusal
}

func (m *master) hasAsked() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.tries) > 0
}

// describe adds what ssh has said of the connection to what is shown of a host.
func (m *master) describe(s *State) {
	f := m.said.facts()
	s.Engine = EngineOpenSSH
	s.Server, s.HostKey, s.Kex, s.Cipher, s.MAC = f.server, f.hostKey(), f.kex, f.cipher, f.mac
}
