//go:build unix

package remote

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

func sshAdd(t *testing.T, socket string, args ...string) string {
	t.Helper()
	return runProgram(t, []string{"SSH_AUTH_SOCK=" + socket}, "ssh-add", args...)
}

func TestAgent_KeysInTheOrderOfSSH(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	startAgent(t, socket)
	held, named, publicOnly := keygen(t, "ed25519"), keygen(t, "rsa"), keygen(t, "ecdsa")
	certified := keygen(t, "ed25519")
	certify(t, certified)
	sshAdd(t, socket, "-q", held, named, publicOnly)
	if err := os.Remove(publicOnly); err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, ssh.ServerConfig{MaxAuthTries: -1}, public(t, keygen(t, "ed25519")))
	for _, only := range []string{"no", "yes"} {
		options := map[string][]string{
			"IdentityAgent": {socket}, "IdentitiesOnly": {only},
			"IdentityFile": {certified, named, publicOnly + ".pub"}, "CertificateFile": {certified + "-cert.pub"},
		}
		d.shown = nil
		config := "Host web1\n\tUser deploy\n\tStrictHostKeyChecking no\n\tUserKnownHostsFile /dev/null\n\tBatchMode yes\n"
		host, port, _ := net.SplitHostPort(d.addr)
		config += "\tHostName " + host + "\n\tPort " + port + "\n"
		for keyword, values := range options {
			for _, value := range values {
				config += "\t" + keyword + " " + value + "\n"
			}
		}
		path := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), remotetest.Program(t, "ssh"), "-F", path, "web1", "true").CombinedOutput()
		if err == nil {
			t.Fatal("ssh was let in")
		}
		want := d.seen(&d.shown)
		if len(want) < 4 {
			t.Fatalf("ssh offered %q: %s", want, out)
		}

		d.shown = nil
		steps, _ := d.enter(t, visitor{options: options})
		if got := d.seen(&d.shown); !slices.Equal(got, want) {
			t.Errorf("IdentitiesOnly %s: offered\n%s\nwant\n%s\n%s", only, strings.Join(got, "\n"), strings.Join(want, "\n"), ladder(steps))
		}
	}
}

func TestAgent_ItsManyKeysDoNotComeBeforeTheOneThatIsNamed(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	startAgent(t, socket)
	for range maxOffers {
		sshAdd(t, socket, "-q", keygen(t, "ed25519"))
	}
	named := keygen(t, "ed25519")
	d := newDoor(t, ssh.ServerConfig{}, public(t, named))
	steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityAgent": {socket}, "IdentityFile": {named}}})
	if err != nil || len(d.seen(&d.shown)) != 1 {
		t.Errorf("%v\n%s", err, ladder(steps))
	}
}

func TestAgent_LockedUnlockedAndRestarted(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	stop := startAgent(t, socket)
	key := keygen(t, "ed25519")
	d := newDoor(t, ssh.ServerConfig{}, public(t, key))
	v := visitor{options: map[string][]string{"IdentityAgent": {socket}}, memory: newAuthMemory()}
	enter := func(what string, in bool, want string) {
		t.Helper()
		steps, err := d.enter(t, v)
		if (err == nil) != in || want != "" && !has(steps, in, "agent", want) {
			t.Fatalf("%s: %v\n%s", what, err, ladder(steps))
		}
		if !in && !strings.Contains(job.HintOf(err), "ssh-add") {
			t.Errorf("%s: hint %q", what, job.HintOf(err))
		}
	}
	enter("empty", false, "empty or locked")
	sshAdd(t, socket, "-q", key)
	enter("with the key", true, "holds 1 keys")

	askpass := filepath.Join(t.TempDir(), "askpass")
	if err := os.WriteFile(askpass, []byte("#!/bin/sh\necho sesame\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{"SSH_AUTH_SOCK=" + socket, "SSH_ASKPASS=" + askpass, "SSH_ASKPASS_REQUIRE=force"}
	runProgram(t, env, "ssh-add", "-x")
	enter("locked", false, "empty or locked")
	runProgram(t, env, "ssh-add", "-X")
	enter("unlocked", true, "")

	stop()
	enter("stopped", false, "no such file")
	startAgent(t, socket)
	sshAdd(t, socket, "-q", key)
	enter("restarted", true, "")
}

func TestAgent_OneRefusedSignatureDoesNotStopTheNextKey(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	startAgent(t, socket, "SSH_ASKPASS=/bin/false", "SSH_ASKPASS_REQUIRE=force", "DISPLAY=:0")
	guarded, good := keygen(t, "ed25519"), keygen(t, "ed25519")
	sshAdd(t, socket, "-q", "-c", guarded)
	sshAdd(t, socket, "-q", good)
	d := newDoor(t, ssh.ServerConfig{}, public(t, guarded), public(t, good))
	steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityAgent": {socket}, "IdentityFile": {guarded}}})
	if err != nil || !has(steps, false, "publickey", "the agent does not sign") {
		t.Errorf("%v\n%s", err, ladder(steps))
	}
}

func TestAgent_SignsForACertificateBesideAPublicKey(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ed25519", "rsa"} {
		socket := socketPath(t)
		startAgent(t, socket)
		key := keygen(t, kind)
		sshAdd(t, socket, "-q", key) // before there is a certificate, which it would take too
		ca := certify(t, key)
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		var d *door
		d = newDoor(t, ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			return takesCertificates(d, ca)(c, k)
		}})
		options := map[string][]string{"IdentityAgent": {socket}, "IdentityFile": {key + ".pub"}, "IdentitiesOnly": {"yes"}}
		if steps, err := d.enter(t, visitor{options: options}); err != nil {
			t.Errorf("%s: %v\n%s", kind, err, ladder(steps))
		}
	}
}

