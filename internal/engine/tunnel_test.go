//go:build unix

package engine

import (
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

// greeter is a server that says hello and leaves. It returns its address.
func greeter(t *testing.T) string {
	t.Helper()
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
			_, _ = io.WriteString(c, "hello") // a client that has left did not want it
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// listens waits until a stream of a job says what listens, and returns where.
func listens(t *testing.T, e *Engine, id job.ID, s job.Stream) string {
	t.Helper()
	re := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	var at string
	await(t, "something listens", func() bool {
		if m := re.FindStringSubmatch(printed(t, e, id, s)); m != nil {
			at = m[1]
		}
		return at != ""
	})
	return at
}

func greeting(t *testing.T, address string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(c) // what it lacks is seen
	return string(got)
}

// Ensure a tunnel is a job: it says what it does, a lost connection is a note, a
// cancel closes its ports, and it can be run again from its record.
func TestTunnel_IsAJob(t *testing.T) {
	t.Parallel()
	e, _, proxy := cuttable(t)
	to := greeter(t)
	f, err := ParseForward(ForwardLocal, "0:"+to)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := e.TunnelSpec(t.Context(), "web1", []Forward{f})
	if err != nil {
		t.Fatal(err)
	}
	id := start(t, e, Launch{Spec: spec, Hosts: []string{"web1"}})
	at := listens(t, e, id, job.Stdout)
	if got := greeting(t, at); got != "hello" {
		t.Errorf("got %q", got)
	}
	until(t, e, id, "0 bytes sent, 5 received")
	proxy.Cut()
	await(t, "it is connected again", func() bool {
		return strings.Contains(printed(t, e, id, job.Event), "connected to web1 again")
	})
	if got := greeting(t, at); got != "hello" {
		t.Errorf("after a cut: got %q", got)
	}
	j := stop(t, e, id)
	if j.State != job.Cancelled || j.Host != "web1" || !slices.Equal(j.Argv, []string{"tunnel", "-L", "0:" + to}) || j.Title() != "tunnel:-L 0:"+to {
		t.Errorf("got %+v", j)
	}
	if got := greeting(t, at); !strings.Contains(got, "refused") {
		t.Errorf("after the end: got %q", got)
	}
	again := start(t, e, Launch{Spec: job.Spec{Argv: j.Argv, Source: j.Source}, Hosts: []string{"web1"}})
	if got := greeting(t, listens(t, e, again, job.Stdout)); got != "hello" {
		t.Errorf("again: got %q", got)
	}
	stop(t, e, again)
}

// Ensure a tunnel without forwards of its own opens those of the configuration, that
// they are shown, that one whose port is taken ends when it was the only one, and
// that there is a word about hosts without any.
func TestTunnel_OfTheConfiguration(t *testing.T) {
	t.Parallel()
	e, s := fleet(t, remotetest.Config{Hosts: []string{"web1", "web2", "web3"}})
	to := greeter(t)
	s.AddConfig("Host web1\n  LocalForward " + to + " db:1\nHost web3\n  ClearAllForwardings yes\n  DynamicForward 1080\n")
	d, err := e.HostDetail(t.Context(), "web1")
	if err != nil || len(d.Forwards) != 1 || d.Forwards[0] != (Forward{Kind: ForwardLocal, Listen: to, To: "db:1"}) {
		t.Errorf("shown as %+v, %v", d.Forwards, err)
	}
	spec, err := e.TunnelSpec(t.Context(), "web1", nil)
	if err != nil {
		t.Fatal(err)
	}
	j := wait(t, e, start(t, e, Launch{Spec: spec, Hosts: []string{"web1"}}))
	if j.State != job.Failed || j.Cause != job.CauseStart || !strings.Contains(j.Detail, "cannot listen on "+to+": address already in use. ") {
		t.Errorf("got %+v", j)
	}
	for _, host := range []string{"web2", "web3", "local"} {
		if _, err := e.TunnelSpec(t.Context(), host, nil); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

// Ensure a shell has the forwards of the configuration while it runs, that one whose
// port is taken is a note, unless ExitOnForwardFailure is on, and that a command
// opens none.
func TestShell_OpensForwards(t *testing.T) {
	t.Parallel()
	e, s := fleet(t, remotetest.Config{Hosts: []string{"web1", "web2"}})
	to := greeter(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	free.Close()
	s.AddConfig("Host web2\n  ExitOnForwardFailure yes\nHost *\n  LocalForward " + to + " db:1\n  LocalForward " + at + " " + to + "\n")
	if j := wait(t, e, start(t, e, there("web1", "true"))); j.State != job.Succeeded || printed(t, e, j.ID, job.Event) != "" {
		t.Errorf("a command: got %+v, %q", j, printed(t, e, j.ID, job.Event))
	}
	terminal := Launch{Spec: job.Spec{TTY: true}, Hosts: []string{"web1"}}
	id := start(t, e, terminal)
	if got := listens(t, e, id, job.Event); got != at {
		t.Errorf("listens on %s", got)
	}
	if notes := printed(t, e, id, job.Event); !strings.Contains(notes, "cannot listen on "+to+": address already in use") {
		t.Errorf("the notes are %q", notes)
	}
	if got := greeting(t, at); got != "hello" {
		t.Errorf("got %q", got)
	}
	if err := e.Input(id, []byte("exit 3\n")); err != nil {
		t.Fatal(err)
	}
	if j := wait(t, e, id); j.ExitCode == nil || *j.ExitCode != 3 {
		t.Errorf("got %+v", j)
	}
	if got := greeting(t, at); !strings.Contains(got, "refused") {
		t.Errorf("after the end: got %q", got)
	}
	terminal.Hosts = []string{"web2"}
	if j := wait(t, e, start(t, e, terminal)); j.State != job.Failed || j.Cause != job.CauseStart || !strings.Contains(j.Detail, to) {
		t.Errorf("with ExitOnForwardFailure: got %+v", j)
	}
}

// Ensure a request that is no tunnel is refused.
func TestTunnelSpec_RefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, argv := range [][]string{{"tunnel"}, {"tunnel", "-L"}, {"tunnel", "-X", "1"}, {"tunnel", "-L", "x"}} {
		if all, err := parseTunnel(job.Spec{Argv: argv}); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%q: got %v, %v", argv, all, err)
		}
	}
}
