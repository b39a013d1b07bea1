//go:build unix

package remote

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process/processtest"
	"vmorchestrator/internal/remote/remotetest"
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func run(t *testing.T, p *Pool, d inventory.Destination, c processtest.Config) *Process {
	t.Helper()
	r, err := p.Start(within(t, time.Minute), d, command(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Kill(); processtest.Wait(t, r) })
	return r
}

func shell(script string) processtest.Config {
	c := processtest.As("")
	c.Argv, c.Env = []string{"/bin/sh", "-c", script}, nil
	return c
}

func TestPool_ManyCommandsShareOneConnection(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	p := poolFor(t, s)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if out, _, code, err := p.Output(within(t, time.Minute), web1, []string{"echo", "hi"}, nil, 100); err != nil || code != 0 || string(out) != "hi\n" {
				t.Errorf("got %q, %d, %v", out, code, err)
			}
		})
	}
	all.Wait()
	if n := strings.Count(s.Log(), "Accepted publickey"); n != 1 {
		t.Errorf("logged in %d times", n)
	}
	state := p.State(web1)
	if state.Status != StatusConnected || state.Connections != 1 || state.Cipher == "" || state.HostKey == "" || !strings.HasPrefix(state.Server, "SSH-2.0-OpenSSH") || len(state.Way) != 1 || len(state.Steps) < 3 {
		t.Errorf("got %+v", state)
	}
}

// Ensure that more commands run at once than one connection may have, that the
// server's limit is found out, and that the last session is kept for a cancel.
func TestPool_LearnsMaxSessions(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{10: 30, 3: 8} {
		s := remotetest.Start(t, remotetest.Config{Options: []string{"MaxSessions " + strconv.Itoa(limit)}})
		p := poolFor(t, s)
		var all sync.WaitGroup
		processes := make(chan *Process, want)
		for range want {
			all.Go(func() {
				out := processtest.NewRecorder()
				c := shell("echo ready; exec sleep 600")
				c.Stdout, c.Grace = out, time.Minute
				processes <- run(t, p, web1, c)
				out.Until(t, "ready")
			})
		}
		all.Wait()
		if t.Failed() {
			return
		}
		if st := p.State(web1); st.Sessions != want || st.MaxSessions != limit {
			t.Errorf("limit %d: got %+v", limit, st)
		}
		for range want {
			r := <-processes
			r.Cancel()
			if e := processtest.Wait(t, r); e.Signal != "SIGINT" || e.Survivors != nil {
				t.Errorf("limit %d: got %+v", limit, e)
			}
		}
	}
}

