package archivetest

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// Standby starts a server that follows another one and takes no writes, until it
// is promoted.
func (c *Cluster) Standby(t testing.TB) *Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "vmopg")
	if err != nil {
		t.Fatal(err)
	}
	s := &Cluster{Dir: dir, bin: c.bin}
	t.Cleanup(s.remove)
	err = giveToServer(dir)
	if err == nil {
		cmd := c.command("pg_basebackup", "-h", c.Dir, "-p", strconv.Itoa(c.Port), "-U", Admin, "-D", s.data(), "-R", "-X", "stream", "-c", "fast")
		out, berr := cmd.CombinedOutput()
		if err = berr; err != nil {
			err = fmt.Errorf("pg_basebackup: %w\n%s", err, out)
		}
	}
	if err == nil {
		err = errors.Join(s.append("postgresql.conf", "unix_socket_directories = '"+dir+"'\n"), s.launch())
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Promote makes a standby a server that takes writes.
func (c *Cluster) Promote(t testing.TB) {
	t.Helper()
	c.Exec(t, "postgres", "SELECT pg_promote()")
}