func TestAgent_HoldsACertificate(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	startAgent(t, socket)
	key := keygen(t, "rsa")
	ca := certify(t, key)
	sshAdd(t, socket, "-q", key)
	var d *door
	d = newDoor(t, ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		return takesCertificates(d, ca)(c, k)
	}})
	if steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityAgent": {socket}}}); err != nil {
		t.Errorf("%v\n%s", err, ladder(steps))
	}
}

func TestAgent_KeysAreAddedAsConfigured(t *testing.T) {
	t.Parallel()
	key := keygen(t, "ed25519", "-N", "correct horse", "-a", "4")
	d := newDoor(t, ssh.ServerConfig{}, public(t, key))
	for value, added := range map[string]bool{"true": true, "ask": true, "1h30m": true, "confirm 600": true, "false": false} {
		socket := socketPath(t)
		startAgent(t, socket)
		q := &asked{answers: []string{"correct horse"}}
		steps, err := d.enter(t, visitor{
			options: map[string][]string{"IdentityAgent": {socket}, "IdentityFile": {key}, "AddKeysToAgent": {value}},
			prompts: Prompts{Secret: q.secret},
		})
		if err != nil || has(steps, true, "agent", "added") != added {
			t.Errorf("%s: %v\n%s", value, err, ladder(steps))
		}
		cmd := exec.CommandContext(t.Context(), remotetest.Program(t, "ssh-add"), "-l")
		cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		if out, _ := cmd.CombinedOutput(); strings.Contains(string(out), ssh.FingerprintSHA256(public(t, key))) != added {
			t.Errorf("%s: the agent holds %s", value, out)
		}
	}
}

func TestAddedKey_Constraints(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":            "false 0 false",
		"no":          "false 0 false",
		"yes":         "true 0 false",
		"ask":         "true 0 true",
		"90":          "true 90 false",
		"1h30m":       "true 5400 false",
		"1W":          "true 604800 false",
		"confirm 10m": "true 600 true",
		"10x":         "false 0 false",
		"0":           "false 0 false",
	} {
		key, ok := addedKey(value)
		if !ok {
			key.LifetimeSecs, key.ConfirmBeforeUse = 0, false
		}
		if got := fmt.Sprint(ok, key.LifetimeSecs, key.ConfirmBeforeUse); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

// It changes the environment, and runs alone.
func TestAgent_IsFoundAsConfigured(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "/run/of-the-session")
	t.Setenv("MY_AGENT", "/run/mine")
	for value, want := range map[string]string{
		"":              "/run/of-the-session",
		"SSH_AUTH_SOCK": "/run/of-the-session",
		"none":          "",
		"$MY_AGENT":     "/run/mine",
		"${MY_AGENT}":   "/run/mine",
		"$NOT_SET":      "",
		"~/a b/agent":   filepath.Join(home, "a b", "agent"),
		"/run/other":    "/run/other",
	} {
		if c := agentAt(value, "IdentityAgent"); c.address != want || c.why == "" {
			t.Errorf("%q: %+v, want %q", value, c, want)
		}
	}
	t.Setenv("SSH_AUTH_SOCK", "")
	if c := agentAt("", "IdentityAgent"); c.address != "" {
		t.Errorf("without SSH_AUTH_SOCK: %+v", c)
	}
}

func TestAgent_ThatDoesNotAnswerIsNotWaitedForLongerThanTheLogIn(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 64))
		cancel()
		_, _ = conn.Read(make([]byte, 64)) // until it is given up
	}()
	d := newDoor(t, ssh.ServerConfig{}, public(t, keygen(t, "ed25519")))
	if _, err := d.enter(t, visitor{ctx: ctx, options: map[string][]string{"IdentityAgent": {socket}}}); err == nil {
		t.Error("let in")
	}
	listener.Close()
	<-served
}

