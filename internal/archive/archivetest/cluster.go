// Package archivetest runs a real Postgres for tests: a cluster in a folder of
// its own, never as root, that ends with the test or the test binary.
//
// [Shared] is for most tests: one cluster for the whole binary, in which each
// test makes a database. [New] is for tests that stop, kill or fill theirs. The
// binary's TestMain calls [Stop] when its tests are done.
package archivetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Admin is the superuser of every cluster. Through the socket it needs no
// password; nobody does. Through TCP everybody needs one.
const Admin = "postgres"

// startTimeout bounds how long a server may take to answer, on a busy machine
// and after a crash.
const startTimeout = 60 * time.Second

// Cluster is a Postgres server with its data.
type Cluster struct {
	Dir  string // of everything: data, socket, log
	Port int    // on 127.0.0.1, and in the name of the socket

	bin      string
	settings []string
	small    int // megabytes of a disk of its own; see Small
	cmd      *exec.Cmd
	exited   chan struct{}
	counter  atomic.Int64
}

var shared struct {
	sync.Mutex
	cluster *Cluster
	err     error
}

// Shared is the cluster of this test binary, started when it is first asked for.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = start(nil)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

// Stop ends the shared cluster, if there is one, and removes it.
func Stop() {
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster != nil {
		shared.cluster.remove()
		shared.cluster = nil
	}
}

// New starts a cluster for one test. Settings are lines of postgresql.conf.
func New(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	c, err := start(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.remove)
	return c
}

func start(settings []string) (*Cluster, error) {
	c, err := prepare(settings)
	if err != nil {
		return nil, err
	}
	if err := c.launch(); err != nil {
		c.remove()
		return nil, err
	}
	return c, nil
}

// prepare makes a cluster that does not run yet.
func prepare(settings []string) (*Cluster, error) {
	bin, err := findBin()
	if err != nil {
		return nil, err
	}
	// Not the folder of the test: the path of a socket has at most 107 bytes.
	dir, err := os.MkdirTemp("", "vmopg")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, bin: bin, settings: settings}
	if err := c.init(); err != nil {
		c.remove()
		return nil, err
	}
	return c, nil
}

// findBin finds the programs of the server, which distributions keep off the PATH.
func findBin() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		p, err := filepath.EvalSymlinks(p) // the other programs stand beside the real one
		return filepath.Dir(p), err
	}
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/opt/homebrew/opt/postgresql*/bin/initdb", "/usr/pgsql-*/bin/initdb"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		found = append(found, matches...)
	}
	if len(found) == 0 {
		return "", errors.New("there is no Postgres server on this machine, and this test needs a real one: apt install postgresql")
	}
	slices.SortFunc(found, func(a, b string) int {
		return version(b) - version(a)
	})
	return filepath.Dir(found[0]), nil
}

func version(path string) int {
	for part := range strings.SplitSeq(path, "/") {
		if n, err := strconv.Atoi(strings.TrimLeft(part, "abcdefghijklmnopqrstuvwxyz-@")); err == nil {
			return n
		}
	}
	return 0
}

func (c *Cluster) data() string { return filepath.Join(c.Dir, "data") }

