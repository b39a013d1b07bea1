//go:build linux

package remote

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

func TestLinkStop_EndsEverythingWhenTheConnectionIsLost(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]launch{
		"NoInput":  {},
		"Input":    {Input: true},
		"Terminal": {TTY: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p *remotetest.Proxy
			s := remotetest.Start(t, remotetest.Config{Through: func(addr string) string { p = remotetest.NewProxy(t, addr); return p.Addr }})
			c := s.Client(t, "web1")
			nap := <-naps
			l.ID, l.Link = job.NewID(), job.LinkStop
			l.Argv = []string{"sh", "-c", fmt.Sprintf("trap '' HUP; setsid sleep %[1]d & sleep %[1]d", nap)}
			h := begin(t, c, l)
			awaits(t, nap, 2, 2)
			p.Cut()
			if err := h.wait(t); err == nil {
				t.Error("the session ended as if nothing had happened")
			}
			until(t, func() bool { return len(remotetest.Carrying("VMO_RUN="+string(l.ID))) == 0 && len(s.Started()) == 0 },
				func() string { return fmt.Sprintf("still there: %v", s.Started()) })
		})
	}
}

func TestLinkStop_LeavesTheRestAlone(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	c := s.Client(t, "web1")

	// An end of the input is no end of the connection.
	nap := <-naps
	h := begin(t, c, launch{ID: job.NewID(), Link: job.LinkStop, Argv: []string{"sh", "-c", fmt.Sprintf("sleep 2; setsid sleep %d >/dev/null 2>&1 & wait", nap)}})
	h.in.Close()
	awaits(t, nap, 1, 1)

	// What a command leaves behind on purpose stays, and nothing of ours does.
	nap = <-naps
	id := job.NewID()
	began := time.Now()
	a := asks(t, c, id, line(t, launch{ID: id, Link: job.LinkStop, Argv: []string{"sh", "-c", fmt.Sprintf("setsid sleep %d >/dev/null 2>&1 & exit 3", nap)}}), "")
	if took := time.Since(began); a.code != 3 || took > 5*time.Second {
		t.Errorf("exit %d after %v", a.code, took)
	}
	until(t, func() bool {
		return len(remotetest.Carrying("VMO_RUN="+string(id))) == 1 && len(s.Started()) == 3+len(sleeping(nap))-1+watchers(s)
	},
		func() string { return fmt.Sprintf("there: %v", s.Started()) })
	if n := len(sleeping(nap)); n != 1 {
		t.Errorf("%d of 1 daemons are left", n)
	}
}

// watchers are the watchdogs of a server.
func watchers(s *remotetest.Server) (n int) {
	for _, pid := range s.Started() {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if bytes.Contains(b, []byte("vmo-watch")) {
			n++
		}
	}
	return n
}

// kept is a run whose output is kept, on a host of its own.
type keptRun struct {
	id     job.ID
	header header
	dir    string
}

func beginKept(t *testing.T, s *remotetest.Server, c *ssh.Client, host, script string) keptRun {
	t.Helper()
	id := job.NewID()
	a := asks(t, c, id, line(t, launch{ID: id, Link: job.LinkKeep, Argv: []string{"sh", "-c", script}, Dir: "/etc", Env: map[string]string{"A": "b c", "PATH": "/usr/bin:/bin"}}), "")
	dir := filepath.Join(s.Home(host), ".cache/vmo/runs", string(id))
	t.Cleanup(func() { os.RemoveAll(dir) })
	if !a.announced || a.code != 0 || a.out != "" || a.errs != "" {
		t.Fatalf("begin: got %+v", a)
	}
	return keptRun{id, a.header, dir}
}

// safeBuffer can be read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// reader follows what a kept run prints.
type reader struct {
	s         *ssh.Session
	out, errs *safeBuffer
	ended     chan error
}

func follow(t *testing.T, c *ssh.Client, id job.ID, out, errs uint64) *reader {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{s: s, out: &safeBuffer{}, errs: &safeBuffer{}, ended: make(chan error, 1)}
	s.Stdout, s.Stderr = newHeaderFilter(id, r.out, 0), newHeaderFilter(id, r.errs, 0)
	if err := s.Start(readLine(id, out, errs, keepLimit)); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- s.Wait() }()
	return r
}

func (r *reader) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(time.Minute):
		t.Fatal("the reader does not end")
		return nil
	}
}

