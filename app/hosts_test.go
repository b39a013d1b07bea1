//go:build unix

package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
	"vmorchestrator/internal/remote/remotetest"
)

// there is an app whose hosts are names of a real sshd.
func there(t *testing.T, c remotetest.Config) (*App, *engine.Engine, *remotetest.Server) {
	t.Helper()
	s := remotetest.Start(t, c)
	a, e := servedWith(t, s.ConfigFile)
	return a, e, s
}

// stdout is the output of a job without what the start-up files of the operator's
// shell say on the way.
func stdout(t *testing.T, e *engine.Engine, id job.ID) string {
	t.Helper()
	return output(t, e, id, job.Stdout)
}

func hostState(t *testing.T, a *App, name string) remote.State {
	t.Helper()
	list, err := a.Hosts.List()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list.Hosts, func(h engine.HostInfo) bool { return h.Name == name })
	if i < 0 {
		t.Fatalf("%s is not in the list of %d hosts", name, len(list.Hosts))
	}
	return list.Hosts[i].State
}

// Ensure the page sees the hosts without connecting to them, connects to one, and
// runs there what the operator typed, in the folder that he named.
func TestHosts_ConnectAndRun(t *testing.T) {
	t.Parallel()
	a, e, _ := there(t, remotetest.Config{Hosts: []string{"web1", "web2"}})
	if s := hostState(t, a, "web1"); s.Status != remote.StatusUnknown {
		t.Errorf("before: %+v", s)
	}
	if err := a.Hosts.Connect("web1"); err != nil {
		t.Fatal(err)
	}
	if s := hostState(t, a, "web1"); s.Status != remote.StatusConnected {
		t.Errorf("connected: %+v", s)
	}
	d, err := a.Hosts.Detail("web1")
	if err != nil || d.Resolved == "" || len(d.Options) == 0 {
		t.Errorf("Detail: %+v, %v", d, err)
	}
	for _, chosen := range []string{engine.EngineOpenSSH, engine.EngineAuto} {
		if err := a.Hosts.SetEngine("web1", chosen); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Hosts.Engine("web1"); err != nil || got != chosen {
			t.Errorf("Engine: %q, %v, want %q", got, err, chosen)
		}
	}
	if err := a.Hosts.SetEngine("web1", "telnet"); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("an engine that is none: %v", err)
	}
	dir := t.TempDir()
	jobs, err := a.Jobs.Exec(ExecRequest{Hosts: []string{"web1", "web2"}, Line: `pwd | tr a-z A-Z; echo "$0 it's"`, Dir: dir, Mode: engine.ModeStream})
	if err != nil || len(jobs) != 2 {
		t.Fatalf("Exec: %d jobs, %v", len(jobs), err)
	}
	for i, j := range jobs {
		if ended, err := e.Wait(t.Context(), j.ID); err != nil || ended.State != job.Succeeded || ended.Host != []string{"web1", "web2"}[i] {
			t.Fatalf("%+v, %v", ended, err)
		}
		if got, want := stdout(t, e, j.ID), strings.ToUpper(dir)+"\nsh it's\n"; got != want {
			t.Errorf("%s printed %q, want %q", j.Host, got, want)
		}
	}
	again, err := a.Jobs.Again(string(jobs[1].ID), 80, 24)
	if err != nil || again.Host != "web2" || again.Dir != dir {
		t.Errorf("Again: %+v, %v", again, err)
	}
	if err := a.Hosts.Disconnect("web1"); err != nil {
		t.Error(err)
	}
	for hostState(t, a, "web1").Status == remote.StatusConnected {
		<-e.Changes().Ring()
	}
}

// Ensure an accepted host key is in the history as something that was done: it
// says so, and nobody can run it.
func TestHosts_AcceptedKeyIsNoCommand(t *testing.T) {
	t.Parallel()
	a, e, s := there(t, remotetest.Config{})
	s.AddConfig("Host web1\n  StrictHostKeyChecking accept-new\n  UserKnownHostsFile " + filepath.Join(t.TempDir(), "known_hosts") + "\n")
	if err := a.Hosts.Connect("web1"); err != nil {
		t.Fatal(err)
	}
	all, err := e.Jobs(t.Context(), job.Filter{}, "", 10)
	if err != nil || len(all) != 1 || !all[0].Event || all[0].State != job.Succeeded || all[0].Host != "web1" {
		t.Fatalf("the history is %+v, %v", all, err)
	}
	if j, err := a.Jobs.Again(string(all[0].ID), 80, 24); !errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), "no command") {
		t.Errorf("run again: %+v, %v", j, err)
	}
}

