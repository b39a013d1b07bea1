//go:build unix

package remote

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/remote/remotetest"
)

func TestHostKey_LearnsWhatARealServerProves(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	file := filepath.Join(t.TempDir(), "known_hosts")
	accepted := make(chan AcceptedKey, 8)
	p := New(Config{
		Resolve: func(_ context.Context, d inventory.Destination) (*inventory.Options, error) {
			return s.Options(d.Alias, "UserKnownHostsFile "+file, "GlobalKnownHostsFile /dev/null", "HostKeyAlgorithms ssh-ed25519,rsa-sha2-512",
				"StrictHostKeyChecking accept-new", "UpdateHostKeys yes", "HashKnownHosts yes"), nil
		},
		Spawn:    spawnForTest,
		Accepted: func(k AcceptedKey) { accepted <- k },
	})
	defer p.Close()
	if err := p.Connect(t.Context(), web1); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ kind, because string }{
		{"ssh-ed25519", "accept-new"}, {"ssh-rsa", "proved by the server (UpdateHostKeys)"},
	} {
		select {
		case k := <-accepted:
			if k.Type != want.kind || k.Because != want.because || k.File != file || k.Line == 0 {
				t.Errorf("accepted %+v, want %s because of %q", k, want.kind, want.because)
			}
		case <-time.After(30 * time.Second):
			content, _ := os.ReadFile(file)
			t.Fatalf("no %s key was accepted; known are\n%s", want.kind, content)
		}
	}
	out, err := exec.CommandContext(t.Context(), remotetest.Program(t, "ssh-keygen"), "-F", fmt.Sprintf("[127.0.0.1]:%d", s.Port), "-f", file).Output()
	if err != nil || strings.Count(string(out), "found: line") != 2 {
		t.Errorf("ssh-keygen -F: %v, want two lines:\n%s", err, out)
	}
}

// tell is a server that tells keys and proves them with what prove returns.
func tell(t *testing.T, used ssh.Signer, told []ssh.PublicKey, prove func(session []byte) []byte) *keyServer {
	var session []byte
	ready := make(chan struct{})
	s := &keyServer{
		welcome: func(c *ssh.ServerConn) {
			session = c.SessionID()
			close(ready)
			var payload []byte
			for _, k := range told {
				payload = append(payload, ssh.Marshal(struct{ Blob []byte }{k.Marshal()})...)
			}
			_, _, _ = c.SendRequest(hostKeysRequest, false, payload)
		},
		global: func(r *ssh.Request) {
			if r.Type != proveRequest {
				_ = r.Reply(false, nil)
				return
			}
			<-ready
			_ = r.Reply(true, prove(session))
		},
	}
	return newKeyServer(t, s, used)
}

// signed is the proof of one key.
func signed(t *testing.T, by ssh.Signer, algorithm string, session []byte, of ssh.PublicKey) []byte {
	data := ssh.Marshal(struct {
		What          string
		Session, Blob []byte
	}{proveRequest, session, of.Marshal()})
	signature, err := by.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, data, algorithm)
	if err != nil {
		t.Error(err)
		return nil
	}
	return ssh.Marshal(struct{ Signature []byte }{ssh.Marshal(signature)})
}

