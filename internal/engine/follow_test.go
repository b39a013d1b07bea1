//go:build unix

package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
	"vmorchestrator/internal/remote/remotetest"
)

// log is a file that a program on a host writes into.
type log struct {
	t    *testing.T
	path string
	n    int
	want strings.Builder
}

func newLog(t *testing.T) *log {
	l := &log{t: t, path: filepath.Join(t.TempDir(), "app.log")}
	l.write(1)
	return l
}

// write appends so many numbered lines.
func (l *log) write(lines int) {
	l.t.Helper()
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	for range lines {
		l.n++
		line := fmt.Sprintf("line %d\n", l.n)
		l.want.WriteString(line)
		if _, err := f.WriteString(line); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		l.t.Fatal(err)
	}
}

// Ensure a log whose lines have no times is not followed from a time on, and that
// it is said which logs are.
func TestTailSpec_SinceWantsTimes(t *testing.T) {
	t.Parallel()
	for source, ok := range map[string]bool{"docker:web": true, "compose:web": true, "journal:nginx": true, "file:/var/log/syslog": false, "cmd:dmesg -w": false} {
		_, err := TailSpec(Tail{Source: source, Since: "10m", Lines: 10})
		if ok != (err == nil) || !ok && (!errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), source) || !strings.Contains(job.HintOf(err), "journal:")) {
			t.Errorf("%s: got %v, hint %q", source, err, job.HintOf(err))
		}
		if _, err := TailSpec(Tail{Source: source, Lines: 10}); err != nil {
			t.Errorf("%s without a time: %v", source, err)
		}
	}
}

func (l *log) last() string { return fmt.Sprintf("line %d\n", l.n) }

func (l *log) follow(e *Engine) job.ID {
	l.t.Helper()
	spec, err := TailSpec(Tail{Source: "file:" + l.path, Lines: -1})
	if err != nil {
		l.t.Fatal(err)
	}
	return start(l.t, e, Launch{Spec: spec, Hosts: []string{"web1"}})
}

func stop(t *testing.T, e *Engine, id job.ID) job.Job {
	t.Helper()
	if err := e.Cancel(t.Context(), id, false); err != nil {
		t.Fatal(err)
	}
	return wait(t, e, id)
}

// Ensure a log whose connection is cut again and again, in the middle of lines
// and while more of them are written, has every line once and in order, with a
// note where it was.
func TestFollow_EveryLineOnceOverCuts(t *testing.T) {
	t.Parallel()
	e, _, proxy := cuttable(t)
	l := newLog(t)
	id := l.follow(e)
	until(t, e, id, l.last())
	const cuts = 3
	for i := range cuts {
		seen := proxy.Accepted()
		proxy.CutAfter(int64(2000 + 777*i)) // somewhere in what comes now
		l.write(500)
		await(t, "the connection is made again", func() bool { return proxy.Accepted() > seen })
		l.write(500)
		until(t, e, id, l.last())
	}
	if j := stop(t, e, id); j.State != job.Cancelled {
		t.Errorf("got %+v", j)
	}
	if got := printed(t, e, id, job.Stdout); got != l.want.String() {
		t.Errorf("got %d bytes, want %d: %s", len(got), l.want.Len(), firstDifference(got, l.want.String()))
	}
	notes := printed(t, e, id, job.Event)
	if lost, again := strings.Count(notes, "was lost"), strings.Count(notes, "connected to web1 again"); lost != cuts || again != cuts {
		t.Errorf("%d times lost and %d times connected again in %q", lost, again, notes)
	}
}

// Ensure a file that is rotated goes on with its successor, also when that
// happens while there is no connection, and that the record says where.
func TestFollow_RotationIsNoted(t *testing.T) {
	t.Parallel()
	e, _, proxy := cuttable(t)
	l := newLog(t)
	id := l.follow(e)
	until(t, e, id, l.last())
	rotate := func(to string) {
		if err := os.Rename(l.path, l.path+to); err != nil {
			t.Fatal(err)
		}
		l.write(10)
	}
	rotate(".2")
	until(t, e, id, l.last())
	proxy.Refuse(true)
	proxy.Cut()
	l.write(10)
	rotate(".1")
	proxy.Refuse(false)
	until(t, e, id, l.last())
	stop(t, e, id)
	if got := printed(t, e, id, job.Stdout); got != l.want.String() {
		t.Errorf("got %q, want %q", got, l.want.String())
	}
	if notes := printed(t, e, id, job.Event); strings.Count(notes, l.path+" was rotated") != 2 {
		t.Errorf("the notes are %q", notes)
	}
}

// Ensure a connection on which nothing comes any more, without a word, ends its
// jobs as lost and its host as disconnected, and that the host is connected
// again for the next job.
func TestRemote_FrozenLink(t *testing.T) {
	t.Parallel()
	var proxy *remotetest.Proxy
	s := remotetest.Start(t, remotetest.Config{Through: func(addr string) string {
		proxy = remotetest.NewProxy(t, addr)
		return proxy.Addr
	}})
	s.AddConfig("Host *\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n")
	conf := config(t)
	conf.SSHConfig = s.ConfigFile
	e := open(t, conf)
	id := start(t, e, there("web1", "echo ready; exec sleep 1000"))
	until(t, e, id, "ready")
	if got := status(t, e, "web1"); got != remote.StatusConnected {
		t.Errorf("before: %s", got)
	}
	proxy.Freeze()
	if j := wait(t, e, id); j.State != job.Lost || j.Cause != job.CauseLink {
		t.Errorf("got %+v", j)
	}
	if got := status(t, e, "web1"); got != remote.StatusLost {
		t.Errorf("frozen: %s", got)
	}
	proxy.Thaw()
	if j := wait(t, e, start(t, e, there("web1", "true"))); j.State != job.Succeeded {
		t.Errorf("after it: %+v", j)
	}
	if got := status(t, e, "web1"); got != remote.StatusConnected {
		t.Errorf("after it: %s", got)
	}
}

func status(t *testing.T, e *Engine, host string) remote.Status {
	t.Helper()
	all, err := e.Hosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all.Hosts {
		if h.Name == host {
			return h.State.Status
		}
	}
	t.Fatalf("there is no host %s", host)
	return ""
}

// await asks again until something is so.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is %q, want %q", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}
