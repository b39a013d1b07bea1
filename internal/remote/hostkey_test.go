package remote

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// keyServer is a server that counts what is sent to it before it lets anybody in.
type keyServer struct {
	addr     string
	port     int
	attempts atomic.Int32          // of logging in
	welcome  func(*ssh.ServerConn) // may be nil; called when somebody is in
	global   func(*ssh.Request)    // may be nil; instead of refusing
}

func newKeyServer(t testing.TB, s *keyServer, keys ...ssh.Signer) *keyServer {
	t.Helper()
	config := &ssh.ServerConfig{
		PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { s.attempts.Add(1); return nil, nil },
	}
	for _, k := range keys {
		config.AddHostKey(k)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr, s.port = l.Addr().String(), l.Addr().(*net.TCPAddr).Port
	var served sync.WaitGroup
	t.Cleanup(served.Wait)
	t.Cleanup(func() { _ = l.Close() })
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				c, channels, requests, err := ssh.NewServerConn(conn, config)
				if err != nil {
					return
				}
				served.Go(func() {
					for r := range requests {
						if s.global != nil {
							s.global(r)
						} else if r.WantReply {
							_ = r.Reply(false, nil)
						}
					}
				})
				if s.welcome != nil {
					s.welcome(c)
				}
				for c := range channels {
					_ = c.Reject(ssh.Prohibited, "nothing runs here")
				}
			})
		}
	})
	return s
}

