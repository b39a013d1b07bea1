package archivetest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Pooler starts PgBouncer before the server, with two connections for all
// clients of a user, each of which is given to another after every transaction.
// It returns where it listens for a login of the server.
func (c *Cluster) Pooler(t testing.TB, login, password string) (addr string) {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			t.Fatal("there is no PgBouncer on this machine, and this test needs a real one: apt install pgbouncer")
		}
	}
	dir, err := os.MkdirTemp("", "vmopool")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	users := fmt.Sprintf("%q %q\n", login, password)
	ini := fmt.Sprintf("[databases]\n* = host=%s port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\n"+
		"auth_type = scram-sha-256\nauth_file = %s/users\npool_mode = transaction\ndefault_pool_size = 2\nserver_login_retry = 1\n", c.Dir, c.Port, port, dir)
	for name, text := range map[string]string{"users": users, "ini": ini} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil { // it is read by a user that is not root
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(program, filepath.Join(dir, "ini"))
	cmd.Stdout, cmd.Stderr = &said, &said
	asServer(cmd)
	withParent(cmd)
	exited, started := make(chan struct{}), make(chan error)
	go func() {
		startAndWait(cmd, started)
		close(exited)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-exited
	})
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for over := time.After(startTimeout); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return addr
		}
		select {
		case <-exited:
			t.Fatalf("PgBouncer has ended:\n%s", said.String())
		case <-over:
			t.Fatalf("PgBouncer does not answer after %v: %v", startTimeout, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