// Ensure what runs can be ended although each connection takes one session and
// all places are taken.
func TestPool_OneSessionOnEach(t *testing.T) {
	t.Parallel()
	p := poolFor(t, remotetest.Start(t, remotetest.Config{Options: []string{"MaxSessions 1"}}))
	var all sync.WaitGroup
	processes := make(chan *Process, maxSingles)
	for range maxSingles - 1 {
		all.Go(func() {
			out := processtest.NewRecorder()
			c := shell("echo ready; exec sleep 600")
			c.Stdout = out
			processes <- run(t, p, web1, c)
			out.Until(t, "ready")
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := p.Start(ctx, web1, command(shell("true")))
		ended <- err
	}()
	for range maxSingles - 1 {
		r := <-processes
		select {
		case err := <-ended: // the first cancel makes room
			if err != nil {
				t.Error(err)
			}
			ended = nil
		default:
		}
		r.Cancel()
		if e := processtest.Wait(t, r); e.Signal != "SIGINT" || e.Survivors != nil {
			t.Errorf("got %+v", e)
		}
	}
	if ended != nil {
		if err := processtest.Await(t, "the one that waited", ended); err != nil {
			t.Error(err)
		}
	}
	cancel()
}

// Ensure that what has no room waits for it, and can be given up.
func TestPool_WaitsForRoom(t *testing.T) {
	t.Parallel()
	p := poolFor(t, remotetest.Start(t, remotetest.Config{Options: []string{"MaxSessions 2"}}))
	var first *Process
	for range maxLinks {
		out := processtest.NewRecorder()
		c := shell("echo ready; exec sleep 600")
		c.Stdout = out
		first = run(t, p, web1, c)
		out.Until(t, "ready")
	}
	// The server's limit is not known yet: those that are refused teach it.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for {
			r, err := p.Start(ctx, web1, command(shell("exec sleep 600")))
			if err != nil {
				ended <- err
				return
			}
			defer func() { r.Kill(); r.Wait() }()
		}
	}()
	for p.State(web1).Sessions < maxLinks+1 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := processtest.Await(t, "the start to be given up", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	first.Kill()
	processtest.Wait(t, first)
	run(t, p, web1, shell("true"))
}

// Ensure that a crowd of hosts behind one server is let in without one refusal,
// although the server has its default limit for connections that are not
// authenticated.
func TestPool_PacesHandshakes(t *testing.T) {
	t.Parallel()
	crowd := 200
	if testing.Short() {
		crowd = 60
	}
	s := remotetest.Start(t, remotetest.Config{})
	p := newTestPool(t, func(d inventory.Destination) *inventory.Options {
		o := *s.Options("web1")
		o.Destination = d
		return &o
	})
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			if err := p.Connect(within(t, 2*time.Minute), inventory.Destination{Alias: fmt.Sprint("web", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, st := range p.States() {
		for _, step := range st.Steps {
			if step.What == "handshake" {
				t.Errorf("%s: %+v", st.Destination, step)
			}
		}
	}
	if log := s.Log(); strings.Contains(log, "drop connection") || strings.Contains(log, "exceeded") {
		t.Error("the server refused some")
	}
}

// Ensure that the operator is asked once, however many wait for the connection.
func TestConnect_OneAttemptForAll(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	proxy.Freeze()
	p := poolFor(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	for range 20 {
		go func() { errs <- p.Connect(ctx, web1) }()
	}
	for p.State(web1).Status != StatusConnecting {
		time.Sleep(time.Millisecond)
	}
	proxy.Thaw()
	for range 20 {
		if err := processtest.Await(t, "a connection", errs); err != nil {
			t.Error(err)
		}
	}
	if n := proxy.Accepted(); n != 1 {
		t.Errorf("dialled %d times", n)
	}
	cancel()
}

// behindProxy starts a server with a network in front of it.
func behindProxy(t *testing.T, c remotetest.Config) (s *remotetest.Server, proxy *remotetest.Proxy) {
	t.Helper()
	c.Through = func(addr string) string {
		proxy = remotetest.NewProxy(t, addr)
		return proxy.Addr
	}
	return remotetest.Start(t, c), proxy
}

func TestConnect_GivesUpWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	proxy.Freeze()
	p := poolFor(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	go func() { errs <- p.Connect(ctx, web1) }()
	for proxy.Open() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := processtest.Await(t, "the end", errs); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	proxy.Thaw()
	for proxy.Open() > 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestDisconnect_EndsWhatRuns(t *testing.T) {
	t.Parallel()
	p := poolFor(t, remotetest.Start(t, remotetest.Config{}))
	out := processtest.NewRecorder()
	c := processtest.As("wait")
	c.Stdout = out
	r := run(t, p, web1, c)
	out.Until(t, "ready")
	defer processtest.End(t, job.Survivor{PID: r.PID()})
	p.Disconnect(web1)
	if e := processtest.Wait(t, r); e.State != job.Lost || e.Cause != job.CauseLink || !strings.Contains(e.Detail, strconv.Itoa(r.PID())) {
		t.Errorf("got %+v", e)
	}
	if st := p.State(web1); st.Status != StatusUnknown || st.Connections != 0 {
		t.Errorf("got %+v", st)
	}
	run(t, p, web1, shell("true"))
}

func TestPool_ClosesWhatNobodyUses(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	p := poolFor(t, s)
	p.idle = time.Millisecond
	processtest.Wait(t, run(t, p, web1, shell("true")))
	for p.State(web1).Connections > 0 {
		time.Sleep(time.Millisecond)
	}
	stop := p.Watch(web1)
	processtest.Wait(t, run(t, p, web1, shell("true")))
	time.Sleep(20 * p.idle) // long enough for a timer that should not be there
	if p.State(web1).Connections != 1 {
		t.Error("closed although somebody watches it")
	}
	stop()
	for p.State(web1).Connections > 0 {
		time.Sleep(time.Millisecond)
	}
}