func newHostKey(t testing.TB, kind string) ssh.Signer {
	t.Helper()
	var key any
	var err error
	if kind == "rsa" {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func keyText(s ssh.Signer) string {
	return s.PublicKey().Type() + " " + base64.StdEncoding.EncodeToString(s.PublicKey().Marshal())
}

// keyClient is one connection, as the pool makes it.
type keyClient struct {
	all     *hostKeys
	options map[string][]string
	prompts Prompts
	hop     Hop
	host    string // name that is looked up; empty: 127.0.0.1
}

func (c *keyClient) dial(ctx context.Context, s *keyServer) (*hopKeys, error) {
	host, port := "127.0.0.1", s.port
	if c.host != "" {
		host, port = c.host, 22
	}
	if c.hop.Number == 0 {
		c.hop = Hop{Host: "web1", Name: "web1", User: "me", Addr: s.addr, Number: 1, Of: 1}
	}
	keys, err := c.all.of(ctx, inventory.New(inventory.Destination{Alias: "web1"}, host, "me", port, c.options), c.hop, c.prompts)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	sshConn, channels, requests, err := ssh.NewClientConn(conn, s.addr, &ssh.ClientConfig{
		User: "me", Auth: []ssh.AuthMethod{ssh.Password("secret")}, HostKeyAlgorithms: keys.algorithms(), HostKeyCallback: keys.check,
	})
	if err != nil {
		return keys, err
	}
	client := ssh.NewClient(sshConn, channels, requests)
	return keys, client.Close()
}

// keyOptions are options that know only the given file.
func keyOptions(file string, more ...string) map[string][]string {
	o := map[string][]string{"userknownhostsfile": {file}, "globalknownhostsfile": {os.DevNull}}
	for i := 0; i < len(more); i += 2 {
		o[more[i]] = []string{more[i+1]}
	}
	return o
}

func knownHosts(t testing.TB, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func says(yes bool, asked *atomic.Int32) Prompts {
	return Prompts{HostKey: func(context.Context, HostKeyQuestion) (bool, error) { asked.Add(1); return yes, nil }}
}

func TestHostKey_DecisionTable(t *testing.T) {
	t.Parallel()
	host, other := newHostKey(t, "ed25519"), newHostKey(t, "ed25519")
	const (
		goOn    = "go"
		write   = "write"     // and go on
		ask     = "ask"       // yes: write and go on; no: refuse
		without = "untrusted" // go on, without passwords
		refuse  = "refuse"
	)
	states := map[string]string{
		"known":   "{name} " + keyText(host) + "\n",
		"unknown": "other " + keyText(other) + "\n",
		"changed": "{name} " + keyText(other) + "\n",
		"revoked": "@revoked * " + keyText(host) + "\n{name} " + keyText(host) + "\n",
	}
	table := map[string][4]string{ // known, unknown, changed, revoked
		"yes":        {goOn, refuse, refuse, refuse},
		"true":       {goOn, refuse, refuse, refuse},
		"ask":        {goOn, ask, refuse, refuse},
		"":           {goOn, ask, refuse, refuse},
		"accept-new": {goOn, write, refuse, refuse},
		"no":         {goOn, write, without, refuse},
		"off":        {goOn, write, without, refuse},
		"false":      {goOn, write, without, refuse},
	}
	for strict, row := range table {
		for i, state := range []string{"known", "unknown", "changed", "revoked"} {
			for _, yes := range []bool{true, false} {
				want := row[i]
				if want == ask {
					want = map[bool]string{true: write, false: refuse}[yes]
				}
				t.Run(fmt.Sprintf("%s %s, operator %v", strict, state, yes), func(t *testing.T) {
					t.Parallel()
					s := newKeyServer(t, &keyServer{}, host)
					before := strings.ReplaceAll(states[state], "{name}", fmt.Sprintf("[127.0.0.1]:%d", s.port))
					file := knownHosts(t, before)
					var asked atomic.Int32
					var accepted []AcceptedKey
					c := &keyClient{
						all:     newHostKeys(func(a AcceptedKey) { accepted = append(accepted, a) }),
						options: keyOptions(file), prompts: says(yes, &asked),
					}
					if strict != "" {
						c.options["stricthostkeychecking"] = []string{strict}
					}
					keys, err := c.dial(t.Context(), s)
					got := goOn
					content, readErr := os.ReadFile(file)
					if readErr != nil {
						t.Fatal(readErr)
					}
					switch {
					case err != nil:
						got = refuse
						var h *HostKeyError
						if !errors.As(err, &h) || string(h.Kind) != state || job.HintOf(err) == "" {
							t.Errorf("got %v with the hint %q, want a HostKeyError of kind %s with one", err, job.HintOf(err), state)
						}
						if n := s.attempts.Load(); n != 0 {
							t.Errorf("the server was sent %d log-ins", n)
						}
					case keys.untrusted():
						got = without
					case string(content) != before:
						got = write
					}
					if got != want {
						t.Errorf("got %s (%v), want %s", got, err, want)
					}
					if wasAsked := asked.Load() > 0; wasAsked != (row[i] == ask) {
						t.Errorf("asked: %v", wasAsked)
					}
					if want != write && string(content) != before {
						t.Errorf("the file became %q", content)
					}
					if told := len(accepted) == 1; told != (want == write || want == without) {
						t.Errorf("told of %+v", accepted)
					}
					for _, a := range accepted {
						if a.Fingerprint != ssh.FingerprintSHA256(host.PublicKey()) || a.Because == "" || a.At.IsZero() || (want == write) != (a.Line == 2 && a.File == file) {
							t.Errorf("told of %+v", a)
						}
					}
				})
			}
		}
	}
}

// Revoked, strict: whoever wrote what into known_hosts, ssh finds it.
func TestHostKey_AcceptedIsKnownToSSH(t *testing.T) {
	t.Parallel()
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Fatal("ssh-keygen is not installed: run make setup")
	}
	for _, hash := range []string{"yes", "no"} {
		s := newKeyServer(t, &keyServer{}, newHostKey(t, "ed25519"))
		file := filepath.Join(t.TempDir(), "new", "known_hosts")
		c := &keyClient{all: newHostKeys(nil), options: keyOptions(file, "stricthostkeychecking", "accept-new", "hashknownhosts", hash)}
		if _, err := c.dial(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), keygen, "-F", fmt.Sprintf("[127.0.0.1]:%d", s.port), "-f", file).CombinedOutput()
		if err != nil {
			t.Errorf("hashed %s: ssh-keygen -F: %v\n%s", hash, err, out)
		}
		if content, _ := os.ReadFile(file); strings.Contains(string(content), "127.0.0.1") == (hash == "yes") {
			t.Errorf("hashed %s: %s", hash, content)
		}
	}
}

func TestHostKey_ManyConnectionsAskOnce(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"yes", "no"} {
		for _, file := range []string{filepath.Join(t.TempDir(), "known_hosts"), os.DevNull} {
			t.Run(answer+" "+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				s := newKeyServer(t, &keyServer{}, newHostKey(t, "ed25519"))
				const n = 8
				var asked, waiting atomic.Int32
				others := make(chan struct{}) // closed when all the others wait
				all := newHostKeys(nil)
				prompts := Prompts{
					HostKey: func(ctx context.Context, q HostKeyQuestion) (bool, error) {
						asked.Add(1)
						select {
						case <-others:
						case <-ctx.Done():
						}
						return answer == "yes", nil
					},
					waiting: func() func() {
						if waiting.Add(1) == n-1 {
							close(others)
						}
						return func() { waiting.Add(-1) }
					},
				}
				var dials sync.WaitGroup
				for range n {
					dials.Go(func() {
						c := &keyClient{all: all, options: keyOptions(file), prompts: prompts}
						if _, err := c.dial(t.Context(), s); (err == nil) != (answer == "yes") {
							t.Errorf("got %v", err)
						}
					})
				}
				dials.Wait()
				if got := asked.Load(); got != 1 {
					t.Errorf("asked %d times, want once", got)
				}
				if got := waiting.Load(); got != 0 {
					t.Errorf("%d still said to wait", got)
				}
				if answer == "yes" { // also when no file keeps it, a connection in the background asks nobody
					c := &keyClient{all: all, options: keyOptions(file)}
					if _, err := c.dial(t.Context(), s); err != nil {
						t.Errorf("later: %v", err)
					}
				}
			})
		}
	}
}

