//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/engine"
)

// doctor runs vmo doctor --json in an environment and returns what it found.
func (h house) doctor(env []string, args ...string) (checks map[string]engine.Check, all string, code int) {
	h.t.Helper()
	cmd := h.command("vmo", append([]string{"doctor", "--json"}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	out, _ := cmd.Output() // the exit code says enough
	checks = map[string]engine.Check{}
	for line := range strings.Lines(string(out)) {
		var c engine.Check
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			h.t.Fatalf("%v in %q", err, line)
		}
		checks[c.Name] = c
	}
	return checks, string(out), cmd.ProcessState.ExitCode()
}

// tool runs a program that the test cannot do without.
func (h house) tool(name string, args ...string) string {
	h.t.Helper()
	cmd := h.command(name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %v: %s (on Debian: apt-get install openssh-client)", name, err, out)
	}
	return string(out)
}

// The keys of a real agent are counted, and neither they nor their comments shown.
func TestDoctor_Agent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	sockets, err := os.MkdirTemp("", "vmo") // the name of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	socket := filepath.Join(sockets, "agent")
	agent := h.command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatalf("%v (on Debian: apt-get install openssh-client)", err)
	}
	t.Cleanup(func() { _ = agent.Process.Kill(); _ = agent.Wait() })
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) { // it says nothing when it listens
		if _, err := os.Stat(socket); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}

	env := []string{"SSH_AUTH_SOCK=" + socket}
	checks, _, code := h.doctor(env)
	if c := checks["agent"]; c.OK || !c.Optional || !strings.Contains(c.Found, "holds no keys") || code != 0 {
		t.Errorf("exit code %d, an empty agent is %+v", code, c)
	}
	h.tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "my-own-comment", "-f", "key")
	add := h.command("ssh-add", "-q", "key")
	add.Env = append(add.Env, env...)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %v: %s", err, out)
	}
	checks, all, _ := h.doctor(env)
	if c := checks["agent"]; !c.OK || c.Found != "it answers, and holds 1 key" || c.Origin != "SSH_AUTH_SOCK" {
		t.Errorf("an agent with a key is %+v", c)
	}
	if c := checks["SSH_AUTH_SOCK"]; !c.OK || c.Found != socket || c.Origin != "own environment" {
		t.Errorf("the socket is %+v", c)
	}
	public, err := os.ReadFile(filepath.Join(h.dir, "key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if blob := strings.Fields(string(public))[1]; strings.Contains(all, blob) || strings.Contains(all, "my-own-comment") {
		t.Errorf("the key is shown:\n%s", all)
	}
	_ = agent.Process.Kill()
	_ = agent.Wait()
	checks, _, code = h.doctor(env)
	if c := checks["agent"]; c.OK || c.Next == "" || code != 0 {
		t.Errorf("exit code %d, a dead agent is %+v", code, c)
	}
}

func TestDoctor_Records(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must("exec", "--", "true")
	checks, _, code := h.doctor(nil)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for name, want := range map[string]string{
		"vmo": version, "journal": "1 job,", "ledger": "3 entries", "signing key": "in a file that only this user may read",
		"database": "none; records stay on this machine", "keychain": "VMO_KEYCHAIN is off", "system": "go1.", "make": "GNU Make", "ssh": "OpenSSH",
	} {
		if !strings.Contains(checks[name].Found, want) {
			t.Errorf("%s: got %+v, want %q", name, checks[name], want)
		}
	}
	if c := checks["make"]; !strings.HasPrefix(c.Origin, "/") {
		t.Errorf("make is found in %q", c.Origin)
	}
	// Where a program copies what changes, a journal is not safe.
	checks, _, code = h.doctor([]string{"VMO_DATA_DIR=" + filepath.Join(h.dir, "Dropbox", "vmo")})
	if c := checks["storage"]; c.OK || !c.Optional || !strings.Contains(c.Found, "Dropbox") || c.Next == "" || code != 0 {
		t.Errorf("exit code %d, storage is %+v", code, c)
	}
	// A database that is not there costs nothing but itself.
	checks, _, code = h.doctor([]string{"VMO_DATABASE_URL=postgres://anna:secret-pw@127.0.0.1:1/vmo?sslmode=disable"})
	if c := checks["database"]; c.OK || c.Found == "" || c.Next == "" || c.Origin != "VMO_DATABASE_URL" || strings.Contains(c.Found+c.Next, "secret-pw") || code != 0 {
		t.Errorf("exit code %d, the database is %+v", code, c)
	}
	write(t, filepath.Join(h.dir, "config", "vm-orchestrator", "settings.json"), "{")
	checks, _, code = h.doctor(nil)
	if c := checks["settings"]; c.OK || c.Optional || !strings.Contains(c.Found, "settings.json:1") || code != exitFailed {
		t.Errorf("exit code %d, settings are %+v", code, c)
	}
}