// Ensure the page can name only hosts that it was shown, and cannot choose many
// of them by a word.
func TestHosts_OnlyThoseOfTheList(t *testing.T) {
	t.Parallel()
	a, e, s := there(t, remotetest.Config{})
	for _, name := range []string{"127.0.0.1", s.User + "@web1", "tag:web", "env:production", "-oProxyCommand=id", ""} {
		if _, err := a.Jobs.Exec(ExecRequest{Hosts: []string{name + "x"}, Line: "id", Mode: engine.ModeStream}); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("Exec on %q: %v", name, err)
		}
		if name == "" {
			continue // this machine
		}
		for what, err := range map[string]error{"Connect": a.Hosts.Connect(name), "Disconnect": a.Hosts.Disconnect(name), "SetEngine": a.Hosts.SetEngine(name, engine.EngineAuto)} {
			if !errors.Is(err, job.ErrNotFound) {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
	for what, r := range map[string]ExecRequest{
		"nowhere":      {Line: "id", Mode: engine.ModeStream},
		"nothing":      {Hosts: []string{"web1"}, Line: " \n", Mode: engine.ModeStream},
		"somehow":      {Hosts: []string{"web1"}, Line: "id", Mode: "detached"},
		"whatever":     {Hosts: []string{"web1"}, Line: "id", Mode: engine.ModeStream, Link: "pray"},
		"a NUL byte":   {Hosts: []string{"web1"}, Line: "id\x00", Mode: engine.ModeStream},
		"here and now": {Hosts: []string{""}, Line: "", Mode: engine.ModeTerminal},
	} {
		if _, err := a.Jobs.Exec(r); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if jobs, err := e.Jobs(t.Context(), job.Filter{}, "", 10); err != nil || len(jobs) != 0 {
		t.Errorf("%d jobs were begun, %v", len(jobs), err)
	}
}

// Ensure a terminal opens in the login shell there and takes what is typed.
func TestJobs_TerminalThere(t *testing.T) {
	t.Parallel()
	a, e, _ := there(t, remotetest.Config{})
	j, err := a.Jobs.Shell(ShellRequest{Host: "web1", Cols: 100, Rows: 30})
	if err != nil || !j.TTY || j.Host != "web1" || !j.Owned {
		t.Fatalf("Shell: %+v, %v", j, err)
	}
	for a.Jobs.Input(string(j.ID), "ZWNobyAkKCgxMjMqMykpOyBzdHR5IHNpemU7IGV4aXQK") != nil { // echo $((123*3)); stty size; exit
		time.Sleep(time.Millisecond)
	}
	if ended, err := e.Wait(t.Context(), j.ID); err != nil || ended.State != job.Succeeded {
		t.Fatalf("%+v, %v", ended, err)
	}
	if got := output(t, e, j.ID); !strings.Contains(got, "369") || !strings.Contains(got, "30 100") {
		t.Errorf("the terminal shows %q", got)
	}
}

// Ensure targets of a folder there are listed, found by name and run there.
func TestJobs_TargetThere(t *testing.T) {
	t.Parallel()
	a, e, _ := there(t, remotetest.Config{})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte(greeting), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := a.Hosts.Targets("web1", dir)
	if err != nil || len(list.Targets) != 2 {
		t.Fatalf("Targets: %+v, %v", list, err)
	}
	j, err := a.Jobs.one(a.Jobs.Start(Request{Hosts: []string{"web1"}, Dir: dir, Target: "hello", Vars: map[string]string{"NAME": "$(id) & co"}}))
	if err != nil {
		t.Fatal(err)
	}
	if ended, err := e.Wait(t.Context(), j.ID); err != nil || ended.Host != "web1" || ended.Target != "hello" {
		t.Fatalf("%+v, %v", ended, err)
	}
	if got := stdout(t, e, j.ID); got != "Hello, $(id) & co!\n" {
		t.Errorf("the output is %q", got)
	}
	if _, err := a.Jobs.Start(Request{Hosts: []string{"web1"}, Dir: dir, Target: "gone"}); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a target that is not there: %v", err)
	}
}

// Ensure a target on several hosts is one run, with a job on each; and that it runs on
// none of them unless all have it, with the variables that are given.
func TestJobs_TargetOnSeveralHosts(t *testing.T) {
	t.Parallel()
	a, e, _ := there(t, remotetest.Config{Hosts: []string{"web1", "web2"}})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte(greeting), 0o644); err != nil {
		t.Fatal(err)
	}
	hosts := []string{"web1", "web2"}
	jobs, err := a.Jobs.Start(Request{Hosts: hosts, Dir: dir, Target: "hello", Vars: map[string]string{"NAME": "you"}})
	if err != nil || len(jobs) != 2 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	for i, j := range jobs {
		ended, err := e.Wait(t.Context(), j.ID)
		if err != nil || ended.State != job.Succeeded || ended.Host != hosts[i] || ended.Run != jobs[0].Run || ended.Target != "hello" {
			t.Errorf("%+v, %v", ended, err)
		}
		if got := stdout(t, e, j.ID); got != "Hello, you!\n" {
			t.Errorf("%s says %q", hosts[i], got)
		}
	}
	for name, r := range map[string]Request{
		"a target that is not there":     {Hosts: hosts, Dir: dir, Target: "gone"},
		"a variable that it has not":     {Hosts: hosts, Dir: dir, Target: "hello", Vars: map[string]string{"SHELL": "/bin/evil"}},
		"a host that is not in the list": {Hosts: []string{"web1", "evil.example"}, Dir: dir, Target: "hello"},
	} {
		if jobs, err := a.Jobs.Start(r); err == nil || len(jobs) > 0 {
			t.Errorf("%s: %d jobs, %v", name, len(jobs), err)
		}
	}
	if all, err := a.Jobs.List(Query{Limit: 10}); err != nil || len(all) != 2 {
		t.Errorf("the journal has %d jobs, %v", len(all), err)
	}
}

// Ensure a log there is followed from its last lines on.
func TestJobs_FollowThere(t *testing.T) {
	t.Parallel()
	a, e, _ := there(t, remotetest.Config{})
	path := filepath.Join(t.TempDir(), "app.log")
	if err := os.WriteFile(path, []byte("one\ntwo\nthree\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Jobs.Tail(TailRequest{Host: "web1", Source: "file:relative"}); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("a relative path: %v", err)
	}
	j, err := a.Jobs.Tail(TailRequest{Host: "web1", Source: "file:" + path, Lines: 2})
	if err != nil || j.Source != "file:"+path || j.Host != "web1" {
		t.Fatalf("Tail: %+v, %v", j, err)
	}
	arrived := func(text string) {
		for !strings.Contains(output(t, e, j.ID), text) {
			if t.Context().Err() != nil {
				t.Fatalf("%q did not arrive: %q", text, output(t, e, j.ID))
			}
			time.Sleep(time.Millisecond)
		}
	}
	arrived("two\nthree\n")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("four\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	arrived("four\n")
	if err := a.Jobs.Cancel(string(j.ID), false); err != nil {
		t.Error(err)
	}
	if ended, err := e.Wait(t.Context(), j.ID); err != nil || ended.State != job.Cancelled || strings.Contains(output(t, e, j.ID), "one") {
		t.Errorf("%+v, %v", ended, err)
	}
}

// Ensure an unknown host key is asked about, and the answer decides.
func TestPrompts_UnknownHostKey(t *testing.T) {
	t.Parallel()
	for name, accept := range map[string]bool{"accepted": true, "refused": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := remotetest.Start(t, remotetest.Config{})
			known := filepath.Join(t.TempDir(), "known_hosts")
			s.AddConfig(fmt.Sprintf("Host fresh\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile %s\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n", s.Port, s.User, s.Key, known))
			a, e := servedWith(t, s.ConfigFile)
			connected := make(chan error, 1)
			go func() { connected <- a.Hosts.Connect("fresh") }()
			var asked []engine.Prompt
			for len(asked) == 0 {
				select {
				case err := <-connected:
					t.Fatalf("nothing was asked: %v", err)
				case <-e.Changes().Ring():
				}
				var err error
				if asked, err = a.Prompts.Pending(); err != nil {
					t.Fatal(err)
				}
			}
			q := asked[0]
			if q.Kind != "host-key" || q.Hop.Host != "fresh" || q.HostKey == nil || !strings.HasPrefix(q.HostKey.Fingerprint, "SHA256:") {
				t.Errorf("the question is %+v", q)
			}
			if err := a.Prompts.Answer(q.ID, engine.Answer{Accept: accept}); err != nil {
				t.Fatal(err)
			}
			if err := <-connected; (err == nil) != accept {
				t.Errorf("Connect: %v", err)
			}
			if err := a.Prompts.Answer(q.ID, engine.Answer{Accept: true}); !errors.Is(err, job.ErrNotFound) {
				t.Errorf("a second answer: %v", err)
			}
			if written, err := os.ReadFile(known); (len(written) > 0) != accept {
				t.Errorf("%d bytes of known hosts, %v", len(written), err)
			}
			if state := hostState(t, a, "fresh"); !accept && (state.Status != remote.StatusHostKey || len(state.Steps) == 0) {
				t.Errorf("refused: %+v", state)
			}
		})
	}
}

// Ensure the page opens a tunnel through a host, that of its form or those of the
// host's configuration, and nothing that is no forward.
func TestJobs_TunnelThere(t *testing.T) {
	t.Parallel()
	a, e, s := there(t, remotetest.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed by the test
			}
			fmt.Fprint(c, "through\n")
			c.Close()
		}
	}()
	for name, r := range map[string]TunnelRequest{
		"no forward":      {Host: "web1", Forwards: []TunnelForward{{engine.ForwardLocal, "80"}}},
		"no kind":         {Host: "web1", Forwards: []TunnelForward{{"sideways", "1:a:2"}}},
		"none configured": {Host: "web1"},
		"this machine":    {Host: "", Forwards: []TunnelForward{{engine.ForwardDynamic, "1080"}}},
	} {
		if _, err := a.Jobs.Tunnel(r); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	j, err := a.Jobs.Tunnel(TunnelRequest{Host: "web1", Forwards: []TunnelForward{{engine.ForwardLocal, "127.0.0.1:0:" + l.Addr().String()}}})
	if err != nil || j.Host != "web1" || !strings.HasPrefix(j.Source, "tunnel:-L ") {
		t.Fatalf("%+v, %v", j, err)
	}
	port := ""
	for deadline := time.Now().Add(30 * time.Second); port == ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not say where it listens: %q", stdout(t, e, j.ID))
		}
		if m := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(stdout(t, e, j.ID)); m != nil {
			port = m[1]
		}
	}
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err != nil || string(got) != "through\n" {
		t.Errorf("%q, %v", got, err)
	}
	if err := a.Jobs.Cancel(string(j.ID), false); err != nil {
		t.Error(err)
	}
	if ended, err := e.Wait(t.Context(), j.ID); err != nil || ended.State != job.Cancelled {
		t.Errorf("%+v, %v", ended, err)
	}
	again, err := a.Jobs.Again(string(j.ID), 80, 24)
	if err != nil || again.Source != j.Source {
		t.Errorf("Again: %+v, %v", again, err)
	}
	s.AddConfig("Host web1\n  DynamicForward " + l.Addr().String() + "\n") // is taken, which the job says
	if configured, err := a.Jobs.Tunnel(TunnelRequest{Host: "web1"}); err != nil || configured.Source != "tunnel:-D "+l.Addr().String() {
		t.Errorf("of the configuration: %+v, %v", configured, err)
	}
}

