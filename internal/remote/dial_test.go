//go:build unix

package remote

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/remote/remotetest"
)

// thinking is longer than the ConnectTimeout of these tests.
const thinking = 1500 * time.Millisecond

// think takes the time that a person takes.
func think(ctx context.Context) error {
	timer := time.NewTimer(thinking)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Ensure that the time that people take does not count for ConnectTimeout: to answer
// a question, to answer that of another connection, to confirm the use of a key.
func TestConnect_TimeOfPeopleDoesNotCount(t *testing.T) {
	t.Parallel()
	with := func(t *testing.T, prompts Prompts, options func(inventory.Destination) *inventory.Options) *Pool {
		p := New(Config{
			Resolve: func(_ context.Context, d inventory.Destination) (*inventory.Options, error) { return options(d), nil },
			Spawn:   spawnForTest, Prompts: func() Prompts { return prompts },
		})
		t.Cleanup(p.Close)
		return p
	}
	t.Run("a password", func(t *testing.T) {
		t.Parallel()
		host := newHostKey(t, "ed25519")
		s := newKeyServer(t, &keyServer{}, host)
		p := with(t, Prompts{
			HostKey: func(ctx context.Context, _ HostKeyQuestion) (bool, error) { return true, think(ctx) },
			Secret:  func(ctx context.Context, _ SecretQuestion) (string, error) { return "secret", think(ctx) },
		}, func(d inventory.Destination) *inventory.Options {
			return inventory.New(d, "127.0.0.1", "me", s.port, keyOptions(knownHosts(t, ""), "preferredauthentications", "password",
				"identityagent", "none", "connecttimeout", "1"))
		})
		if err := p.Connect(within(t, time.Minute), web1); err != nil {
			t.Error(err)
		}
	})
	t.Run("a passphrase that another connection asks for", func(t *testing.T) {
		t.Parallel()
		s := remotetest.Start(t, remotetest.Config{Hosts: []string{"web1", "web2"}})
		key := remotetest.Keygen(t, filepath.Join(s.Dir, "locked"), "ed25519", "-N", "secret", "-a", "4")
		authorize(t, s, key)
		asked := 0 // one at a time, and once
		p := with(t, Prompts{Secret: func(ctx context.Context, _ SecretQuestion) (string, error) {
			asked++
			return "secret", think(ctx)
		}}, func(d inventory.Destination) *inventory.Options {
			return s.Options(d.Alias, "IdentityFile "+key, "ConnectTimeout 1")
		})
		var both sync.WaitGroup
		for _, host := range []string{"web1", "web2"} {
			both.Go(func() {
				if err := p.Connect(within(t, time.Minute), inventory.Destination{Alias: host}); err != nil {
					t.Errorf("%s: %v", host, err)
				}
			})
		}
		both.Wait()
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
	t.Run("an agent that asks its owner", func(t *testing.T) {
		t.Parallel()
		s := remotetest.Start(t, remotetest.Config{})
		text, err := os.ReadFile(s.Key)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ssh.ParseRawPrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		ring := agent.NewKeyring()
		if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			t.Fatal(err)
		}
		socket := filepath.Join(s.Dir, "agent")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		var served sync.WaitGroup
		served.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				served.Go(func() {
					defer c.Close()
					_ = agent.ServeAgent(slowAgent{ring.(agent.ExtendedAgent)}, c) // until who asks has left
				})
			}
		})
		t.Cleanup(func() { l.Close(); served.Wait() })
		p := with(t, Prompts{}, func(d inventory.Destination) *inventory.Options {
			return s.Options(d.Alias, "IdentityAgent "+socket, "IdentityFile "+s.Key+".pub", "ConnectTimeout 1")
		})
		if err := p.Connect(within(t, time.Minute), web1); err != nil {
			t.Error(err)
		}
	})
}

// slowAgent asks its owner before it signs.
type slowAgent struct{ agent.ExtendedAgent }

func (a slowAgent) SignWithFlags(key ssh.PublicKey, data []byte, flags agent.SignatureFlags) (*ssh.Signature, error) {
	if err := think(context.Background()); err != nil {
		return nil, err
	}
	return a.ExtendedAgent.SignWithFlags(key, data, flags)
}

// authorize lets a key into a server, besides those that it takes.
func authorize(t *testing.T, s *remotetest.Server, key string) {
	t.Helper()
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(s.Dir, "authorized_keys"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(public)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// Ensure that the host key of a certificate is shown as ssh-keygen shows it, with who
// has signed it.
func TestConnect_ShowsACertificateAsSSHKeygenDoes(t *testing.T) {
	t.Parallel()
	cert := filepath.Join(t.TempDir(), "cert.pub")
	s := remotetest.Start(t, remotetest.Config{Options: []string{"HostCertificate " + cert}})
	authority := remotetest.Keygen(t, filepath.Join(s.Dir, "ca"), "ed25519")
	runProgram(t, nil, "ssh-keygen", "-q", "-s", authority, "-I", "web1", "-h", "-n", "127.0.0.1", s.HostKey)
	if err := os.Rename(strings.TrimSuffix(s.HostKey, ".pub")+"-cert.pub", cert); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(authority + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.KnownHosts, append([]byte("@cert-authority * "), ca...), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	p := poolFor(t, s)
	if err := p.Connect(within(t, time.Minute), web1); err != nil {
		t.Fatal(err)
	}
	shown := func(path string) string { return strings.Fields(runProgram(t, nil, "ssh-keygen", "-lf", path))[1] }
	st := p.State(web1)
	if want := "ssh-ed25519-cert-v01@openssh.com " + shown(cert) + ", signed by ssh-ed25519 " + shown(authority+".pub"); st.HostKey != want {
		t.Errorf("got %q, want %q", st.HostKey, want)
	}
}

// Ensure that the steps of an attempt are those of the attempt: keys that are changed
// later, as often as a connection likes, add none.
func TestConnect_NewKeysAreNoStep(t *testing.T) {
	t.Parallel()
	host := newHostKey(t, "ed25519")
	d := &dialer{trail: &trail{}, step: step{hop: Hop{Name: "web1"}}}
	k, err := newHostKeys(nil).of(t.Context(), inventory.New(web1, "127.0.0.1", "me", 22, keyOptions(knownHosts(t, "127.0.0.1 "+keyText(host)+"\n"))), d.step.hop, Prompts{})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	check := d.hostKey(k, func() { seen++ })
	for range 3 {
		if err := check("127.0.0.1:22", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 22}, host.PublicKey()); err != nil {
			t.Fatal(err)
		}
	}
	if steps := d.trail.all(); len(steps) != 1 || seen != 1 {
		t.Errorf("got %+v, seen %d times", steps, seen)
	}
}
