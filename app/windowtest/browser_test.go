//go:build window

package windowtest

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serve starts the development build, whose page any browser can show.
func serve(t *testing.T) (address string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "dev")
	build := exec.Command("go", "build", "-tags", "dev,webkit2_41", "-o", binary, "vmorchestrator")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	home := t.TempDir()
	cmd := exec.Command(binary, filepath.Join(root, "build", "sample"))
	cmd.Env = append(os.Environ(), "DISPLAY="+screen(t), "HOME="+home, "XDG_CONFIG_HOME="+home+"/config", "XDG_CACHE_HOME="+home+"/cache",
		"XDG_DATA_HOME="+home+"/data", "VMO_DATA_DIR="+home+"/journal", "DBUS_SESSION_BUS_ADDRESS=disabled:", "NO_AT_BRIDGE=1",
		"assetdir="+filepath.Join(root, "frontend", "dist"), "devserver="+address, "loglevel=Error")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the development build said:\n%s", log.String())
		}
	})
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if resp, err := http.Get("http://" + address + "/"); err == nil {
			resp.Body.Close()
			return address
		}
	}
	t.Fatal("the development build serves no page")
	return ""
}

// Ensure the page works in an ordinary browser on the real backend.
func TestBrowser_TheWholeWindow(t *testing.T) {
	address := serve(t)
	cmd := exec.Command("npx", "playwright", "test")
	cmd.Dir = filepath.Join("..", "..", "frontend")
	cmd.Env = append(os.Environ(), "VMO_URL=http://"+address)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// Ensure a page of another origin, or one that reaches us by a name of its own,
// can neither call a bound method nor read a record.
func TestBrowser_OtherOriginsAreRefused(t *testing.T) {
	address := serve(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, origin string
		want         int
	}{
		{address, "http://" + address, http.StatusSwitchingProtocols},
		{"localhost:" + port, "http://localhost:" + port, http.StatusSwitchingProtocols},
		{address, "http://evil.example", http.StatusForbidden},
		{address, "", http.StatusForbidden},
		{address, "null", http.StatusForbidden},
		{address, "http://localhost:1", http.StatusForbidden},
		{"evil.example", "http://evil.example", http.StatusForbidden},
	} {
		if got := handshake(t, address, "/wails/ipc", c.host, c.origin); got != c.want {
			t.Errorf("web socket with host %q and origin %q: %d, want %d", c.host, c.origin, got, c.want)
		}
	}
	for _, path := range []string{"/", "/journal/lines?job=x&from=0"} {
		r, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "evil.example:" + port
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("GET %s with host %q: %d", path, r.Host, resp.StatusCode)
		}
	}
}

func handshake(t *testing.T, address, path, host, origin string) int {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", path, host)
	if origin != "" {
		fmt.Fprintf(&b, "Origin: %s\r\n", origin)
	}
	b.WriteString("\r\n")
	if _, err := c.Write([]byte(b.String())); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