func TestHostKey_WhoAsksMayGiveUpAndTheNextOneAsks(t *testing.T) {
	t.Parallel()
	s := newKeyServer(t, &keyServer{}, newHostKey(t, "ed25519"))
	all := newHostKeys(nil)
	file := filepath.Join(t.TempDir(), "known_hosts")
	first, giveUp := context.WithCancel(t.Context())
	asked := make(chan struct{})
	var dials sync.WaitGroup
	dials.Go(func() {
		c := &keyClient{all: all, options: keyOptions(file), prompts: Prompts{HostKey: func(ctx context.Context, q HostKeyQuestion) (bool, error) {
			close(asked)
			<-ctx.Done()
			return false, ctx.Err()
		}}}
		if _, err := c.dial(first, s); !errors.Is(err, context.Canceled) {
			t.Errorf("the first one: got %v, want that it was cancelled", err)
		}
	})
	<-asked
	dials.Go(func() {
		c := &keyClient{all: all, options: keyOptions(file), prompts: Prompts{
			HostKey: func(context.Context, HostKeyQuestion) (bool, error) { return true, nil },
			waiting: func() func() { giveUp(); return func() {} },
		}}
		if _, err := c.dial(t.Context(), s); err != nil {
			t.Errorf("the second one: %v", err)
		}
	})
	dials.Wait()
}

