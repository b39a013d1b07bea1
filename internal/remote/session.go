package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// session is one command on a connection, as the server sees it.
type session struct {
	link *link
	use  use
	ch   ssh.Channel

	letGo  sync.Once
	exited chan struct{} // closed when it is known how the command ended, or never will be
	over   chan struct{} // closed when the session is closed on both sides

	// after exited
	said    bool // the server told how the command ended
	code    int
	signal  string // such as "TERM"
	message string
}

// session begins one on a connection that has room, making one if need be.
// Setup sends the requests that start the command.
func (h *host) session(ctx context.Context, u use, setup func(*session) error) (*session, error) {
	for stale, early := 0, 0; ; {
		l, err := h.acquire(ctx, u)
		if err != nil {
			return nil, err
		}
		s, err := l.session(ctx, u, setup)
		var refused *ssh.OpenChannelError
		var unopened *unopened
		switch {
		case err == nil:
			return s, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, errTimeout):
			l.probe() // its others may have to learn of it, too
			return nil, job.WithHint(fmt.Errorf("start a session on %s: %w", h.name, err), "Check whether the host is overloaded, or whether the connection through its jump hosts hangs: disconnect, and connect again.")
		case errors.As(err, &refused) && h.learn(l, refused):
		case errors.As(err, &refused) && refused.Reason != ssh.UnknownChannelType && early < 5:
			early++ // sshd counts the one before until it has cleaned up after it
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		case errors.As(err, &refused):
			return nil, job.WithHint(fmt.Errorf("start a session on %s: the server refused it: %s", h.name, clean(refused.Message)),
				"Check MaxSessions and the account's restrictions in its sshd_config.")
		case errors.As(err, &unopened) && stale < 2:
			stale++ // the connection had died unnoticed; nothing was started
			l.close(unopened.err)
			select {
			case <-l.dead: // or it would be taken again
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		default:
			return nil, fmt.Errorf("start a session on %s: %w", h.name, l.gone(err))
		}
	}
}

// sessionTime is how long a server may take to begin a session: some look up a lot
// for that. A connection on which nothing passes any more is noticed by its keepalive,
// which a configuration may make rare.
const sessionTime = time.Minute

// unopened is a failure before anything was started.
type unopened struct{ err error }

func (e *unopened) Error() string { return clean(e.err.Error()) }
func (e *unopened) Unwrap() error { return e.err }

// session begins one on this connection, whose place the caller has taken. The
// place is given back when the session is over.
func (l *link) session(ctx context.Context, u use, setup func(*session) error) (*session, error) {
	limit := l.host.pool.sessionTime
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w after %v", errTimeout, limit))
	defer cancel()
	return ask(ctx, l, func() (*session, error) {
		ch, requests, err := l.client.OpenChannel("session", nil)
		if err != nil {
			l.release(u)
			return nil, &unopened{err}
		}
		s := &session{link: l, use: u, ch: ch, exited: make(chan struct{}), over: make(chan struct{})}
		if !l.run(func() { s.serve(requests) }) {
			l.release(u)
			return nil, l.err
		}
		if err := setup(s); err != nil {
			s.close()
			return nil, err
		}
		return s, nil
	}, (*session).close)
}

// serve listens to what the server says about the command.
func (s *session) serve(requests <-chan *ssh.Request) {
	defer func() {
		if !closed(s.exited) {
			close(s.exited)
		}
		close(s.over)
		s.link.release(s.use)
	}()
	for r := range requests {
		var status struct{ Code uint32 }
		var signal struct {
			Signal  string
			Core    bool
			Message string
			Lang    string
		}
		switch {
		case closed(s.exited):
		case r.Type == "exit-status" && ssh.Unmarshal(r.Payload, &status) == nil:
			s.said, s.code = true, int(status.Code)
			close(s.exited)
		case r.Type == "exit-signal" && ssh.Unmarshal(r.Payload, &signal) == nil:
			s.said, s.signal, s.message = true, clean(signal.Signal), clean(signal.Message)
			close(s.exited)
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
}

// closeTime is how long a server may take to agree to the end of a session.
const closeTime = 10 * time.Second

// close ends the session on our side. A server that does not agree loses the
// whole connection: somebody waits for the end.
func (s *session) close() {
	_ = s.ch.Close()
	s.letGo.Do(func() {
		s.link.run(func() {
			timer := time.NewTimer(closeTime)
			defer timer.Stop()
			select {
			case <-s.over:
			case <-s.link.dead:
			case <-timer.C:
				s.link.close(errors.New("the server does not close a session"))
			}
		})
	})
}

// exec asks the server to start the command.
func (s *session) exec(line string) error {
	ok, err := s.ch.SendRequest("exec", true, ssh.Marshal(struct{ Line string }{line}))
	if err == nil && !ok {
		err = errors.New("the server refused to start the command")
	}
	return err
}

// terminal asks the server for a terminal.
func (s *session) terminal(size job.Size) error {
	modes := ssh.Marshal(struct { // RFC 4254, 8: speeds of 38400, as ssh sends them
		In    byte
		InV   uint32
		Out   byte
		OutV  uint32
		UTF8  byte
		UTF8V uint32
		End   byte
	}{ssh.TTY_OP_ISPEED, 38400, ssh.TTY_OP_OSPEED, 38400, ssh.IUTF8, 1, 0})
	ok, err := s.ch.SendRequest("pty-req", true, ssh.Marshal(struct {
		Term       string
		Cols, Rows uint32
		Width      uint32
		Height     uint32
		Modes      string
	}{"xterm-256color", uint32(size.Cols), uint32(size.Rows), 0, 0, string(modes)}))
	if err == nil && !ok {
		err = job.WithHint(errors.New("the server refused a terminal"), "Check PermitTTY in its sshd_config and `no-pty` in authorized_keys.")
	}
	return err
}

func (s *session) resize(size job.Size) error {
	_, err := s.ch.SendRequest("window-change", false, ssh.Marshal(struct{ Cols, Rows, Width, Height uint32 }{uint32(size.Cols), uint32(size.Rows), 0, 0}))
	return err
}

// send asks the server to signal the command's process group.
func (s *session) send(signal string) error {
	_, err := s.ch.SendRequest("signal", false, ssh.Marshal(struct{ Name string }{signal}))
	return err
}

// environment sends what SendEnv and SetEnv ask for. A server takes only what its
// AcceptEnv names, and there is no need to know.
func (s *session) environment(o *inventory.Options) error {
	env := map[string]string{}
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		for _, line := range o.All("SendEnv") {
			for _, pattern := range strings.Fields(line) {
				if ok, _ := path.Match(pattern, name); ok {
					env[name] = value
				}
			}
		}
	}
	for _, v := range o.All("SetEnv") {
		if name, value, ok := strings.Cut(v, "="); ok {
			env[name] = value
		}
	}
	names := make([]string, 0, len(env))
	for name := range env {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if _, err := s.ch.SendRequest("env", false, ssh.Marshal(struct{ Name, Value string }{name, env[name]})); err != nil {
			return err
		}
	}
	return nil
}