// Ensure a host key that has changed is shown to the page with the known one, and
// replaced only with the name of the machine.
func TestHosts_AChangedHostKey(t *testing.T) {
	t.Parallel()
	a, _, s := there(t, remotetest.Config{HostKeys: []string{"ed25519"}})
	if _, err := a.Hosts.ChangedKey("web1"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("of a host that nobody has connected to: %v", err)
	}
	own, err := os.ReadFile(s.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(remotetest.Keygen(t, filepath.Join(t.TempDir(), "other"), "ed25519", "-N", "") + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(string(own), " ")
	if err := os.WriteFile(s.KnownHosts, []byte(name+" "+string(public)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Hosts.Connect("web1"); err == nil {
		t.Fatal("it is connected")
	}
	if state := hostState(t, a, "web1"); state.Status != remote.StatusHostKey || !state.KeyChanged {
		t.Errorf("refused: %+v", state)
	}
	c, err := a.Hosts.ChangedKey("web1")
	if err != nil || c.Hop != "web1" || len(c.Old) != 1 || c.Old[0].File != s.KnownHosts || c.Old[0].Line != 1 || c.Old[0].Fingerprint == c.Fingerprint {
		t.Fatalf("ChangedKey: %+v, %v", c, err)
	}
	if err := a.Hosts.ReplaceKey("web1", c.Fingerprint, "web"); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("with another name: %v", err)
	}
	if err := a.Hosts.ReplaceKey("web1", c.Fingerprint, "web1"); err != nil {
		t.Fatal(err)
	}
	if err := a.Hosts.Connect("web1"); err != nil {
		t.Fatal(err)
	}
	if state := hostState(t, a, "web1"); state.Status != remote.StatusConnected || state.KeyChanged {
		t.Errorf("connected: %+v", state)
	}
	if now, err := os.ReadFile(s.KnownHosts); err != nil || string(now) != string(own) {
		t.Errorf("the file is %q, %v; want %q", now, err, own)
	}
}