func TestLinkKeep_IsReadOnWhereItWas(t *testing.T) {
	t.Parallel()
	for _, shell := range testShells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			var p *remotetest.Proxy
			s := remotetest.Start(t, remotetest.Config{Shells: []string{shell}, Through: func(addr string) string { p = remotetest.NewProxy(t, addr); return p.Addr }})
			host := "vmo-" + shell
			c := s.Client(t, host)
			goOn := filepath.Join(s.Home(host), "go-on")
			run := beginKept(t, s, c, host, `pwd; echo "$A"; echo oops >&2; until [ -e `+goOn+` ]; do sleep 0.05; done; i=0; while [ $i -lt 2000 ]; do echo line $i; echo err $i >&2; i=$((i+1)); done; exit 9`)
			if run.header.PID == 0 || run.header.PID != run.header.SID || run.header.Start == 0 {
				t.Errorf("header: got %+v", run.header)
			}
			if info, err := os.Stat(run.dir); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("its folder: got %v, %v", info, err)
			}
			r := follow(t, c, run.id, 0, 0)
			until(t, func() bool { return r.out.String() == "/etc\nb c\n" && r.errs.String() == "oops\n" },
				func() string { return fmt.Sprintf("got %q, %q", r.out.String(), r.errs.String()) })
			p.Cut()
			if r.wait(t) == nil {
				t.Error("the reader ended as if nothing had happened")
			}

			c = s.Client(t, host)
			if a, ok := parseAlive(run.id, asks(t, c, run.id, aliveLine(run.id), "").out); !ok || a.PID != run.header.PID || !a.Kept || a.Ended || a.Processes < 2 {
				t.Errorf("while it runs: got %+v, %t", a, ok)
			}
			out, errs := r.out.String(), r.errs.String()
			r = follow(t, c, run.id, uint64(len(out)), uint64(len(errs)))
			if err := os.WriteFile(goOn, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := r.wait(t); err != nil {
				t.Errorf("reader: %v", err)
			}
			out, errs = out+r.out.String(), errs+r.errs.String()
			a := asks(t, c, run.id, finishLine(run.id, uint64(len(out)), uint64(len(errs))), "")
			_, rest, _ := strings.Cut(a.errs, "\n") // the header of the other output
			out, errs = out+a.out, errs+rest
			var want, wantErrs strings.Builder
			want.WriteString("/etc\nb c\n")
			wantErrs.WriteString("oops\n")
			for i := range 2000 {
				fmt.Fprintf(&want, "line %d\n", i)
				fmt.Fprintf(&wantErrs, "err %d\n", i)
			}
			if out != want.String() || errs != wantErrs.String() || a.code != 9 {
				t.Errorf("got %d and %d bytes, exit %d, want %d and %d, 9: %.200q", len(out), len(errs), a.code, want.Len(), wantErrs.Len(), errs)
			}
			if a, ok := parseAlive(run.id, asks(t, c, run.id, aliveLine(run.id), "").out); !ok || !a.Ended || a.Code != 9 || a.Processes != 0 {
				t.Errorf("afterwards: got %+v, %t", a, ok)
			}
			asks(t, c, run.id, removeLine(run.id), "")
			if _, err := os.Stat(run.dir); !os.IsNotExist(err) {
				t.Errorf("after it was removed: %v", err)
			}
			if a := asks(t, c, run.id, finishLine(run.id, 0, 0), ""); a.code != 125 || !strings.Contains(a.errs, "nothing is kept") {
				t.Errorf("after it was removed: got %+v", a)
			}
			until(t, func() bool { return len(s.Started()) == 0 }, func() string { return fmt.Sprintf("still there: %v", s.Started()) })
		})
	}
}

func TestLinkKeep_IsEndedLikeAnyOther(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	c := s.Client(t, "web1")
	for name, test := range map[string]struct {
		script string
		signal string
		code   int
	}{
		"Term":     {"sleep %d; echo done", "TERM", 143},
		"Int":      {"sleep %d; echo done", "INT", 130}, // as for a command in front: not ignored
		"Kill":     {"trap '' TERM INT; sleep %[1]d; sleep %[1]d; sleep %[1]d", "TERM", 137},
		"Trapped":  {"trap 'exit 4' TERM; sleep %d & wait", "TERM", 4},
		"NotFound": {"exec no-such-command", "TERM", 127},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nap := <-naps
			script := test.script
			if strings.Contains(script, "%") {
				script = fmt.Sprintf(script, nap)
			}
			run := beginKept(t, s, c, "web1", script)
			r := follow(t, c, run.id, 0, 0)
			if test.code != 127 {
				awaits(t, nap, 1, 1)
				left, found := (&onHost{id: run.id, header: run.header}).kill(t, c, test.signal, 500*time.Millisecond)
				if found == 0 || len(left) != 0 {
					t.Errorf("found %d, left %+v", found, left)
				}
			}
			if err := r.wait(t); err != nil {
				t.Errorf("reader: %v", err)
			}
			if a := asks(t, c, run.id, finishLine(run.id, 0, 0), ""); a.code != test.code || a.out != "" {
				t.Errorf("got %+v, want exit %d", a, test.code)
			}
			if n := sleeping(nap); len(n) != 0 {
				t.Errorf("survivors: %v", n)
			}
		})
	}
}

func TestLinkKeep_TakesNoSession(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{Options: []string{"MaxSessions 2"}})
	c := s.Client(t, "web1")
	nap := <-naps
	for range 5 {
		run := beginKept(t, s, c, "web1", fmt.Sprintf("exec sleep %d", nap))
		awaits(t, nap, 1, 5)
		defer func() { (&onHost{id: run.id, header: run.header}).kill(t, c, "TERM", time.Second) }()
	}
}
