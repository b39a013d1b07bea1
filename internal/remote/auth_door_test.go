package remote

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/remote/remotetest"
)

// door is an SSH server in the test that lets people in, or not, and notes what
// it is shown.
type door struct {
	addr    string
	hostKey ssh.PublicKey
	config  *ssh.ServerConfig

	mu        sync.Mutex
	shown     []string // fingerprints of keys, in the order in which they came
	passwords []string
	log       []string // method and outcome of every attempt
	conns     []net.Conn
}

// newDoor makes a door that opens for some keys; nil functions of the config are
// methods it does not have.
func newDoor(t *testing.T, cfg ssh.ServerConfig, takes ...ssh.PublicKey) *door {
	t.Helper()
	d := &door{config: &cfg}
	hostKey := privateKey(t, remotetest.Keygen(t, filepath.Join(t.TempDir(), "host"), "ed25519"))
	d.hostKey = hostKey.PublicKey()
	d.config.AddHostKey(hostKey)
	if d.config.PublicKeyCallback == nil && takes != nil {
		d.config.PublicKeyCallback = d.keys(takes...)
	}
	d.config.AuthLogCallback = func(_ ssh.ConnMetadata, method string, err error) {
		d.note(&d.log, method+": "+map[bool]string{true: "yes", false: "no"}[err == nil])
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = listener.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { d.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return d
}

func (d *door) serve(conn net.Conn) {
	defer conn.Close()
	d.mu.Lock()
	d.conns = append(d.conns, conn)
	d.mu.Unlock()
	c, channels, requests, err := ssh.NewServerConn(conn, d.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		_ = ch.Reject(ssh.Prohibited, "only a door")
	}
	_ = c.Wait()
}

// slam closes every connection, whatever it is at.
func (d *door) slam() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		c.Close()
	}
}

// keys takes some keys, and notes all.
func (d *door) keys(takes ...ssh.PublicKey) func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
	return func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		d.note(&d.shown, ssh.FingerprintSHA256(key)+certMark(key))
		for _, k := range takes {
			if sameKey(k, key) {
				return nil, nil
			}
		}
		return nil, errors.New("not this one")
	}
}

func certMark(key ssh.PublicKey) string {
	if _, ok := key.(*ssh.Certificate); ok {
		return " cert"
	}
	return ""
}

func (d *door) note(list *[]string, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*list = append(*list, what)
}

func (d *door) seen(list *[]string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(*list)
}

// visitor is one who wants in: what newAuth is given.
type visitor struct {
	options map[string][]string
	prompts Prompts
	memory  *authMemory
	ctx     context.Context
	prepare func(*auth)
}

// enter makes one connection and returns what came of it. The connection is
// closed again.
func (d *door) enter(t *testing.T, v visitor) ([]Step, error) {
	t.Helper()
	host, port, _ := net.SplitHostPort(d.addr)
	number, _ := strconv.Atoi(port)
	values := map[string][]string{"identityagent": {"none"}}
	for k, vs := range v.options {
		values[strings.ToLower(k)] = vs
	}
	o := inventory.New(inventory.Destination{Alias: "web1"}, host, "deploy", number, values)
	if v.ctx == nil {
		v.ctx = t.Context()
	}
	a := newAuth(v.ctx, o, Hop{Host: "web1", Name: "web1", User: "deploy", Addr: d.addr, Number: 1, Of: 1}, v.prompts, v.memory)
	defer a.close()
	if v.prepare != nil {
		v.prepare(a)
	}
	conn, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, channels, requests, err := ssh.NewClientConn(a.watch(conn), d.addr, &ssh.ClientConfig{
		User: "deploy", AuthCallback: a.next, HostKeyCallback: ssh.FixedHostKey(d.hostKey),
	})
	err = a.explain(err)
	if err == nil {
		ssh.NewClient(c, channels, requests).Close()
	}
	return a.steps(), err
}

// privateKey reads a key without a passphrase.
func privateKey(t *testing.T, path string) ssh.Signer {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// keygen makes a key in a folder of its own.
func keygen(t *testing.T, kind string, args ...string) string {
	t.Helper()
	return remotetest.Keygen(t, filepath.Join(t.TempDir(), "id_test"), kind, args...)
}

// public reads the .pub of a key.
func public(t *testing.T, path string) ssh.PublicKey {
	t.Helper()
	pub := readPublic(path + ".pub")
	if pub == nil {
		t.Fatalf("no public key in %s.pub", path)
	}
	return pub
}

// runProgram runs one of OpenSSH's programs.
func runProgram(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), remotetest.Program(t, name), args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// startAgent starts a real ssh-agent on a socket. It ends with the test, or when
// the returned function is called.
func startAgent(t *testing.T, socket string, env ...string) (stop func()) {
	t.Helper()
	cmd := exec.Command(remotetest.Program(t, "ssh-agent"), "-D", "-a", socket)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.Remove(socket)
	})
	t.Cleanup(stop)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it listens when it has said where
		t.Fatalf("ssh-agent said %q: %v", line, err)
	}
	return stop
}

// socketPath is short enough for a socket, which that of t.TempDir may not be.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vmo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "agent")
}

// has reports whether a step of a kind contains a text.
func has(steps []Step, ok bool, what, text string) bool {
	return slices.ContainsFunc(steps, func(s Step) bool {
		return s.OK == ok && s.What == what && strings.Contains(s.Detail, text)
	})
}

func ladder(steps []Step) string { return (&ConnectError{Steps: steps}).Ladder() }

// asked answers questions for secrets from a list, and notes them.
type asked struct {
	mu      sync.Mutex
	answers []string
	got     []SecretQuestion
}

func (q *asked) secret(_ context.Context, question SecretQuestion) (string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.got = append(q.got, question)
	if len(q.answers) == 0 {
		return "", ErrRefused
	}
	answer := q.answers[0]
	q.answers = q.answers[1:]
	if answer == "" {
		return "", ErrRefused
	}
	return answer, nil
}