func TestHostKey_AWaitingConnectionCanBeCancelled(t *testing.T) {
	t.Parallel()
	s := newKeyServer(t, &keyServer{}, newHostKey(t, "ed25519"))
	all := newHostKeys(nil)
	file := filepath.Join(t.TempDir(), "known_hosts")
	asked, answer := make(chan struct{}), make(chan struct{})
	var dials sync.WaitGroup
	dials.Go(func() {
		c := &keyClient{all: all, options: keyOptions(file), prompts: Prompts{HostKey: func(context.Context, HostKeyQuestion) (bool, error) {
			close(asked)
			<-answer
			return true, nil
		}}}
		if _, err := c.dial(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	c := &keyClient{all: all, options: keyOptions(file), prompts: Prompts{
		HostKey: func(context.Context, HostKeyQuestion) (bool, error) { return true, nil },
		waiting: func() func() { cancel(); return func() {} },
	}}
	if _, err := c.dial(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	close(answer)
	dials.Wait()
}

func TestHostKey_AsksWithEverythingThatHelps(t *testing.T) {
	t.Parallel()
	host := newHostKey(t, "ed25519")
	s := newKeyServer(t, &keyServer{}, host)
	file := knownHosts(t, "web2,10.0.0.2 "+keyText(host)+"\n")
	var got HostKeyQuestion
	c := &keyClient{all: newHostKeys(nil), options: keyOptions(file), hop: Hop{Host: "web1", Name: "bastion", Number: 1, Of: 2},
		prompts: Prompts{HostKey: func(_ context.Context, q HostKeyQuestion) (bool, error) { got = q; return true, nil }}}
	if _, err := c.dial(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	want := HostKeyQuestion{Hop: c.hop, Type: "ssh-ed25519", Fingerprint: ssh.FingerprintSHA256(host.PublicKey()), File: file,
		Others: []string{"web2,10.0.0.2 (" + file + ":1)"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestHostKey_NobodyToAskIsARefusal(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	for name, c := range map[string]*keyClient{
		"no prompt": {options: map[string][]string{}},
		"BatchMode": {options: map[string][]string{"batchmode": {"yes"}}, prompts: says(true, &asked)},
	} {
		s := newKeyServer(t, &keyServer{}, newHostKey(t, "ed25519"))
		c.all = newHostKeys(nil)
		for k, v := range keyOptions(filepath.Join(t.TempDir(), "known_hosts")) {
			c.options[k] = v
		}
		var h *HostKeyError
		if _, err := c.dial(t.Context(), s); !errors.As(err, &h) || h.Kind != HostKeyUnknown || !errors.Is(err, ErrRefused) || !isHostKey(err) {
			t.Errorf("%s: got %v, want an unknown host key that nobody was asked about", name, err)
		}
	}
	if asked.Load() != 0 {
		t.Error("was asked in BatchMode")
	}
}

// x/crypto would negotiate ECDSA or RSA with a server that has them, and take the
// ED25519 key that ssh has written down for another one.
func TestHostKey_TheKnownTypeIsNegotiated(t *testing.T) {
	t.Parallel()
	ed, rsa := newHostKey(t, "ed25519"), newHostKey(t, "rsa")
	for _, known := range []ssh.Signer{ed, rsa} {
		s := newKeyServer(t, &keyServer{}, ed, rsa)
		file := knownHosts(t, fmt.Sprintf("[127.0.0.1]:%d %s\n", s.port, keyText(known)))
		c := &keyClient{all: newHostKeys(nil), options: keyOptions(file, "stricthostkeychecking", "yes")}
		if _, err := c.dial(t.Context(), s); err != nil {
			t.Errorf("%s is known: %v", known.PublicKey().Type(), err)
		}
	}
}

func TestHostKey_AHostThatLostItsKnownTypeHasChanged(t *testing.T) {
	t.Parallel()
	s := newKeyServer(t, &keyServer{}, newHostKey(t, "rsa"))
	name := fmt.Sprintf("[127.0.0.1]:%d", s.port)
	file := knownHosts(t, "# c\n"+name+" "+keyText(newHostKey(t, "ed25519"))+"\n")
	c := &keyClient{all: newHostKeys(nil), options: keyOptions(file)}
	_, err := c.dial(t.Context(), s)
	var h *HostKeyError
	if !errors.As(err, &h) || h.Kind != HostKeyChanged || fmt.Sprint(h.Places) != "["+file+":2]" {
		t.Fatalf("got %v, want that it has changed, by %s:2", err, file)
	}
	if !strings.Contains(err.Error(), file+":2") || !strings.Contains(job.HintOf(err), "ssh-keygen -f "+file+" -R '"+name+"'") {
		t.Errorf("says %q with the hint %q", err, job.HintOf(err))
	}
	// What the hint says helps, and so does our own way.
	if removed, err := ForgetHostKey(inventory.New(inventory.Destination{}, "127.0.0.1", "", s.port, c.options)); err != nil || len(removed) != 1 {
		t.Fatal(err)
	}
	c.options["stricthostkeychecking"] = []string{"accept-new"}
	if _, err := c.dial(t.Context(), s); err != nil {
		t.Errorf("after it was removed: %v", err)
	}
}

func TestHostKey_NoCommonAlgorithmNamesBothLists(t *testing.T) {
	t.Parallel()
	c := &keyClient{all: newHostKeys(nil), options: keyOptions(os.DevNull, "hostkeyalgorithms", "ssh-future,ssh-xmss@openssh.com")}
	_, err := c.dial(t.Context(), &keyServer{})
	if err == nil || !strings.Contains(err.Error(), "ssh-future,ssh-xmss@openssh.com") || !strings.Contains(err.Error(), "ssh-ed25519") {
		t.Errorf("got %v, want both lists", err)
	}
}

func TestHostKey_Algorithms(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":                             strings.Join(defaultHostKeys, ","),
		"ssh-rsa,ssh-ed25519,x":        "ssh-rsa,ssh-ed25519",
		"+ssh-rsa":                     strings.Join(defaultHostKeys, ",") + ",ssh-rsa",
		"^ssh-ed25519":                 "ssh-ed25519," + strings.Replace(strings.Join(defaultHostKeys, ","), ",ssh-ed25519,", ",", 1),
		"-*cert*,ecdsa-*,rsa-sha2-256": "ssh-ed25519,rsa-sha2-512",
	} {
		got, err := hostKeyAlgorithms(inventory.New(inventory.Destination{}, "", "", 22, map[string][]string{"hostkeyalgorithms": {value}}))
		if err != nil || strings.Join(got, ",") != want {
			t.Errorf("%q: got %v, %v\nwant %s", value, got, err, want)
		}
	}
}

func TestHostKey_LocalhostOnlyWhenItIsThisMachine(t *testing.T) {
	t.Parallel()
	other := newHostKey(t, "ed25519")
	for _, c := range []struct {
		name    string
		options []string
		hop     int
		want    bool
	}{
		{"direct", nil, 1, true},
		{"through a jump host", nil, 2, false},
		{"through a program", []string{"proxycommand", "nc %h %p"}, 1, false},
		{"by an alias", []string{"hostkeyalias", "web1"}, 1, false},
	} {
		s := newKeyServer(t, &keyServer{}, newHostKey(t, "ed25519"))
		file := knownHosts(t, fmt.Sprintf("[127.0.0.1]:%d,web1 %s\n", s.port, keyText(other)))
		k := &keyClient{all: newHostKeys(nil), options: keyOptions(file, append(c.options, "nohostauthenticationforlocalhost", "yes")...),
			hop: Hop{Host: "web1", Name: "web1", Number: c.hop, Of: c.hop}}
		if _, err := k.dial(t.Context(), s); (err == nil) != c.want {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestHostKey_UnreadableRevocationsRefuseEveryKey(t *testing.T) {
	t.Parallel()
	host := newHostKey(t, "ed25519")
	for name, file := range map[string]string{"missing": filepath.Join(t.TempDir(), "none-there"), "binary": knownHosts(t, "SSHKRL\n\x00")} {
		s := newKeyServer(t, &keyServer{}, host)
		known := knownHosts(t, fmt.Sprintf("[127.0.0.1]:%d %s\n", s.port, keyText(host)))
		c := &keyClient{all: newHostKeys(nil), options: keyOptions(known, "revokedhostkeys", file, "stricthostkeychecking", "no")}
		var h *HostKeyError
		if _, err := c.dial(t.Context(), s); !errors.As(err, &h) || h.Kind != HostKeyRejected || job.HintOf(err) == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestHostKey_WeakRSA(t *testing.T) {
	t.Parallel()
	host := newHostKey(t, "rsa") // 2048 bits
	for size, want := range map[string]bool{"": true, "2048": true, "3072": false} {
		s := newKeyServer(t, &keyServer{}, host)
		known := knownHosts(t, fmt.Sprintf("[127.0.0.1]:%d %s\n", s.port, keyText(host)))
		c := &keyClient{all: newHostKeys(nil), options: keyOptions(known, "requiredrsasize", size)}
		if _, err := c.dial(t.Context(), s); (err == nil) != want {
			t.Errorf("%q: got %v", size, err)
		}
	}
}

func TestHostKey_ACertificateThatDoesNotCountSaysWhy(t *testing.T) {
	t.Parallel()
	host, authority := newHostKey(t, "ed25519"), newHostKey(t, "ed25519")
	cert := &ssh.Certificate{Key: host.PublicKey(), CertType: ssh.HostCert, ValidBefore: uint64(time.Now().Add(-time.Hour).Unix())}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(cert, host)
	if err != nil {
		t.Fatal(err)
	}
	s := newKeyServer(t, &keyServer{}, signer)
	c := &keyClient{all: newHostKeys(nil), options: keyOptions(knownHosts(t, "@cert-authority * "+keyText(authority)+"\n"))}
	if _, err := c.dial(t.Context(), s); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("got %v, want that it has expired", err)
	}
}

// Ensure a blank in a name is part of it, and none is no file.
func TestHostKey_FilesWithBlanks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ values, want []string }{
		{[]string{"{}/a b", "{}/new"}, []string{"{}/a b", "{}/new"}},
		{[]string{"none"}, nil},
		{[]string{""}, nil},
	} {
		in := strings.Split(strings.ReplaceAll(strings.Join(c.values, "\n"), "{}", dir), "\n")
		want := strings.ReplaceAll(strings.Join(c.want, "\n"), "{}", dir)
		if got := strings.Join(fileList(in), "\n"); got != want {
			t.Errorf("%q: got %q, want %q", c.values, got, want)
		}
	}
	if f := hostKeyFiles(inventory.New(inventory.Destination{}, "", "", 22, nil)); len(f.User) != 2 || len(f.Global) != 2 || len(f.Revoked) != 0 {
		t.Errorf("by default %+v", f)
	}
	if f := hostKeyFiles(inventory.New(inventory.Destination{}, "", "", 22, map[string][]string{"userknownhostsfile": {"none"}})); len(f.User) != 0 {
		t.Errorf("with none %+v", f)
	}
}

func TestHostKey_StaysAcceptedWhenTheConnectionChangesItsKeys(t *testing.T) {
	t.Parallel()
	host, other := newHostKey(t, "ed25519"), newHostKey(t, "ed25519")
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int32
	o := inventory.New(inventory.Destination{Alias: "web1"}, "web1", "me", 22, keyOptions(os.DevNull))
	keys, err := newHostKeys(nil).of(ctx, o, Hop{Name: "web1"}, says(true, &asked))
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.check("", nil, host.PublicKey()); err != nil {
		t.Fatal(err)
	}
	cancel() // the handshake is over
	if err := keys.check("", nil, host.PublicKey()); err != nil || asked.Load() != 1 {
		t.Errorf("the same key: got %v, asked %d times", err, asked.Load())
	}
	if err := keys.check("", nil, other.PublicKey()); err == nil {
		t.Error("another key is accepted")
	}
}
