package remotetest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// on runs the client with a command.
func on(t *testing.T, s *Server, host string, args ...string) (string, error) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), Program(t, "ssh"), append([]string{"-n", "-F", s.ConfigFile, "--", host}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	t.Logf("%s %q: %q %v %s", host, args, out, err, stderr.String())
	return strings.TrimSpace(string(out)), err
}

func TestServer_TakesTheCurrentUser(t *testing.T) {
	t.Parallel()
	s := Start(t, Config{Hosts: []string{"web1", "web2"}, Options: []string{"AcceptEnv X_*", "SetEnv A=b", "Match User nobody", "X11Forwarding no"}})
	for _, host := range []string{"web1", "web2"} {
		if out, err := on(t, s, host, "echo", "$A"); err != nil || out != "b" {
			t.Errorf("%s: got %q, %v", host, out, err)
		}
	}
	s.AddConfig("Host web3\n  HostName nowhere.invalid\nHost web1\n  Port 1\n")
	if _, err := on(t, s, "web1", "true"); err == nil {
		t.Error("what AddConfig added does not win")
	}
	o := s.Options("web1", "ServerAliveInterval 1", "User someone")
	if o.Port != s.Port || o.User != "someone" || o.Get("serveraliveinterval") != "1" || !o.Yes("IdentitiesOnly") {
		t.Errorf("options: got %+v", o)
	}
}

func TestServer_GivesEveryLoginShell(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{"Made": {Shells: AllShells}, "Emulated": {Shells: AllShells, emulate: true}} {
		t.Run(name, func(t *testing.T) { t.Parallel(); everyShell(t, Start(t, cfg)) })
	}
}

func everyShell(t *testing.T, s *Server) {
	for _, shell := range AllShells {
		out, err := on(t, s, "vmo-"+shell, "echo", "$SHELL", "$HOME")
		fields := strings.Fields(out)
		if err != nil || len(fields) != 2 || !strings.HasSuffix(fields[0], "/"+shell) || fields[1] != s.Home("vmo-"+shell) {
			t.Errorf("%s: got %q, %v", shell, out, err)
		}
	}
	if before, err := os.ReadFile("/etc/passwd"); err != nil || bytes.Contains(before, []byte("vmo-")) {
		t.Errorf("the users are in the system's own file: %v", err)
	}
}

func TestServer_StopsWithWhatItStarted(t *testing.T) {
	t.Parallel()
	s := Start(t, Config{})
	if _, err := on(t, s, "web1", "setsid sleep 600 >/dev/null 2>&1 & echo ok"); err != nil {
		t.Fatal(err)
	}
	if left := s.Started(); len(left) != 1 {
		t.Fatalf("started: got %v", left)
	}
	s.Restart()
	if left := s.Started(); len(left) != 0 {
		t.Errorf("after a restart: got %v", left)
	}
	if _, err := on(t, s, "web1", "true"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	c := s.Client(t, "web1")
	s.Disconnect()
	waitClosed(t, c)
}

// echo is a server that sends everything back.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	return l.Addr().String()
}

func TestProxy(t *testing.T) {
	t.Parallel()
	p := NewProxy(t, echo(t))
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", p.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	ask := func(c net.Conn, text string, within time.Duration) (string, error) {
		t.Helper()
		if _, err := io.WriteString(c, text); err != nil {
			return "", err
		}
		c.SetReadDeadline(time.Now().Add(within))
		b := make([]byte, 100)
		n, err := c.Read(b)
		return string(b[:n]), err
	}

	c := dial()
	if got, err := ask(c, "one", time.Minute); got != "one" || err != nil {
		t.Fatalf("through: got %q, %v", got, err)
	}
	p.Freeze()
	if got, err := ask(c, "two", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("frozen: got %q, %v", got, err)
	}
	p.Thaw()
	if got, err := ask(c, "", time.Minute); got != "two" || err != nil {
		t.Errorf("thawed: got %q, %v", got, err)
	}
	p.CutAfter(3)
	if got, err := ask(c, "three", time.Minute); got != "thr" || err != nil {
		t.Errorf("cut in the middle: got %q, %v", got, err)
	}
	if got, err := ask(c, "", time.Minute); err == nil {
		t.Errorf("after the cut: got %q", got)
	}
	c = dial()
	if got, err := ask(c, "four", time.Minute); got != "four" || err != nil {
		t.Errorf("another connection: got %q, %v", got, err)
	}
	p.Cut()
	if got, err := ask(c, "", time.Minute); err == nil {
		t.Errorf("cut: got %q", got)
	}
	p.Refuse(true)
	if got, err := ask(dial(), "", time.Minute); err == nil {
		t.Errorf("refused: got %q", got)
	}
	if n := p.Accepted(); n != 3 {
		t.Errorf("accepted: got %d, want 3", n)
	}
}

func TestServer_ThroughAProxy(t *testing.T) {
	t.Parallel()
	var p *Proxy
	s := Start(t, Config{Through: func(addr string) string { p = NewProxy(t, addr); return p.Addr }})
	if _, err := on(t, s, "web1", "true"); err != nil || p.Accepted() != 1 {
		t.Errorf("got %v, %d connections", err, p.Accepted())
	}
}

// Ensure a Dropbear is as good a server as sshd: it has the same names, its user
// an own home, and nothing of it is left.
func TestServer_Dropbear(t *testing.T) {
	t.Parallel()
	s := Start(t, Config{Dropbear: true, HostKeys: []string{"ecdsa"}})
	if out, err := on(t, s, "web1", `pwd; ps -o comm= -p $PPID`); err != nil || out != s.Home("web1")+"\ndropbear" {
		t.Errorf("got %q, %v", out, err)
	}
	if _, err := on(t, s, "web1", "setsid sleep 600 >/dev/null 2>&1 & echo ok"); err != nil {
		t.Fatal(err)
	}
	if left := s.Started(); len(left) != 1 {
		t.Fatalf("started: got %v", left)
	}
	c := s.Client(t, "web1")
	s.Disconnect()
	waitClosed(t, c)
	s.Restart()
	if left := s.Started(); len(left) != 0 {
		t.Errorf("after a restart: got %v", left)
	}
	if _, err := on(t, s, "web1", "true"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// Ensure a small home is full when it was filled, nothing else is, and that there
// is space again afterwards.
func TestServer_SmallHome(t *testing.T) {
	t.Parallel()
	s := Start(t, Config{SmallHome: true})
	free := s.FillHome(t)
	if out, err := on(t, s, "web1", "pwd; echo x >f"); err == nil || out != s.Home("web1") {
		t.Errorf("full: got %q, %v", out, err)
	}
	free()
	if out, err := on(t, s, "web1", "echo x >f && cat f"); err != nil || out != "x" {
		t.Errorf("freed: got %q, %v", out, err)
	}
	if files, err := os.ReadDir(s.Home("web1")); err != nil || len(files) > 0 {
		t.Errorf("the folder under it has %v, %v", files, err)
	}
}