func TestForward_OnlyWhereItIsConfigured(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	startAgent(t, socket)
	key := keygen(t, "ed25519")
	sshAdd(t, socket, "-q", key)
	// With this bash does not read the .bashrc of whoever runs the tests, which may
	// wait for something of its own.
	s := remotetest.Start(t, remotetest.Config{Options: []string{"SetEnv SHLVL=2"}})
	for _, c := range []struct {
		lines []string
		want  bool
	}{
		{[]string{"IdentityAgent " + socket, "ForwardAgent no"}, false},
		{[]string{"IdentityAgent " + socket}, false},
		{[]string{"IdentityAgent " + socket, "ForwardAgent yes"}, true},
		{[]string{"IdentityAgent none", "ForwardAgent " + socket}, true},
	} {
		client := s.Client(t, "web1")
		f := newAgentForwarder(client, s.Options("web1", c.lines...))
		for range 2 {
			session, err := client.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			if err := f.forward(session); err != nil {
				t.Errorf("%q: %v", c.lines, err)
			}
			out, _ := session.CombinedOutput("ssh-add -l")
			if strings.Contains(string(out), ssh.FingerprintSHA256(public(t, key))) != c.want {
				t.Errorf("%q: the host sees %s", c.lines, out)
			}
			session.Close()
		}
		client.Close()
		f.wait()
	}
}

func TestForward_AHostThatTakesTheAgentUnaskedIsRefused(t *testing.T) {
	t.Parallel()
	socket := socketPath(t)
	startAgent(t, socket)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	hostKey := privateKey(t, keygen(t, "ed25519"))
	refused := make(chan error, 1)
	go func() {
		theirs, err := listener.Accept()
		if err != nil {
			refused <- nil
			return
		}
		defer theirs.Close()
		config := &ssh.ServerConfig{NoClientAuth: true}
		config.AddHostKey(hostKey)
		c, channels, requests, err := ssh.NewServerConn(theirs, config)
		if err != nil {
			refused <- nil
			return
		}
		go ssh.DiscardRequests(requests)
		go func() {
			for ch := range channels {
				_ = ch.Reject(ssh.Prohibited, "no")
			}
		}()
		_, _, err = c.OpenChannel("auth-agent@openssh.com", nil)
		refused <- err
	}()
	ours, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	c, channels, requests, err := ssh.NewClientConn(ours, "host:22", &ssh.ClientConfig{User: "deploy", HostKeyCallback: ssh.FixedHostKey(hostKey.PublicKey())})
	if err != nil {
		t.Fatal(err)
	}
	client := ssh.NewClient(c, channels, requests)
	defer client.Close()
	f := newAgentForwarder(client, inventory.New(inventory.Destination{Alias: "web1"}, "host", "deploy", 22, map[string][]string{
		"identityagent": {socket}, "forwardagent": {"yes"},
	}))
	if err := <-refused; err == nil {
		t.Error("the host has the agent")
	}
	client.Close()
	f.wait()
}

// sshd itself, and its own words.
func TestLogIn_ToARealServer(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{Options: []string{"MaxAuthTries 3"}})
	var wrong []string
	for range 4 {
		wrong = append(wrong, "IdentityFile "+keygen(t, "ed25519"))
	}
	enter := func(lines ...string) ([]Step, error) {
		o := s.Options("web1", append(lines, "IdentityAgent none")...)
		a := newAuth(t.Context(), o, Hop{Host: "web1", Name: "web1", User: o.User, Addr: s.Addr, Number: 1, Of: 1}, Prompts{}, nil)
		defer a.close()
		conn, err := net.Dial("tcp", s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		check, err := knownhosts.New(s.KnownHosts)
		if err != nil {
			t.Fatal(err)
		}
		_, _, _, err = ssh.NewClientConn(a.watch(conn), s.Addr, &ssh.ClientConfig{
			User: o.User, AuthCallback: a.next, HostKeyCallback: check, HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
		})
		err = a.explain(err)
		return a.steps(), err
	}
	steps, err := enter()
	if err != nil || !has(steps, true, "publickey", s.Key) {
		t.Errorf("with the right key: %v\n%s", err, ladder(steps))
	}
	steps, err = enter(wrong[:2]...)
	if err == nil || !strings.Contains(err.Error(), "the server takes") {
		t.Errorf("with wrong keys: %v\n%s", err, ladder(steps))
	}
	steps, err = enter(wrong...)
	if err == nil || !strings.Contains(err.Error(), "Too many authentication failures") || !strings.Contains(job.HintOf(err), "IdentitiesOnly") {
		t.Errorf("with too many: %v, hint %q\n%s", err, job.HintOf(err), ladder(steps))
	}
}
