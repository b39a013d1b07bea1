//go:build unix

package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/process/processtest"
	"vmorchestrator/internal/remote/remotetest"
)

// echo is a server that gives back what it is sent, and ends when its client has
// said all: who reads to the end sees that the ends of both directions arrive. It
// returns its address.
func echo(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	over, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				defer context.AfterFunc(over, func() { c.Close() })()
				got, _ := io.ReadAll(c) // a client that was cut off gets what it had sent
				_, _ = c.Write(append([]byte("echo "), got...))
			})
		}
	})
	t.Cleanup(func() { stop(); l.Close(); all.Wait() })
	return l.Addr().String()
}

// said is what a tunnel has told.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) say(_ TunnelNews, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// until waits for a line and returns what its groups match.
func (s *said) until(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if m := re.FindStringSubmatch(s.String()); m != nil {
			return m[1:]
		}
		if time.Now().After(end) {
			t.Fatalf("%q is not said in\n%s", pattern, s)
		}
	}
}

// tunnel opens forwards to web1, written as the options of ssh.
func tunnel(t *testing.T, p *Pool, stays bool, flags ...string) (*Tunnel, *said) {
	t.Helper()
	out := &said{}
	tn, err := p.Tunnel(within(t, time.Minute), web1, TunnelConfig{Forwards: forwards(t, flags...), Stays: stays, Say: out.say})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { closeTunnel(t, tn) })
	return tn, out
}

func forwards(t *testing.T, flags ...string) (all []inventory.Forward) {
	t.Helper()
	kinds := map[string]string{"-L": inventory.ForwardLocal, "-R": inventory.ForwardRemote, "-D": inventory.ForwardDynamic}
	for i := 0; i < len(flags); i += 2 {
		f, err := inventory.ParseForward(kinds[flags[i]], flags[i+1])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

func closeTunnel(t *testing.T, tn *Tunnel) {
	t.Helper()
	tn.Close()
	processtest.Await(t, "the end of the tunnel", tn.Done())
}

// speak sends words and returns all that comes back.
func speak(t *testing.T, network, address string, words ...string) string {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, w := range words {
		if _, err := c.Write([]byte(w)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("after %q: %v", got, err)
	}
	return string(got)
}

// refuses waits until nothing listens there any more.
func refuses(t *testing.T, network, address string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial(network, address)
		if err != nil {
			return
		}
		c.Close()
		if time.Now().After(end) {
			t.Fatalf("something listens on %s", address)
		}
	}
}

// engines runs a test over both engines.
func engines(t *testing.T, test func(t *testing.T, engine string)) {
	t.Parallel()
	for _, engine := range []string{EngineBuiltIn, EngineOpenSSH} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, engine)
		})
	}
}

// Ensure a local port leads to a port that the host reaches, with both ends of each
// connection, that it is said what came and went, and that it is closed with the
// tunnel, and what goes through it.
func TestTunnel_Local(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		p := opensshPool(t, remotetest.Start(t, remotetest.Config{}), engine, Prompts{})
		to := echo(t, "tcp", "127.0.0.1:0")
		tn, out := tunnel(t, p, true, "-L", "0:"+to)
		at := out.until(t, `listening on (127\.0\.0\.1:\d+)(?: and \S+)?, leads to `+to+` from web1$`)[0]
		big := strings.Repeat("0123456789abcdef", 1<<16)
		if got := speak(t, "tcp", at, big); got != "echo "+big {
			t.Errorf("got %d bytes", len(got))
		}
		from := out.until(t, fmt.Sprintf(`^(127\.0\.0\.1:\d+) -> %s: closed after \S+, %d bytes sent, %d received$`, to, len(big), len(big)+5))[0]
		if !strings.Contains(out.String(), from+" -> "+to+": opened\n") {
			t.Errorf("not said that it was opened:\n%s", out)
		}
		left, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer left.Close()
		out.until(t, fmt.Sprintf(`%v -> %s: opened`, left.LocalAddr(), to))
		closeTunnel(t, tn)
		refuses(t, "tcp", at)
		if err := left.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := left.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("what went through it: got %d bytes, %v", n, err)
		}
		if tn.Err() != nil {
			t.Errorf("it ended by itself: %v", tn.Err())
		}
	})
}

// Ensure that a port nobody listens on is said with what the host says, and costs
// nothing else.
func TestTunnel_NobodyThere(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		p := opensshPool(t, remotetest.Start(t, remotetest.Config{}), engine, Prompts{})
		_, out := tunnel(t, p, true, "-L", "0:127.0.0.1:1")
		at := out.until(t, `listening on (127\.0\.0\.1:\d+)`)[0]
		for range 2 {
			if got := speak(t, "tcp", at); got != "" {
				t.Errorf("got %q", got)
			}
		}
		out.until(t, `127\.0\.0\.1:1: web1 cannot connect to 127\.0\.0\.1:1: .*[Cc]on`)
	})
}

