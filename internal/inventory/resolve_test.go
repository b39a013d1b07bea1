//go:build unix

package inventory

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// counted runs programs as the engine does, and counts.
type counted struct{ ssh, other atomic.Int32 }

func (c *counted) run(ctx context.Context, argv []string) ([]byte, []byte, error) {
	if filepath.Base(argv[0]) == "ssh" {
		c.ssh.Add(1)
	} else {
		c.other.Add(1)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	return stdout.Bytes(), stderr.Bytes(), err
}

func resolverFor(t *testing.T, config string) (*Resolver, *counted) {
	t.Helper()
	c := &counted{}
	return &Resolver{Config: config, SSH: realSSH(t), Run: c.run}, c
}

func resolve(t *testing.T, r *Resolver, alias string) *Options {
	t.Helper()
	o, err := r.Resolve(t.Context(), Destination{Alias: alias})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Both ways to find the options lead to the same ones.
func TestResolve_GivesWhatSSHWouldUse(t *testing.T) {
	t.Setenv("VMO_TEST_SOCK", "/tmp/agent.sock")
	dir := t.TempDir()
	blank := write(t, dir, "known hosts", "")
	config := write(t, dir, "config", strings.Join([]string{
		"Host web1",
		"  HostName %h.example.com",
		"  User bob",
		"  Port 2222",
		"  IdentityFile ~/.ssh/%r@%h_%p_%n",
		"  IdentityFile ${VMO_TEST_SOCK}.key",
		"  IdentityFile none",
		"  CertificateFile %d/c-%u-%%",
		"  ProxyCommand nc -x '%%' %h %p %r %n",
		"  IdentityAgent $VMO_TEST_SOCK",
		"  ForwardAgent $VMO_NOT_SET",
		"  UserKnownHostsFile \"" + blank + "\" ~/never",
		"  GlobalKnownHostsFile ~/global",
		"  SendEnv A B",
	}, "\n"))
	home := thisMachine("").home
	for _, by := range []string{"ssh", "built-in"} {
		r, _ := resolverFor(t, config)
		if by == "built-in" {
			r.SSH, r.Why = "", "ssh was not found"
		}
		o := resolve(t, r, "web1")
		if o.By != by || (o.Why == "ssh was not found") != (by == "built-in") {
			t.Errorf("by %q because %q", o.By, o.Why)
		}
		if o.HostName != "web1.example.com" || o.User != "bob" || o.Port != 2222 {
			t.Errorf("%s: %s %s %d", by, o.HostName, o.User, o.Port)
		}
		for key, want := range map[string][]string{
			"IdentityFile":         {home + "/.ssh/bob@web1.example.com_2222_web1", "/tmp/agent.sock.key"},
			"CertificateFile":      {home + "/c-" + thisMachine("").user + "-%"},
			"ProxyCommand":         {"nc -x '%' web1.example.com 2222 bob web1"},
			"IdentityAgent":        {"/tmp/agent.sock"},
			"ForwardAgent":         {"no"},
			"UserKnownHostsFile":   {blank, home + "/never"},
			"GlobalKnownHostsFile": {home + "/global"},
			"SendEnv":              {"A", "B"},
		} {
			if got := o.All(key); !slices.Equal(got, want) {
				t.Errorf("%s: %s is %q, want %q", by, key, got, want)
			}
		}
		if got := o.Origin("Port"); got.File != config || got.Line != 4 {
			t.Errorf("%s: Port was written at %+v", by, got)
		}
		if got := o.Origin("ServerAliveInterval"); got.File != "" {
			t.Errorf("%s: a default was written at %+v", by, got)
		}
	}
}

func TestResolve_SaysWhatSSHSaysIsWrong(t *testing.T) {
	t.Parallel()
	config := write(t, t.TempDir(), "config", "Host *\nFooBar yes\n")
	for _, ssh := range []string{realSSH(t), ""} {
		r, _ := resolverFor(t, config)
		r.SSH = ssh
		_, err := r.Resolve(t.Context(), Destination{Alias: "web1"})
		want := config + ": line 2: Bad configuration option: foobar\n" + config + ": terminating, 1 bad configuration options"
		if err == nil || err.Error() != "options of web1: "+want {
			t.Errorf("with %q: %v", ssh, err)
		}
	}
}

func TestResolve_KeepsAnswersWhileNothingHasChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := write(t, dir, "config", "Include "+dir+"/conf.d/*\nHost web1\nUser x\n")
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, c := resolverFor(t, config)
	asked := func(what string, want int32) *Options {
		t.Helper()
		o := resolve(t, r, "web1")
		if got := c.ssh.Load(); got != want {
			t.Errorf("%s: ssh has run %d times, want %d", what, got, want)
		}
		return o
	}
	asked("at first", 1)
	asked("again", 1)
	if _, err := r.Resolve(t.Context(), Destination{Alias: "web1", User: "y"}); err != nil || c.ssh.Load() != 2 {
		t.Errorf("another user: %v, %d times", err, c.ssh.Load())
	}
	write(t, dir, "conf.d/new", "Port 23\n")
	if o := asked("a new file in a folder of Include", 3); o.Port != 23 {
		t.Errorf("port %d", o.Port)
	}
	write(t, dir, "conf.d/new", "Port 2323\n")
	if o := asked("a file that has changed", 4); o.Port != 2323 {
		t.Errorf("port %d", o.Port)
	}
	r.Forget()
	asked("after Forget", 5)
	write(t, dir, "config", "Match exec true\nUser y\n")
	asked("with Match exec", 6)
	asked("again, soon", 6)
	r.mu.Lock()
	a := r.known[Destination{Alias: "web1"}]
	a.state.at = a.state.at.Add(-answerTTL - time.Second)
	r.known[Destination{Alias: "web1"}] = a
	r.mu.Unlock()
	asked("again, later", 7)
}

func TestResolve_RunsMatchExecOnlyWhenItMay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mark := filepath.Join(dir, "ran")
	// The rest is something else that the evaluator cannot do.
	config := write(t, dir, "config", "Match exec \"touch "+mark+"\"\nUser matched\nHost *\nCanonicalizeHostname yes\nCanonicalizeFallbackLocal yes\nHostName 127.0.0.1\n")
	for _, c := range []struct {
		ssh        bool
		never, ran bool
		by, why    string
	}{
		{true, false, true, "ssh", ""},
		{false, false, true, "built-in", "there is no ssh"},
		{true, true, false, "built-in", "switched off"},
		{false, true, false, "built-in", "passes over"},
	} {
		r, _ := resolverFor(t, config)
		r.NeverExec = c.never
		if !c.ssh {
			r.SSH = ""
		}
		o := resolve(t, r, "web1")
		if (o.User == "matched") != c.ran || o.By != c.by || !strings.Contains(o.Why, c.why) {
			t.Errorf("%+v: user %s by %s because %q", c, o.User, o.By, o.Why)
		}
		if err := os.Remove(mark); (err == nil) != c.ran {
			t.Errorf("%+v: the command has run: %v", c, err == nil)
		}
	}
}

