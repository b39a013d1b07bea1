//go:build unix

package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
	"vmorchestrator/internal/remote/remotetest"
)

// fleet is an engine whose hosts are names of one real sshd.
func fleet(t *testing.T, c remotetest.Config) (*Engine, *remotetest.Server) {
	t.Helper()
	s := remotetest.Start(t, c)
	conf := config(t)
	conf.SSHConfig = s.ConfigFile
	return open(t, conf), s
}

// cuttable is a fleet behind a network that can be cut.
func cuttable(t *testing.T) (*Engine, *remotetest.Server, *remotetest.Proxy) {
	t.Helper()
	var proxy *remotetest.Proxy
	e, s := fleet(t, remotetest.Config{Through: func(addr string) string {
		proxy = remotetest.NewProxy(t, addr)
		return proxy.Addr
	}})
	return e, s, proxy
}

func there(host, script string) Launch {
	return Launch{Spec: job.Spec{Argv: []string{"sh", "-c", script}}, Hosts: []string{host}}
}

// printed is the output of a stream of a job.
func printed(t *testing.T, e *Engine, id job.ID, s job.Stream) string {
	t.Helper()
	r, err := e.Output(id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all strings.Builder
	for after := uint64(0); ; {
		page, err := r.Page(after, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all.String()
		}
		for _, c := range page {
			switch {
			case c.Note != nil && s == job.Event:
				all.WriteString(c.Note.Text + "\n")
			case c.Stream == s:
				all.Write(c.Data)
			}
		}
		after = page[len(page)-1].Seq
	}
}

// Ensure a command runs on the host that was chosen, and its record says where
// and how it ended.
func TestRemote_RunsAndRecords(t *testing.T) {
	t.Parallel()
	e, _ := fleet(t, remotetest.Config{})
	dir := t.TempDir()
	l := there("web1", "pwd; echo err >&2; exit 7")
	l.There = dir
	j := wait(t, e, start(t, e, l))
	if j.Host != "web1" || j.State != job.Failed || j.ExitCode == nil || *j.ExitCode != 7 || j.Dir != dir {
		t.Errorf("got %+v", j)
	}
	if out, errs := printed(t, e, j.ID, job.Stdout), printed(t, e, j.ID, job.Stderr); out != dir+"\n" || errs != "err\n" {
		t.Errorf("got %q and %q", out, errs)
	}
	missing := there("web1", "true")
	missing.There = dir + "/nowhere"
	j = wait(t, e, start(t, e, missing))
	if j.ExitCode == nil || *j.ExitCode != 125 || !strings.Contains(printed(t, e, j.ID, job.Stderr)+j.Detail, dir+"/nowhere") {
		t.Errorf("a missing folder: got %+v and %q", j, printed(t, e, j.ID, job.Stderr))
	}
}

// Ensure one launch on several hosts is one run with a job on each, and that a
// name that is not known stops all of it before anything starts.
func TestRemote_HostsAreSettledFirst(t *testing.T) {
	t.Parallel()
	e, _ := fleet(t, remotetest.Config{Hosts: []string{"web1", "web2", "web3"}})
	l := there("web1", "echo here")
	l.Hosts = []string{"web1", "web3", "local"}
	run, jobs, err := e.Start(l)
	if err != nil || len(jobs) != 3 {
		t.Fatalf("got %d jobs, %v", len(jobs), err)
	}
	for i, host := range []string{"web1", "web3", ""} {
		if j := wait(t, e, jobs[i].ID); j.Run != run.ID || j.Host != host || j.State != job.Succeeded {
			t.Errorf("%q: got %+v", host, j)
		}
	}
	l.Hosts = []string{"web1", "wbe2"}
	if _, jobs, err := e.Start(l); err == nil || len(jobs) != 0 || !strings.Contains(err.Error(), "wbe2") || job.HintOf(err) == "" {
		t.Errorf("an unknown host: got %d jobs, %v", len(jobs), err)
	}
	if all, err := e.Jobs(t.Context(), job.Filter{}, "", 10); err != nil || len(all) != 3 {
		t.Errorf("%d jobs are recorded, %v", len(all), err)
	}
}

// Ensure a host that cannot be reached gives a job that says at which step it
// failed, with the exit code of ssh.
func TestRemote_NoConnectionIsExplained(t *testing.T) {
	t.Parallel()
	e, s := fleet(t, remotetest.Config{})
	s.AddConfig("Host gone\n  HostName 127.0.0.1\n  Port 1\n  ConnectTimeout 5\n")
	j := wait(t, e, start(t, e, there("gone", "true")))
	if j.State != job.Failed || j.Cause != job.CauseConnect || j.ExitCode == nil || *j.ExitCode != 255 || !strings.Contains(j.Detail, "gone") {
		t.Errorf("got %+v", j)
	}
	if ladder := printed(t, e, j.ID, job.Event); !strings.Contains(ladder, "tcp") || !strings.Contains(ladder, "127.0.0.1:1") {
		t.Errorf("the ladder is %q", ladder)
	}
	all, err := e.Hosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all.Hosts {
		if h.Name == "gone" && h.State.Status != remote.StatusUnreachable {
			t.Errorf("its state is %+v", h.State)
		}
	}
}

// Ensure a makefile on a host is read and not executed.
func TestRemote_TargetsAreReadNotExecuted(t *testing.T) {
	t.Parallel()
	e, _ := fleet(t, remotetest.Config{})
	dir := t.TempDir()
	mark := filepath.Join(dir, "executed")
	for name, text := range map[string]string{
		"Makefile": "X := $(shell touch " + mark + ")\ninclude mk/*.mk\nhello: ## Say hello\n\t@echo hello from $(CURDIR)\n",
		"mk/a.mk":  "more: ## From an include\n\t@true\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := e.RemoteTargets(t.Context(), "web1", dir)
	if err != nil || len(all.Targets) != 2 || all.File != "Makefile" {
		t.Fatalf("got %+v, %v", all, err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("listing executed the makefile")
	}
	if _, err := e.RemoteTargets(t.Context(), "web1", dir+"/nowhere"); err == nil || !strings.Contains(err.Error(), "nowhere") || !strings.Contains(err.Error(), "web1") {
		t.Errorf("a missing folder: got %v", err)
	}
	if _, err := e.FindRemoteTarget(t.Context(), "web1", dir, "vanished"); err == nil || !strings.Contains(err.Error(), "vanished") {
		t.Errorf("a missing target: got %v", err)
	}
}

// gone waits until nothing is left of what was started through a server.
func gone(t *testing.T, id job.ID) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); len(remotetest.Carrying("VMO_RUN="+string(id))) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("processes %v of job %s are left", remotetest.Carrying("VMO_RUN="+string(id)), id)
		}
	}
}