// Ensure that a SOCKS port leads to wherever its client asks, in all versions of
// the protocol that ssh knows, and that what is no SOCKS is refused.
func TestTunnel_Dynamic(t *testing.T) {
	t.Parallel()
	p := poolFor(t, remotetest.Start(t, remotetest.Config{}))
	to := echo(t, "tcp", "127.0.0.1:0")
	_, out := tunnel(t, p, true, "-D", "0")
	at := out.until(t, `listening on (127\.0\.0\.1:\d+)`)[0]
	raw := func(bytes ...byte) string { return string(bytes) }
	port := raw(byte(mustPort(t, to)>>8), byte(mustPort(t, to)))
	for name, c := range map[string]struct{ send, want string }{
		"4":                 {"\x04\x01" + port + "\x7f\x00\x00\x01me\x00hello", "\x00\x5a\x00\x00\x00\x00\x00\x00echo hello"},
		"4a":                {"\x04\x01" + port + "\x00\x00\x00\x01\x00localhost\x00hello", "\x00\x5a\x00\x00\x00\x00\x00\x00echo hello"},
		"5, an address":     {"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + port + "hello", "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00echo hello"},
		"5, a name":         {"\x05\x02\x02\x00\x05\x01\x00\x03\x09localhost" + port + "hello", "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00echo hello"},
		"5, nobody there":   {"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01", "\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"},
		"4, nobody there":   {"\x04\x01\x00\x01\x7f\x00\x00\x01\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00"},
		"5, with passwords": {"\x05\x01\x02", "\x05\xff"},
		"5, to be called":   {"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01" + port, "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},
		"no SOCKS":          {"GET / HTTP/1.1\r\n", ""},
		"too little":        {"\x05\x01\x00\x05\x01", "\x05\x00"},
	} {
		if got := strings.TrimSpace(speakRaw(t, at, c.send)); got != strings.TrimSpace(c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	out.until(t, `does not speak SOCKS`)
	out.until(t, `SOCKS with authentication is not supported`)
	out.until(t, `SOCKS command 2 is not supported`)
	out.until(t, `left before it had said where to connect`)
	out.until(t, `-> localhost:\d+: closed after \S+, 5 bytes sent, 10 received`)
}

// speakRaw is speak with somebody who may cut the line.
func speakRaw(t *testing.T, address, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte(text))
	_ = c.(*net.TCPConn).CloseWrite() // it may be cut already
	var got bytes.Buffer
	_, err = io.Copy(&got, c)
	if os.IsTimeout(err) {
		t.Errorf("%q: no answer", text)
	}
	return got.String()
}

func mustPort(t *testing.T, address string) int {
	t.Helper()
	_, port, err := splitAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	return int(port)
}

// Ensure a port of the host leads to one that this machine reaches, to whatever is
// asked for when it is a SOCKS port, and is closed with the tunnel.
func TestTunnel_Remote(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		p := opensshPool(t, remotetest.Start(t, remotetest.Config{}), engine, Prompts{})
		to := echo(t, "tcp", "127.0.0.1:0")
		tn, out := tunnel(t, p, true, "-R", "0:"+to, "-R", "127.0.0.1:0", "-R", "0:127.0.0.1:1")
		at := "127.0.0.1:" + out.until(t, `listening on (\d+) of web1, leads to `+to+` from this machine`)[0]
		big := strings.Repeat("0123456789abcdef", 1<<14)
		if got := speak(t, "tcp", at, big); got != "echo "+big {
			t.Errorf("got %d bytes", len(got))
		}
		out.until(t, fmt.Sprintf(`of web1 -> %s: closed after \S+, %d bytes sent, %d received`, to, len(big)+5, len(big)))
		socks := out.until(t, `listening on (127\.0\.0\.1:\d+) of web1, leads to whatever is asked for by SOCKS`)[0]
		n := mustPort(t, to)
		if got := speakRaw(t, socks, "\x04\x01"+string([]byte{byte(n >> 8), byte(n)})+"\x7f\x00\x00\x01\x00hello"); !strings.HasSuffix(got, "echo hello") {
			t.Errorf("got %q", got)
		}
		nobody := "127.0.0.1:" + out.until(t, `listening on (\d+) of web1, leads to 127\.0\.0\.1:1 `)[0]
		speakRaw(t, nobody, "")
		out.until(t, `cannot connect to 127\.0\.0\.1:1 from this machine: connection refused`)
		closeTunnel(t, tn)
		refuses(t, "tcp", at)
		refuses(t, "tcp", socks)
		if _, _, _, err := p.Output(within(t, time.Minute), web1, []string{"true"}, nil, 0); err != nil {
			t.Errorf("the connection afterwards: %v", err)
		}
	})
}

// Ensure sockets lead to sockets and ports, in both directions, only for this user,
// and that they are gone with the tunnel.
func TestTunnel_Sockets(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		s := remotetest.Start(t, remotetest.Config{Options: []string{"StreamLocalBindUnlink yes"}})
		p := opensshPool(t, s, engine, Prompts{})
		here, there := filepath.Join(s.Dir, "here"), filepath.Join(s.Dir, "there")
		to := echo(t, "unix", filepath.Join(s.Dir, "echo"))
		tcp := echo(t, "tcp", "127.0.0.1:0")
		tn, out := tunnel(t, p, true, "-L", here+":"+to, "-R", there+":"+tcp, "-L", "0:"+to)
		out.until(t, `listening on `+here+`, leads to `+to)
		if got := speak(t, "unix", here, "hello"); got != "echo hello" {
			t.Errorf("got %q", got)
		}
		if got := speak(t, "unix", there, "hello"); got != "echo hello" {
			t.Errorf("got %q", got)
		}
		if got := speak(t, "tcp", out.until(t, `listening on (127\.0\.0\.1:\d+)`)[0], "hello"); got != "echo hello" {
			t.Errorf("got %q", got)
		}
		if info, err := os.Stat(here); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket is %v, %v", info.Mode(), err)
		}
		closeTunnel(t, tn)
		refuses(t, "unix", here)
		refuses(t, "unix", there)
		if left, err := filepath.Glob(filepath.Join(s.Dir, "*here*")); err != nil || len(left) > 1 || len(left) == 1 && left[0] == here {
			t.Errorf("left are %v, %v", left, err)
		}
	})
}