func TestResolve_DoesNotWaitForASlowMatchExec(t *testing.T) {
	t.Parallel()
	for _, ssh := range []string{realSSH(t), ""} {
		dir := t.TempDir()
		pipe := filepath.Join(dir, "started")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		r, _ := resolverFor(t, write(t, dir, "config", "Match exec \"echo > "+pipe+"; sleep 600\"\n"))
		r.SSH = ssh
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			_, _ = os.ReadFile(pipe) // the command has begun
		}()
		if _, err := r.Resolve(ctx, Destination{Alias: "web1"}); !errors.Is(err, context.Canceled) {
			t.Errorf("with %q: %v", ssh, err)
		}
	}
}

func TestResolve_RefusesNamesThatSSHOrAShellWouldMisread(t *testing.T) {
	t.Parallel()
	r, c := resolverFor(t, write(t, t.TempDir(), "config", "Host web1\nHostName \"a;b\"\nProxyCommand nc %h %p\nHost web2\nHostName \"a;b\"\nProxyCommand nc %%h %n\n"))
	for _, alias := range []string{"", "-oProxyCommand=x", "a b", "a;b", "$(x)", "a\nb", "a`b", "u@h", "ssh://h"} {
		if _, err := r.Resolve(t.Context(), Destination{Alias: alias}); err == nil {
			t.Errorf("%q was taken", alias)
		}
	}
	for _, d := range []Destination{{Alias: "h", User: "-x"}, {Alias: "h", User: "a;b"}, {Alias: "h", Port: 65536}, {Alias: "h", Port: -1}} {
		if _, err := r.Resolve(t.Context(), d); err == nil {
			t.Errorf("%v was taken", d)
		}
	}
	if n := c.ssh.Load(); n != 0 {
		t.Errorf("ssh has run %d times", n)
	}
	if _, err := r.Resolve(t.Context(), Destination{Alias: "web1"}); err == nil || !strings.Contains(err.Error(), "ProxyCommand") {
		t.Errorf("a HostName for a shell: %v", err)
	}
	if o := resolve(t, r, "web2"); o.Get("ProxyCommand") != "nc %h web2" {
		t.Errorf("ProxyCommand is %q", o.Get("ProxyCommand"))
	}
}

func TestResolve_WithoutTheProgramThatWasThere(t *testing.T) {
	t.Parallel()
	r, _ := resolverFor(t, write(t, t.TempDir(), "config", "User x\n"))
	r.SSH = filepath.Join(t.TempDir(), "ssh")
	if o := resolve(t, r, "web1"); o.By != "built-in" || o.User != "x" || !strings.Contains(o.Why, r.SSH) {
		t.Errorf("%+v", o)
	}
}

func TestResolve_ManyAtOnce(t *testing.T) {
	t.Parallel()
	r, c := resolverFor(t, write(t, t.TempDir(), "config", "Host *\nHostName %h.example.com\n"))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			alias := "host-" + string(rune('a'+i))
			o, err := r.Resolve(t.Context(), Destination{Alias: alias})
			if err != nil || o.HostName != alias+".example.com" {
				t.Errorf("%s: %+v, %v", alias, o, err)
			}
		})
	}
	wg.Wait()
	if c.ssh.Load() != 20 {
		t.Errorf("ssh has run %d times", c.ssh.Load())
	}
}

func TestParseJump(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]Destination{
		"": nil, "none": nil, "NONE": nil,
		"a":            {{Alias: "a"}},
		"a,u@b:2222":   {{Alias: "a"}, {Alias: "b", User: "u", Port: 2222}},
		"ssh://c:22":   {{Alias: "c", Port: 22}},
		"[::1]:22":     {{Alias: "::1", Port: 22}},
		"[10.0.0.1]":   {{Alias: "10.0.0.1"}},
		"D\\u@h":       {{Alias: "h", User: "D\\u"}},
		"ssh://u%41@c": {{Alias: "c", User: "uA"}},
	} {
		if got, err := ParseJump(value); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
	for _, value := range []string{",", "a,", "@a", "a:0", "a:x", "-oX", "a b", "a;b", "ssh://", "ssh://a/b", "ssh://-a", "[::1", "$(x)", "u;x@a", "-u@a"} {
		if got, err := ParseJump(value); err == nil {
			t.Errorf("%q is taken for %v", value, got)
		}
	}
}