func TestHostKey_LearnsOnlyWhatIsProved(t *testing.T) {
	t.Parallel()
	used, ed, rsa := newHostKey(t, "ed25519"), newHostKey(t, "ed25519"), newHostKey(t, "rsa")
	pub := func(signers ...ssh.Signer) (keys []ssh.PublicKey) {
		for _, s := range signers {
			keys = append(keys, s.PublicKey())
		}
		return keys
	}
	honest := func(session []byte) []byte {
		return append(signed(t, ed, ssh.KeyAlgoED25519, session, ed.PublicKey()), signed(t, rsa, ssh.KeyAlgoRSASHA512, session, rsa.PublicKey())...)
	}
	line := "{name} " + keyText(used) + "\n"
	cases := []struct {
		name, file string
		told       []ssh.PublicKey
		prove      func(session []byte) []byte
		options    []string
		want       int // keys learnt
		fails      bool
	}{
		{"all proved", line, pub(used, ed, rsa), honest, nil, 2, false},
		{"told twice", line, pub(used, ed, ed, rsa), honest, nil, 2, false},
		{"hashed", line, pub(used, ed, rsa), honest, []string{"hashknownhosts", "yes"}, 2, false},
		{"signed by another key", line, pub(used, ed), func(s []byte) []byte { return signed(t, used, ssh.KeyAlgoED25519, s, ed.PublicKey()) }, nil, 0, true},
		{"signed for another session", line, pub(used, ed), func([]byte) []byte { return signed(t, ed, ssh.KeyAlgoED25519, []byte("other"), ed.PublicKey()) }, nil, 0, true},
		{"signed with SHA-1", line, pub(used, rsa), func(s []byte) []byte { return signed(t, rsa, ssh.KeyAlgoRSA, s, rsa.PublicKey()) }, nil, 0, true},
		{"one of two", line, pub(used, ed, rsa), func(s []byte) []byte { return signed(t, ed, ssh.KeyAlgoED25519, s, ed.PublicKey()) }, nil, 0, true},
		{"no proof", line, pub(used, ed), func([]byte) []byte { return nil }, nil, 0, true},
		{"nonsense", line, pub(used, ed), func([]byte) []byte { return []byte("nonsense") }, nil, 0, true},
		{"the used key is not told", line, pub(ed, rsa), honest, nil, 0, true},
		{"a type that is not allowed", line, pub(used, ed, rsa), honest, []string{"hostkeyalgorithms", "ssh-ed25519"}, 1, false},
		{"known by a pattern", "*,{name} " + keyText(used) + "\n", pub(used, ed, rsa), honest, nil, 0, false},
		{"an authority is known", line + "@cert-authority * " + keyText(ed) + "\n", pub(used, ed, rsa), honest, nil, 0, false},
		{"a key of another host", line + "other " + keyText(ed) + "\n", pub(used, ed, rsa), honest, nil, 0, false},
		{"nothing new", line, pub(used), nil, nil, 0, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := tell(t, used, c.told, c.prove)
			file := knownHosts(t, strings.ReplaceAll(c.file, "{name}", fmt.Sprintf("[127.0.0.1]:%d", s.port)))
			before, _ := os.ReadFile(file)
			var accepted []AcceptedKey
			all := newHostKeys(func(k AcceptedKey) { accepted = append(accepted, k) })
			o := inventory.New(inventory.Destination{Alias: "web1"}, "127.0.0.1", "me", s.port, keyOptions(file, append(c.options, "updatehostkeys", "yes")...))
			keys, err := all.of(t.Context(), o, Hop{Name: "web1"}, Prompts{})
			if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			sshConn, channels, requests, err := ssh.NewClientConn(conn, s.addr, &ssh.ClientConfig{
				User: "me", Auth: []ssh.AuthMethod{ssh.Password("secret")}, HostKeyAlgorithms: keys.algorithms(), HostKeyCallback: keys.check,
			})
			if err != nil {
				t.Fatal(err)
			}
			told := <-requests // what serve would take out
			client := ssh.NewClient(sshConn, channels, requests)
			defer client.Close()
			if err := keys.learn(sshConn, told.Payload); (err != nil) != c.fails {
				t.Errorf("got %v", err)
			}
			after, _ := os.ReadFile(file)
			if n := strings.Count(string(after), "\n") - strings.Count(string(before), "\n"); n != c.want || len(accepted) != c.want || !strings.HasPrefix(string(after), string(before)) {
				t.Errorf("%d lines and %d acceptances more, want %d:\n%s", n, len(accepted), c.want, after)
			}
		})
	}
}

// Everything else that a server asks goes where it belongs, and nothing is left
// when the connection is over.
func TestHostKey_ServePassesOtherRequestsOn(t *testing.T) {
	t.Parallel()
	keys, err := newHostKeys(nil).of(t.Context(), inventory.New(inventory.Destination{}, "web1", "me", 22, keyOptions(os.DevNull)), Hop{}, Prompts{})
	if err != nil {
		t.Fatal(err)
	}
	l := &link{}
	in := make(chan *ssh.Request)
	out := keys.serve(l, nil, in)
	go func() {
		in <- &ssh.Request{Type: "a"}
		in <- &ssh.Request{Type: hostKeysRequest}
		in <- &ssh.Request{Type: "b"}
		close(in)
	}()
	var got []string
	for r := range out {
		got = append(got, r.Type)
	}
	if fmt.Sprint(got) != "[a b]" {
		t.Errorf("got %v, want a and b", got)
	}
	l.work.Wait()
}