// Ensure a port that is taken is named, that the others are opened all the same, but
// not with ExitOnForwardFailure, nor when none is left.
func TestTunnel_BusyPort(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	to := echo(t, "tcp", "127.0.0.1:0")
	sock := echo(t, "unix", filepath.Join(s.Dir, "taken"))
	p := poolFor(t, s)
	_, out := tunnel(t, p, true, "-L", to+":db:1", "-L", sock+":db:1", "-R", to+":db:1", "-L", "0:"+to)
	for _, want := range []string{
		`cannot listen on ` + to + `: address already in use`,
		`cannot listen on ` + sock + `: address already in use`,
		`web1 refused to listen on ` + to,
	} {
		out.until(t, "^"+want)
	}
	if got := speak(t, "tcp", out.until(t, `listening on (127\.0\.0\.1:\d+)`)[0], "hello"); got != "echo hello" {
		t.Errorf("got %q", got)
	}
	for name, c := range map[string]struct{ option, other string }{"ExitOnForwardFailure": {"ExitOnForwardFailure yes", "0"}, "none is left": {"ExitOnForwardFailure no", to}} {
		p, out := poolFor(t, s, c.option), &said{}
		fs := forwards(t, "-L", c.other+":db:1", "-L", to+":db:1")
		if _, err := p.Tunnel(within(t, time.Minute), web1, TunnelConfig{Forwards: fs, Say: out.say}); err == nil || !strings.Contains(err.Error(), "cannot listen on "+to) {
			t.Errorf("%s: got %v", name, err)
		}
		if m := regexp.MustCompile(`listening on (127[^ ,]+)`).FindStringSubmatch(out.String()); m != nil {
			refuses(t, "tcp", m[1])
		}
	}
}

// Ensure a server that allows no forwards is said to.
func TestTunnel_Refused(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		p := opensshPool(t, remotetest.Start(t, remotetest.Config{Options: []string{"AllowTcpForwarding no"}}), engine, Prompts{})
		to := echo(t, "tcp", "127.0.0.1:0")
		_, out := tunnel(t, p, true, "-R", "0:"+to, "-L", "0:"+to)
		out.until(t, `^web1 refused to listen on 0`)
		if got := speakRaw(t, out.until(t, `listening on (127\.0\.0\.1:\d+)`)[0], "hello"); got != "" {
			t.Errorf("got %q", got)
		}
		out.until(t, `web1 does not allow it \(AllowTcpForwarding`)
	})
}