func (c *Cluster) init() error {
	if err := giveToServer(c.Dir); err != nil {
		return err
	}
	cmd := c.command("initdb", "-D", c.data(), "-U", Admin, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	conf := "fsync = off\nunix_socket_directories = '" + c.Dir + "'\nlisten_addresses = '127.0.0.1'\n" +
		"shared_buffers = 32MB\nmax_connections = 60\nautovacuum = off\nlog_line_prefix = '%m [%p] %u '\nlog_connections = on\n" +
		strings.Join(c.settings, "\n") + "\n"
	hba := "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\nlocal replication all trust\n"
	return errors.Join(c.append("postgresql.conf", conf), os.WriteFile(filepath.Join(c.data(), "pg_hba.conf"), []byte(hba), 0o600))
}

func (c *Cluster) append(name, text string) error {
	f, err := os.OpenFile(filepath.Join(c.data(), name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// command is a program of the server, run by a user that is not root.
func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+c.Dir)
	asServer(cmd)
	return cmd
}

// launch starts the server and waits until it answers. A port that was free a
// moment ago can be taken meanwhile: then it takes another. After a crash the
// processes of before may take a moment to go.
func (c *Cluster) launch() error {
	begun := time.Now()
	for {
		if c.Port == 0 {
			port, err := freePort()
			if err != nil {
				return err
			}
			c.Port = port
		}
		before := len(c.Log())
		err := c.try()
		if err == nil {
			return nil
		}
		said := c.Log()[before:]
		switch {
		case time.Since(begun) > startTimeout:
			return fmt.Errorf("start Postgres: %w\n%s", err, said)
		case strings.Contains(said, "could not bind") && before == 0:
			c.Port = 0
		case strings.Contains(said, "pre-existing shared memory") || strings.Contains(said, "lock file") || strings.Contains(said, "could not bind"):
			time.Sleep(20 * time.Millisecond) // for processes that are not ours to wait for
		default:
			return fmt.Errorf("start Postgres: %w\n%s", err, said)
		}
	}
}

func (c *Cluster) try() error {
	log, err := os.OpenFile(filepath.Join(c.Dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := c.command("postgres", "-D", c.data(), "-p", strconv.Itoa(c.Port))
	cmd.Stdout, cmd.Stderr = log, log
	withParent(cmd)
	if c.small > 0 {
		onSmallDisk(cmd, c)
	}
	exited := make(chan struct{})
	started := make(chan error)
	go func() {
		startAndWait(cmd, started)
		close(exited)
	}()
	if err := <-started; err != nil {
		return err
	}
	c.cmd, c.exited = cmd, exited
	over := time.After(startTimeout)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		conn, err := pgx.Connect(ctx, c.URL(Admin, "postgres"))
		if err == nil {
			err = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("it has ended: %v", cmd.ProcessState)
		case <-over:
			c.Kill()
			return fmt.Errorf("it does not answer after %v: %w", startTimeout, err)
		case <-look.C:
		}
	}
}

// Start starts a server that was stopped or killed, at the same address.
func (c *Cluster) Start(t testing.TB) {
	t.Helper()
	if err := c.launch(); err != nil {
		t.Fatal(err)
	}
}

// StartOn starts the server on data that says it is of another major version, and
// returns what the server says to that.
func (c *Cluster) StartOn(t testing.TB, version string) error {
	t.Helper()
	path := filepath.Join(c.data(), "PG_VERSION")
	right, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(version+"\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	refusal := c.launch()
	if err := os.WriteFile(path, right, 0o600); err != nil {
		t.Fatal(err)
	}
	return refusal
}

// Kill ends the server and all its processes with SIGKILL.
func (c *Cluster) Kill() {
	if c.cmd == nil {
		return
	}
	killAll(c.cmd.Process.Pid)
	<-c.exited
	c.cmd = nil
}

// Shutdown ends the server at once but properly, as pg_ctl stop -m fast does.
func (c *Cluster) Shutdown() {
	if c.cmd == nil {
		return
	}
	interrupt(c.cmd.Process)
	select {
	case <-c.exited:
		c.cmd = nil
	case <-time.After(startTimeout):
		c.Kill()
	}
}

func (c *Cluster) remove() {
	c.Kill()
	os.RemoveAll(c.Dir)
}

// Reload makes the server read lines that are added to its configuration.
func (c *Cluster) Reload(t testing.TB, settings ...string) {
	t.Helper()
	if err := c.append("postgresql.conf", strings.Join(settings, "\n")+"\n"); err != nil {
		t.Fatal(err)
	}
	c.Exec(t, "postgres", "SELECT pg_reload_conf()")
}

// Log is what the server has said so far.
func (c *Cluster) Log() string {
	b, err := os.ReadFile(filepath.Join(c.Dir, "log"))
	if err != nil {
		return ""
	}
	return string(b)
}

// URL is how a user reaches a database through the socket, without a password.
func (c *Cluster) URL(user, database string) string {
	q := url.Values{"host": {c.Dir}, "port": {strconv.Itoa(c.Port)}}
	return (&url.URL{Scheme: "postgres", User: url.User(user), Path: "/" + database, RawQuery: q.Encode()}).String()
}

// Addr is where the server listens.
func (c *Cluster) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)) }

// TCP is how a user reaches a database at an address, which may be that of a proxy.
func (c *Cluster) TCP(addr, user, password, database string) string {
	return (&url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: addr, Path: "/" + database}).String()
}

// Exec runs statements in a database as [Admin].
func (c *Cluster) Exec(t testing.TB, database, sql string, args ...any) {
	t.Helper()
	if err := c.As(t, Admin, database, sql, args...); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
}

// As runs statements in a database as a user, and returns what the server says.
func (c *Cluster) As(t testing.TB, user, database, sql string, args ...any) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn := c.Connect(t, user, database)
	defer conn.Close(ctx)
	_, err := conn.Exec(ctx, sql, args...)
	return err
}

// Connect connects a user through the socket. The caller closes it.
func (c *Cluster) Connect(t testing.TB, user, database string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL(user, database))
	if err != nil {
		t.Fatalf("connect to the cluster of the test: %v", err)
	}
	return conn
}

// Database makes an empty database, or a copy of a template, that is dropped
// with the test.
func (c *Cluster) Database(t testing.TB, template string) string {
	t.Helper()
	name := c.Name("db")
	if template == "" {
		template = "template0"
	}
	c.Exec(t, "postgres", "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() {
		if c.cmd != nil {
			c.Exec(t, "postgres", "DROP DATABASE "+name+" WITH (FORCE)")
		}
	})
	return name
}

// Login makes a login with a password that belongs to roles.
func (c *Cluster) Login(t testing.TB, password string, roles ...string) string {
	t.Helper()
	name := c.Name("anna")
	c.Exec(t, "postgres", "CREATE ROLE "+name+" LOGIN PASSWORD '"+password+"'")
	for _, role := range roles {
		c.Exec(t, "postgres", "GRANT "+role+" TO "+name)
	}
	return name
}

// Name is one that nothing else in the cluster has.
func (c *Cluster) Name(kind string) string { return fmt.Sprintf("%s_%d", kind, c.counter.Add(1)) }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Client runs a client program of the server's own version, such as psql or
// pg_dump, against a database, and returns its output.
func (c *Cluster) Client(database, program string, args ...string) ([]byte, error) {
	cmd := c.command(program, append([]string{"-h", c.Dir, "-p", strconv.Itoa(c.Port), "-U", Admin, "-d", database}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w\n%s", program, err, stderr.String())
	}
	return out, nil
}