// How a host resolves is told without a connection to it.
func TestDoctor_Host(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	write(t, filepath.Join(h.dir, "ssh_config"), "Host web1\n HostName 192.0.2.5\n ProxyJump ops@gate:2200\n User anna\n IdentityFile "+h.dir+"/key\n"+
		"Host gate\n HostName 192.0.2.1\nHost token\n HostName 192.0.2.7\n PKCS11Provider /lib/token.so\n ForwardX11 yes\n")
	checks, _, code := h.doctor(nil, "web1")
	for name, want := range map[string]string{
		"host": "web1 is anna@192.0.2.5:22", "hop 1": "ops@gate:2200 is ops@192.0.2.1:2200", "engine": "built-in",
		"key files": "none is there of " + h.dir + "/key", "user": "anna",
	} {
		if checks[name].Found != want {
			t.Errorf("%s: got %+v, want %q", name, checks[name], want)
		}
	}
	if c := checks["user"]; c.Origin != filepath.Join(h.dir, "ssh_config")+":4" || code != 0 {
		t.Errorf("exit code %d, the user is %+v", code, c)
	}
	checks, _, _ = h.doctor(nil, "token")
	if c := checks["engine"]; c.Found != "openssh, because of token: PKCS11Provider is set" {
		t.Errorf("the engine is %+v", c)
	}
	if c := checks["differs"]; !strings.Contains(c.Found, "ForwardX11") || c.OK || !c.Optional {
		t.Errorf("what differs is %+v", c)
	}
	if c := checks["way"]; c.Found != "straight from this machine" {
		t.Errorf("the way is %+v", c)
	}
	if _, _, code := h.doctor(nil, "nobody"); code != exitUsage {
		t.Errorf("an unknown host: exit code %d", code)
	}
	if len(h.jobs()) != 0 {
		t.Error("looking was recorded as a job")
	}
}

// A database is really asked.
func TestDoctor_Database(t *testing.T) {
	t.Parallel()
	h := newArchived(t)
	h.must("exec", "--", "true")
	h.shipped()
	checks, _, code := h.doctor(nil)
	if c := checks["database"]; !c.OK || !strings.Contains(c.Found, "Postgres ") || !strings.Contains(c.Found, "it has 5 of 5 entries") || code != 0 {
		t.Errorf("exit code %d, the database is %+v", code, c)
	}
	h.c.Kill()
	checks, _, code = h.doctor(nil)
	if c := checks["database"]; c.OK || c.Found == "" || code != 0 {
		t.Errorf("exit code %d, a database that was killed is %+v", code, c)
	}
}

// A program that is missing is said with how this machine installs it.
func TestDoctor_SaysHowToInstall(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	bare := t.TempDir()
	for manager, want := range map[string]string{"": "Install ssh.", "dnf": "Install it with: sudo dnf install openssh-clients", "apt-get": "Install it with: sudo apt install openssh-client"} {
		if manager != "" {
			if err := os.WriteFile(filepath.Join(bare, manager), []byte("#!/bin/false\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		checks, _, code := h.doctor([]string{"PATH=" + bare})
		if c := checks["ssh"]; c.OK || !c.Optional || c.Next != want {
			t.Errorf("with %q: %+v, want %q", manager, c, want)
		}
		if c := checks["make"]; c.OK || code != exitFailed {
			t.Errorf("exit code %d with make %+v", code, c)
		}
		if manager != "" {
			if err := os.Remove(filepath.Join(bare, manager)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