// Ensure ports are for this machine alone unless the configuration says otherwise.
func TestTunnel_Addresses(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	for _, c := range []struct{ options, listen, want string }{
		{"", "0", `127\.0\.0\.1:`},
		{"", "localhost:0", `127\.0\.0\.1:`},
		{"GatewayPorts yes", "0", `(\[::\]|0\.0\.0\.0):`},
		{"GatewayPorts yes", "localhost:0", `127\.0\.0\.1:`},
		{"", "*:0", `(\[::\]|0\.0\.0\.0):`},
		{"AddressFamily inet", "*:0", `0\.0\.0\.0:`},
		{"", "127.0.0.2:0", `127\.0\.0\.2:`},
	} {
		var extra []string
		if c.options != "" {
			extra = []string{c.options}
		}
		_, out := tunnel(t, poolFor(t, s, extra...), true, "-D", c.listen)
		if first, _, _ := strings.Cut(out.String(), "\n"); !regexp.MustCompile("^listening on " + c.want).MatchString(first) {
			t.Errorf("%q, %s: %s", c.options, c.listen, out)
		}
	}
}

// Ensure a tunnel outlives its connection: what listens here stays, says that there
// is no connection while there is none, and leads to the host again after that,
// as does what listens there.
func TestTunnel_StaysWhenTheLinkIsLost(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	p := poolFor(t, s)
	to := echo(t, "tcp", "127.0.0.1:0")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	there := taken.Addr().String()
	taken.Close()
	_, out := tunnel(t, p, true, "-L", "0:"+to, "-R", there+":"+to)
	at := out.until(t, `listening on (127\.0\.0\.1:\d+)`)[0]
	through, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer through.Close()
	out.until(t, fmt.Sprintf(`%v -> %s: opened`, through.LocalAddr(), to))
	proxy.Refuse(true)
	proxy.Cut()
	out.until(t, `the connection to web1 was lost`)
	out.until(t, fmt.Sprintf(`%v -> %s: closed`, through.LocalAddr(), to))
	if got := speakRaw(t, at, ""); got != "" {
		t.Errorf("got %q", got)
	}
	out.until(t, `there is no connection to web1 now`)
	proxy.Refuse(false)
	p.NetworkChanged() // or it would take its time
	out.until(t, `connected to web1 again`)
	if got := speak(t, "tcp", at, "hello"); got != "echo hello" {
		t.Errorf("got %q", got)
	}
	for end := time.Now().Add(30 * time.Second); strings.Count(out.String(), "listening on "+there+" of web1") < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the host does not listen again:\n%s", out)
		}
	}
	if got := speak(t, "tcp", there, "hello"); got != "echo hello" {
		t.Errorf("got %q", got)
	}
}

// Ensure a tunnel that does not stay ends with its connection, and says why.
func TestTunnel_EndsWithTheLink(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	p := poolFor(t, s)
	tn, out := tunnel(t, p, false, "-D", "0")
	at := out.until(t, `listening on (127\.0\.0\.1:\d+)`)[0]
	proxy.Cut()
	processtest.Await(t, "the end", tn.Done())
	if tn.Err() == nil || !strings.Contains(tn.Err().Error(), "the connection to web1 was lost") {
		t.Errorf("got %v", tn.Err())
	}
	refuses(t, "tcp", at)
}

// Ensure a tunnel can be closed while nothing passes on its connection any more.
func TestTunnel_CloseOnAFrozenLink(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	p := poolFor(t, s)
	to := echo(t, "tcp", "127.0.0.1:0")
	tn, out := tunnel(t, p, true, "-L", "0:"+to, "-R", "0:"+to)
	at := out.until(t, `listening on (127\.0\.0\.1:\d+)`)[0]
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out.until(t, fmt.Sprintf(`%v -> %s: opened`, c.LocalAddr(), to))
	proxy.Freeze()
	go func() { _, _ = io.Copy(c, endless{}) }() // until it is closed
	closeTunnel(t, tn)
	refuses(t, "tcp", at)
	p.Disconnect(web1)
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// Ensure a server that says it accepted what nobody asked for gets nowhere.
func TestTunnel_NothingThatWasNotAskedFor(t *testing.T) {
	t.Parallel()
	r := &reverse{}
	a := &wished{host: "localhost", port: 80}
	b := &wished{host: "", port: 81}
	c := &wished{path: "/run/x"}
	r.add(a)
	r.add(b)
	r.add(c)
	for _, q := range []struct {
		host string
		port uint32
		path string
		want *wished
	}{
		{"localhost", 80, "", a}, {"127.0.0.1", 80, "", a}, {"0.0.0.0", 81, "", b}, {"", 0, "/run/x", c},
		{"localhost", 82, "", nil}, {"", 0, "/run/y", nil}, {"", 0, "", nil},
	} {
		if got := r.find(q.host, q.port, q.path); got != q.want {
			t.Errorf("%+v: got %+v", q, got)
		}
	}
	r.remove(a)
	if r.find("localhost", 80, "") != nil {
		t.Error("what is not wished any more is found")
	}
}
