//go:build unix

package engine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
	"vmorchestrator/internal/remote/remotetest"
)

// aKey is a public key, as a line of known hosts has it, and its fingerprint.
func aKey(t *testing.T) (text, fingerprint string) {
	t.Helper()
	path := remotetest.Keygen(t, filepath.Join(t.TempDir(), "key"), "ed25519", "-N", "") + ".pub"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(data))[:2], " "), fingerprintOf(t, path)
}

func fingerprintOf(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("ssh-keygen", "-lf", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))[1]
}

// knows writes files of known hosts and has the hosts of a server use them.
func knows(t *testing.T, s *remotetest.Server, options string, texts ...string) (files []string) {
	t.Helper()
	dir := t.TempDir()
	for i, text := range texts {
		file := filepath.Join(dir, fmt.Sprintf("known_hosts%d", i+1))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	s.AddConfig("Host *\n  UserKnownHostsFile " + strings.Join(files, " ") + "\n  " + options)
	return files
}

func known(fingerprint, file string, line int) KnownKey {
	return KnownKey{Type: "ssh-ed25519", Fingerprint: fingerprint, File: file, Line: line}
}

func text(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// hashed hides the names of a file of known hosts, as ssh-keygen does.
func hashed(t *testing.T, line string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-Hf", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return text(t, file)
}

func events(t *testing.T, e *Engine) (argv [][]string) {
	t.Helper()
	jobs, err := e.Jobs(t.Context(), Filter{}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Event {
			argv = append(argv, j.Argv)
		}
	}
	return argv
}

// A host that was installed anew is refused, whoever makes the connection, until an
// operator has named it; then its key stands in the place of the old ones, and nothing
// else has changed in the files.
func TestHostKey_AChangedOneIsReplacedByAnOperator(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{EngineBuiltIn, EngineOpenSSH} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			e, s := fleet(t, remotetest.Config{HostKeys: []string{"ed25519"}})
			name := fmt.Sprintf("[127.0.0.1]:%d", s.Port)
			first, firstPrint := aKey(t)
			second, secondPrint := aKey(t)
			strict := "yes"
			if engine == EngineOpenSSH {
				strict = "accept-new" // ssh shows no key, so it is learned by the next connection
			}
			files := knows(t, s, "StrictHostKeyChecking "+strict, "# mine\nother "+first+"\n"+hashed(t, name+" "+first), "other,"+name+" "+second+"\n")
			if err := e.SetHostEngine(t.Context(), "web1", engine); err != nil {
				t.Fatal(err)
			}
			var refused *remote.HostKeyError
			if err := e.ConnectHost(t.Context(), "web1"); !errors.As(err, &refused) || refused.Kind != remote.HostKeyChanged || !strings.Contains(job.HintOf(err), "vmo hosts forget web1") {
				t.Fatalf("connect: %v, hint %q", err, job.HintOf(err))
			}
			got, err := e.ChangedHostKey("web1")
			want := []KnownKey{known(firstPrint, files[0], 3), known(secondPrint, files[1], 1)}
			if err != nil || got.Hop != "web1" || got.Name != name || got.Fingerprint != fingerprintOf(t, s.HostKey) || got.Type != "ssh-ed25519" ||
				!slices.Equal(got.Old, want) || got.Blocked != "" || got.Kept != (engine == EngineBuiltIn) {
				t.Fatalf("changed: %+v, %v", got, err)
			}
			before := text(t, files[0])
			for what, err := range map[string]error{
				"nobody has typed its name": e.ReplaceHostKey("web1", got.Fingerprint, ""),
				"another name":              e.ReplaceHostKey("web1", got.Fingerprint, "web2"),
				"another key":               e.ReplaceHostKey("web1", firstPrint, "web1"),
			} {
				if !errors.Is(err, job.ErrInvalid) || text(t, files[0]) != before {
					t.Errorf("%s: %v", what, err)
				}
			}

			if err := e.ReplaceHostKey("web1", got.Fingerprint, "web1"); err != nil {
				t.Fatal(err)
			}
			if err := e.ConnectHost(t.Context(), "web1"); err != nil {
				t.Errorf("connect with the new key: %v", err)
			}
			public := strings.Join(strings.Fields(text(t, s.HostKey))[:2], " ")
			if want := "# mine\nother " + first + "\n" + name + " " + public + "\n"; text(t, files[0]) != want {
				t.Errorf("the first file is\n%s\nwant\n%s", text(t, files[0]), want)
			}
			if want := "other " + second + "\n"; text(t, files[1]) != want {
				t.Errorf("the second file is\n%s\nwant\n%s", text(t, files[1]), want)
			}
			if text(t, files[0]+".old") != before {
				t.Error("the file as it was is not beside it")
			}
			wantEvent := []string{"accept-host-key", "web1", "ssh-ed25519", got.Fingerprint}
			if all := events(t, e); !slices.ContainsFunc(all, func(argv []string) bool { return slices.Equal(argv, wantEvent) }) {
				t.Errorf("the history tells of %v", all)
			}
			if _, err := e.ChangedHostKey("web1"); !errors.Is(err, job.ErrNotFound) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// What is not for this operator to replace stays as it is, and the reason is said.
func TestHostKey_WhatIsNotReplaced(t *testing.T) {
	t.Parallel()
	old, _ := aKey(t)
	for name, test := range map[string]struct {
		user, global string // NAME and NEW are those of the server
		says         string
	}{
		"a line for other hosts too": {"NAME,127.* " + old + "\n[127.0.0.1]:* " + old, "", "known_hosts1:2"},
		"a file for all users":       {"NAME " + old, "NAME " + old, "administrator"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, s := fleet(t, remotetest.Config{HostKeys: []string{"ed25519"}})
			host := fmt.Sprintf("[127.0.0.1]:%d", s.Port)
			global := filepath.Join(t.TempDir(), "ssh_known_hosts")
			if err := os.WriteFile(global, []byte(strings.ReplaceAll(test.global, "NAME", host)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			files := knows(t, s, "GlobalKnownHostsFile "+global, strings.ReplaceAll(test.user, "NAME", host)+"\n")
			before := text(t, files[0])
			if err := e.ConnectHost(t.Context(), "web1"); err == nil {
				t.Fatal("it is connected")
			}
			c, err := e.ChangedHostKey("web1")
			if err != nil || !strings.Contains(c.Blocked, test.says) {
				t.Errorf("changed: %+v, %v", c, err)
			}
			if err := e.ReplaceHostKey("web1", c.Fingerprint, "web1"); err == nil || !strings.Contains(err.Error()+job.HintOf(err), test.says) || job.HintOf(err) == "" {
				t.Errorf("replace: %v, hint %q", err, job.HintOf(err))
			}
			if text(t, files[0]) != before {
				t.Errorf("the file was changed: %s", text(t, files[0]))
			}
		})
	}
}

// A revoked key is refused for ever, whatever is forgotten.
func TestHostKey_ARevokedOneStaysRefused(t *testing.T) {
	t.Parallel()
	e, s := fleet(t, remotetest.Config{HostKeys: []string{"ed25519"}})
	host, public := fmt.Sprintf("[127.0.0.1]:%d", s.Port), strings.Join(strings.Fields(text(t, s.HostKey))[:2], " ")
	old, _ := aKey(t)
	files := knows(t, s, "StrictHostKeyChecking accept-new", "@revoked * "+public+"\n"+host+" "+old+"\n")
	for range 2 {
		var refused *remote.HostKeyError
		if err := e.ConnectHost(t.Context(), "web1"); !errors.As(err, &refused) || refused.Kind != remote.HostKeyRevoked {
			t.Fatalf("connect: %v", err)
		}
		if _, err := e.ChangedHostKey("web1"); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("it can be replaced: %v", err)
		}
		if _, err := e.ForgetHostKey(t.Context(), "web1"); err != nil && !errors.Is(err, job.ErrNotFound) {
			t.Error(err)
		}
	}
	if want := "@revoked * " + public + "\n"; text(t, files[0]) != want {
		t.Errorf("left is %q", text(t, files[0]))
	}
}

// The machine on the way that has another key is the one to name, and to forget.
func TestHostKey_OfAMachineOnTheWay(t *testing.T) {
	t.Parallel()
	e, s := fleet(t, remotetest.Config{HostKeys: []string{"ed25519"}, Hosts: []string{"web1", "bastion"}})
	old, print := aKey(t)
	public := strings.Join(strings.Fields(text(t, s.HostKey))[:2], " ")
	files := knows(t, s, "", "gate "+old+"\n"+fmt.Sprintf("[127.0.0.1]:%d", s.Port)+" "+public+"\n")
	s.AddConfig("Host bastion\n  HostKeyAlias gate\nHost web1\n  ProxyJump bastion")
	if err := e.ConnectHost(t.Context(), "web1"); err == nil || !strings.Contains(job.HintOf(err), "vmo hosts forget bastion") {
		t.Fatalf("connect: %v, hint %q", err, job.HintOf(err))
	}
	c, err := e.ChangedHostKey("web1")
	if err != nil || c.Hop != "bastion" || c.Name != "gate" {
		t.Fatalf("changed: %+v, %v", c, err)
	}
	if err := e.ReplaceHostKey("web1", c.Fingerprint, "web1"); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("by the name of another machine: %v", err)
	}
	removed, err := e.ForgetHostKey(t.Context(), "bastion")
	if want := []KnownKey{known(print, files[0], 1)}; err != nil || !slices.Equal(removed, want) {
		t.Errorf("forgotten: %+v, %v", removed, err)
	}
	if all := events(t, e); !slices.ContainsFunc(all, func(argv []string) bool { return slices.Equal(argv, []string{"forget-host-key", "bastion"}) }) {
		t.Errorf("the history tells of %v", all)
	}
	if err := os.WriteFile(files[0], []byte("gate "+public+"\n"+text(t, files[0])), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.ConnectHost(t.Context(), "web1"); err != nil {
		t.Errorf("connect: %v", err)
	}
	if _, err := e.ForgetHostKey(t.Context(), "nowhere:1"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a host without a key: %v", err)
	}
}
