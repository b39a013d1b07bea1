package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
)

// Forward is a port or socket that leads to another one through a host.
type Forward = inventory.Forward

// The kinds of a forward: -L, -R and -D of ssh.
const (
	ForwardLocal   = inventory.ForwardLocal
	ForwardRemote  = inventory.ForwardRemote
	ForwardDynamic = inventory.ForwardDynamic
)

// ParseForward reads what stands behind -L, -R or -D.
func ParseForward(kind, text string) (Forward, error) {
	f, err := inventory.ParseForward(kind, text)
	if err != nil {
		return f, fmt.Errorf("%w: %w", job.ErrInvalid, err)
	}
	return f, nil
}

// tunnelSource begins the Source of a tunnel, where that of a log tail has what it
// follows.
const tunnelSource = "tunnel:"

// IsTunnel reports whether a job is a tunnel.
func IsTunnel(source string) bool { return strings.HasPrefix(source, tunnelSource) }

// TunnelSpec is the request for a tunnel to a host with these forwards; without any
// it is for those of the host's configuration. Its Argv is what the record shows, and
// what says which they are when the job is run again.
func (e *Engine) TunnelSpec(ctx context.Context, host string, forwards []Forward) (job.Spec, error) {
	h, err := e.Host(host)
	if err != nil {
		return job.Spec{}, err
	}
	if h.Local {
		return job.Spec{}, fmt.Errorf("open a tunnel: %w: it leads to another machine, and %s is this one", job.ErrInvalid, host)
	}
	if len(forwards) == 0 {
		o, err := e.resolver.Resolve(ctx, h.Destination)
		if err != nil {
			return job.Spec{}, hostError(host, err)
		}
		var problems []error
		forwards, problems = o.Forwards()
		if len(forwards) == 0 {
			return job.Spec{}, job.WithHint(fmt.Errorf("open a tunnel: %w: the configuration of %s has no forwards%s", job.ErrInvalid, host, because(errors.Join(problems...))),
				"Name one, such as -L 8080:localhost:80 or -D 1080, or write LocalForward into the SSH configuration.")
		}
	}
	spec := job.Spec{Argv: []string{"tunnel"}}
	for _, f := range forwards {
		spec.Argv = append(spec.Argv, f.Flag()...)
	}
	spec.Source = tunnelSource + strings.Join(spec.Argv[1:], " ")
	_, err = parseTunnel(spec)
	return spec, err
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// parseTunnel reads the Argv of a tunnel.
func parseTunnel(spec job.Spec) (all []Forward, err error) {
	kinds := map[string]string{"-L": ForwardLocal, "-R": ForwardRemote, "-D": ForwardDynamic}
	words := spec.Argv[min(1, len(spec.Argv)):]
	for ; len(words) >= 2; words = words[2:] {
		f, err := ParseForward(kinds[words[0]], words[1])
		if err != nil {
			return nil, fmt.Errorf("open a tunnel: %w", err)
		}
		if kinds[words[0]] == "" {
			return nil, fmt.Errorf("open a tunnel: %w: %q is not known", job.ErrInvalid, words[0])
		}
		all = append(all, f)
	}
	if len(all) == 0 || len(words) > 0 {
		return nil, fmt.Errorf("open a tunnel: %w: it says nothing to forward", job.ErrInvalid)
	}
	return all, nil
}

// sayings are lines about the forwards of a job. What is said before the record
// has its beginning waits for that.
type sayings struct {
	l       *live
	mu      sync.Mutex
	open    bool
	waiting []func()
}

// now lets pass what waits. The record has its beginning, or will have none.
func (s *sayings) now() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, say := range s.waiting {
		say()
	}
	s.open, s.waiting = true, nil
}

func (s *sayings) say(how func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		how()
		return
	}
	s.waiting = append(s.waiting, how)
}

// line is a line of output. What cannot be recorded, Finish tells.
func (s *sayings) line(to job.Stream, text string) {
	s.say(func() { _, _ = io.WriteString(s.l.record.Writer(to), text+"\n") })
}