// Ensure a cancel ends everything on the host, also what detached itself.
func TestRemote_CancelLeavesNothing(t *testing.T) {
	t.Parallel()
	e, _ := fleet(t, remotetest.Config{})
	id := start(t, e, there("web1", "setsid sleep 1000 & trap '' TERM INT; echo ready; sleep 1000; sleep 1000"))
	until(t, e, id, "ready")
	if err := e.Cancel(t.Context(), id, false); err != nil {
		t.Fatal(err)
	}
	if j := wait(t, e, id); j.State != job.Cancelled || len(j.Survivors) > 0 {
		t.Errorf("got %+v", j)
	}
	if left := remotetest.Carrying("VMO_RUN=" + string(id)); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

// Ensure a job whose connection is lost says so and names what may be left, and
// that it can be ended afterwards.
func TestRemote_LostLink(t *testing.T) {
	t.Parallel()
	e, _, proxy := cuttable(t)
	id := start(t, e, there("web1", "echo ready; exec sleep 1000"))
	until(t, e, id, "ready")
	proxy.Cut()
	j := wait(t, e, id)
	if j.State != job.Lost || j.Cause != job.CauseLink || !strings.Contains(j.Detail, "web1") {
		t.Errorf("got %+v", j)
	}
	found, left, err := e.EndLeft(t.Context(), j, false)
	if err != nil || found == 0 || len(left) > 0 {
		t.Errorf("end what is left: found %d, left %v, %v", found, left, err)
	}
	gone(t, id)
}

// Ensure a job that was asked to go on does, and that its output is complete
// after the connection was cut in its middle.
func TestRemote_KeptJobIsFoundAgain(t *testing.T) {
	t.Parallel()
	e, _, proxy := cuttable(t)
	dir := t.TempDir()
	l := there("web1", fmt.Sprintf("echo ready; while [ ! -e %s/go ]; do sleep 0.05; done; seq 1 20000; echo err >&2; exit 3", dir))
	l.Link = job.LinkKeep
	id := start(t, e, l)
	until(t, e, id, "ready")
	proxy.Cut()
	if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j := wait(t, e, id)
	if j.State != job.Failed || j.ExitCode == nil || *j.ExitCode != 3 {
		t.Errorf("got %+v", j)
	}
	want := "ready\n"
	for i := 1; i <= 20000; i++ {
		want += fmt.Sprintln(i)
	}
	if out := printed(t, e, id, job.Stdout); out != want {
		t.Errorf("got %d bytes, want %d", len(out), len(want))
	}
	if errs := printed(t, e, id, job.Stderr); errs != "err\n" {
		t.Errorf("got %q", errs)
	}
}

// Ensure a job that is to stop with its connection does.
func TestRemote_StopOnLostLink(t *testing.T) {
	t.Parallel()
	e, _, proxy := cuttable(t)
	l := there("web1", "setsid sleep 1000 & echo ready; exec sleep 1000")
	l.Link = job.LinkStop
	id := start(t, e, l)
	until(t, e, id, "ready")
	proxy.Cut()
	if j := wait(t, e, id); j.State != job.Lost || j.Cause != job.CauseLink {
		t.Errorf("got %+v", j)
	}
	gone(t, id)
}

// Ensure a host key is asked about before anything else, that no is no, and that
// a yes is in the history.
func TestRemote_AcceptedHostKeyIsRecorded(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	known := filepath.Join(t.TempDir(), "known_hosts")
	s.AddConfig(fmt.Sprintf("Host fresh\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile %s\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n", s.Port, s.User, s.Key, known))
	conf := config(t)
	conf.SSHConfig = s.ConfigFile
	answers := []bool{false, true}
	hostKey := func(_ context.Context, q HostKeyQuestion) (bool, error) {
		if q.Hop.Name != "fresh" || !strings.HasPrefix(q.Fingerprint, "SHA256:") {
			t.Errorf("asked %+v", q)
		}
		yes := answers[0]
		answers = answers[1:]
		return yes, nil
	}
	conf.Prompts = func() Prompts { return Prompts{HostKey: hostKey} }
	e := open(t, conf)
	if j := wait(t, e, start(t, e, there("fresh", "true"))); j.Cause != job.CauseConnect {
		t.Errorf("after a no: got %+v", j)
	}
	if j := wait(t, e, start(t, e, there("fresh", "true"))); j.State != job.Succeeded {
		t.Errorf("after a yes: got %+v", j)
	}
	all, err := e.Jobs(t.Context(), job.Filter{}, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range all {
		if j.Argv[0] == "accept-host-key" {
			if text := printed(t, e, j.ID, job.Stdout); j.Host != "fresh" || !j.Event || j.Operator == "" || !strings.Contains(text, "SHA256:") || !strings.Contains(text, known+":1") {
				t.Errorf("the acceptance is recorded as %+v: %q", j, text)
			}
			return
		}
	}
	t.Errorf("the acceptance is not in the history: %+v", all)
}

// Ensure a question waits for its answer and is gone with the connection.
func TestPrompts_WaitForAnAnswer(t *testing.T) {
	t.Parallel()
	a := &asks{changed: func() {}}
	e := &Engine{}
	e.asks.changed = func() {}
	p := e.asks.prompts()
	got := make(chan string, 1)
	rang := make(chan struct{}, 10)
	e.asks.changed = func() { rang <- struct{}{} }
	go func() {
		secret, err := p.Secret(t.Context(), SecretQuestion{Kind: "password", Hop: Hop{Host: "web1", Name: "bastion"}})
		got <- fmt.Sprint(secret, err)
	}()
	<-rang
	waiting := e.Prompts()
	if len(waiting) != 1 || waiting[0].Hop.Name != "bastion" || waiting[0].Secret == nil {
		t.Fatalf("waiting: %+v", waiting)
	}
	if err := e.Answer(waiting[0].ID, Answer{Accept: true, Values: []string{"s3cret"}}); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "s3cret<nil>" {
		t.Errorf("got %q", text)
	}
	if err := e.Answer(waiting[0].ID, Answer{}); err == nil {
		t.Error("answered twice")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.prompts().HostKey(ctx, HostKeyQuestion{}); err == nil || len(a.waiting) != 0 {
		t.Errorf("given up: %v, %d wait", err, len(a.waiting))
	}
}