func (s *sayings) note(text string) {
	s.say(func() { _ = s.l.record.Note(job.Note{Kind: job.NoteLink, Text: text}) })
}

// tunneler is a tunnel that runs as a job. Its output says what it does.
type tunneler struct {
	said   *sayings
	tunnel *remote.Tunnel
}

// tunnel opens the forwards of a job.
func (e *Engine) tunnel(ctx context.Context, l *live) (started, error) {
	forwards, err := parseTunnel(l.spec)
	if err != nil {
		return nil, err
	}
	if l.host == "" {
		return nil, fmt.Errorf("open a tunnel: %w: it leads to another machine", job.ErrInvalid)
	}
	said := &sayings{l: l}
	t, err := e.pool.Tunnel(ctx, l.destination, remote.TunnelConfig{Forwards: forwards, Stays: true, Say: func(n remote.TunnelNews, text string) {
		switch n {
		case remote.TunnelFailed:
			said.line(job.Stderr, text)
		case remote.TunnelLink:
			said.note(text)
		default:
			said.line(job.Stdout, text)
		}
	}})
	if err != nil {
		said.now()
		return nil, err
	}
	return &tunneler{said, t}, nil
}

func (t *tunneler) PID() int { return 0 }

// Wait waits until the tunnel is closed: it has no end of its own.
func (t *tunneler) Wait() job.Exit {
	t.said.now()
	<-t.tunnel.Done()
	detail := "it was closed"
	if err := t.tunnel.Err(); err != nil {
		detail = err.Error()
	}
	return job.Exit{State: job.Failed, Cause: job.CauseSignal, Detail: detail, At: time.Now()}
}

func (t *tunneler) Cancel()          { t.tunnel.Close() }
func (t *tunneler) Kill()            { t.tunnel.Close() }
func (t *tunneler) Interrupt() error { t.tunnel.Close(); return nil }

func (t *tunneler) Write([]byte) (int, error) {
	return 0, fmt.Errorf("type into a tunnel: %w", job.ErrInvalid)
}
func (t *tunneler) CloseInput() error     { return nil }
func (t *tunneler) Resize(job.Size) error { return fmt.Errorf("resize a tunnel: %w", job.ErrInvalid) }

// shell opens the login shell of a host, with the forwards of its configuration, as
// `ssh HOST` does. They end with it. One that cannot be opened, such as for a port
// that is taken, is a note in the record, but with ExitOnForwardFailure.
func (e *Engine) shell(ctx context.Context, l *live) (started, error) {
	o, err := e.resolver.Resolve(ctx, l.destination)
	var forwards []Forward
	said := &sayings{l: l}
	if err == nil { // else the connection says it better
		var problems []error
		forwards, problems = o.Forwards()
		for _, p := range problems {
			said.note(p.Error())
		}
	}
	var t *remote.Tunnel
	if len(forwards) > 0 {
		t, err = e.pool.Tunnel(ctx, l.destination, remote.TunnelConfig{Forwards: forwards, Say: func(n remote.TunnelNews, text string) {
			if n == remote.TunnelOpen || n == remote.TunnelFailed {
				said.note(text)
			}
		}})
		if err != nil && (o.Yes("ExitOnForwardFailure") || ctx.Err() != nil || errors.As(err, new(*remote.ConnectError))) {
			said.now()
			return nil, err
		}
	}
	p, err := e.command(ctx, l, l.record.ID(), nil, l.spec.Link, l.output(l.stdout()), l.output(job.Stderr))
	if err == nil {
		return &shellWithForwards{p, said, t}, nil
	}
	said.now()
	if t != nil {
		t.Close()
		<-t.Done()
	}
	return nil, err
}

// shellWithForwards is a shell whose end closes its forwards.
type shellWithForwards struct {
	started
	said   *sayings
	tunnel *remote.Tunnel // nil: none
}

func (s *shellWithForwards) Wait() job.Exit {
	s.said.now()
	exit := s.started.Wait()
	if s.tunnel != nil {
		s.tunnel.Close()
		<-s.tunnel.Done()
	}
	return exit
}
