// Package remotetest gives tests a real OpenSSH server on the loopback device, or
// a Dropbear, and a network in front of it that can be cut and frozen.
//
//	s := remotetest.Start(t, remotetest.Config{})
//	out, err := exec.Command("ssh", "-F", s.ConfigFile, "web1", "hostname").Output()
//
// A server has its own folder, host keys and port and touches nothing of the
// system's, so any number of them run at once. It takes the current user, and on
// request one user for each login shell there is. Everything that was started by
// it or through it is gone when the test has ended; its log is part of the
// output of a test that failed.
//
// Every goroutine belongs to the Server or Proxy that started it, and the
// cleanup of the test waits for it.
package remotetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/inventory"
)

// Config says what kind of server it is. The zero Config is one as a
// distribution would install it, for the current user.
type Config struct {
	// Options are lines of sshd_config. They win over what the harness sets, with
	// the exception of what it needs to find and to stop the server.
	Options []string

	// Dropbear makes it one instead of sshd. Options are then its arguments, and
	// there are no Shells.
	Dropbear bool

	// HostKeys are the kinds of its host keys; none means ed25519 and rsa.
	HostKeys []string

	// Hosts are the names it has in ConfigFile; none means web1.
	Hosts []string

	// Shells are login shells out of [AllShells]. For each there is a user
	// vmo-<shell>, and a host of that name in ConfigFile.
	Shells []string

	// Sudo lets the users of Shells be root without a password. It needs Shells, and
	// does nothing when these are emulated.
	Sudo bool

	// Sh is the path of what /bin/sh is for this server. It needs Shells, and does
	// nothing when these are emulated.
	Sh string

	// SmallHome makes the home of the current user a file system of one megabyte.
	// [Server.FillHome] fills it.
	SmallHome bool

	// Through is the address that ConfigFile gives for it, such as that of a
	// [Proxy]; empty means its own. It is asked with the server's address when
	// that is known.
	Through func(addr string) string

	emulate bool // the users of Shells, also where they could be made
}

// AllShells are the login shells that Config.Shells may name.
var AllShells = []string{"bash", "dash", "zsh", "ksh", "ash", "fish", "csh", "tcsh"}

// Server is a running sshd or Dropbear.
type Server struct {
	Addr       string // host:port
	Port       int
	Dir        string // everything of it is here
	User       string // who logs in, unless the host is one of Config.Shells
	Key        string // path of the private key it takes, without a passphrase
	HostKey    string // path of its public host key, the first of Config.HostKeys
	KnownHosts string // path of a file that holds all of its host keys
	ConfigFile string // an ssh_config with every host, complete: give it to ssh -F

	// Emulated is set when there is no right to make users here: the users of
	// Config.Shells are then the current one, with a forced command that hands what
	// was asked for to the shell, as sshd would. That one has the home it has, but
	// for Dropbear and with SmallHome.
	Emulated bool

	t       testing.TB
	cfg     Config
	program string // sshd or dropbear
	mark    string // in the environment of everything that is started through it
	through string // address in ConfigFile
	ownHome bool   // of the current user: not the one that it has elsewhere
	users   map[string]string
	run     *daemon
}

// Start starts a server and stops it when the test ends.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	if len(cfg.Hosts) == 0 {
		cfg.Hosts = []string{"web1"}
	}
	if len(cfg.HostKeys) == 0 {
		cfg.HostKeys = []string{"ed25519", "rsa"}
	}
	name := "sshd"
	if cfg.Dropbear {
		name = "dropbear"
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, cfg: cfg, program: Program(t, name), User: me.Username, users: map[string]string{}}
	s.Dir = tempDir(t)
	s.mark = "VMO_TEST_SERVER=" + filepath.Base(s.Dir)
	s.makeKeys()
	if s.Port, err = freePort(); err != nil {
		t.Fatal(err)
	}
	s.makeUsers()
	t.Cleanup(func() {
		if s.run != nil {
			s.Stop()
		}
		if t.Failed() {
			t.Logf("log of the server on %s:\n%s", s.Addr, s.Log())
		}
		if err := os.RemoveAll(s.Dir); err != nil {
			t.Errorf("remove the folder of the server: %v", err)
		}
	})
	s.start()
	s.writeClientConfig()
	return s
}

// Program finds a program that the tests need, and fails the test without it.
func Program(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} { // not on everybody's PATH
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: run make setup", name)
	return ""
}

// Options are the effective options of one of its hosts, as the resolver would
// give them. Each extra is a line of ssh_config that wins over them.
func (s *Server) Options(host string, extra ...string) *inventory.Options {
	s.t.Helper()
	values := map[string][]string{}
	set := func(line string, given map[string]bool) {
		keyword, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		keyword = strings.ToLower(keyword)
		if given[keyword] {
			return
		}
		values[keyword] = append(values[keyword], strings.TrimSpace(value))
	}
	given := map[string]bool{}
	for _, line := range extra {
		set(line, nil)
	}
	for keyword := range values {
		given[keyword] = true
	}
	for _, line := range s.block(host) {
		set(line, given)
	}
	port, err := strconv.Atoi(values["port"][0])
	if err != nil {
		s.t.Fatal(err)
	}
	return inventory.New(inventory.Destination{Alias: host}, values["hostname"][0], values["user"][0], port, values)
}

// block is what ConfigFile says about a host.
func (s *Server) block(host string) []string {
	name, key := s.User, s.Key
	if slices.Contains(s.cfg.Shells, strings.TrimPrefix(host, "vmo-")) && strings.HasPrefix(host, "vmo-") {
		if s.Emulated {
			key = s.users[host]
		} else {
			name = host
		}
	} else if !slices.Contains(s.cfg.Hosts, host) {
		s.t.Fatalf("the server on %s has no host %q", s.Addr, host)
	}
	addr, port, err := net.SplitHostPort(s.through)
	if err != nil {
		s.t.Fatal(err)
	}
	return []string{
		"HostName " + addr,
		"Port " + port,
		"User " + name,
		"IdentityFile " + key,
		"IdentitiesOnly yes",
		"IdentityAgent none",
		"UserKnownHostsFile " + s.KnownHosts,
		"GlobalKnownHostsFile /dev/null",
		"StrictHostKeyChecking yes",
		"LogLevel ERROR",
	}
}

func (s *Server) writeClientConfig() {
	s.t.Helper()
	var b strings.Builder
	hosts := slices.Clone(s.cfg.Hosts)
	for _, shell := range s.cfg.Shells {
		hosts = append(hosts, "vmo-"+shell)
	}
	for _, host := range hosts {
		fmt.Fprintf(&b, "Host %s\n  %s\n\n", host, strings.Join(s.block(host), "\n  "))
	}
	s.ConfigFile = filepath.Join(s.Dir, "ssh_config")
	write(s.t, s.ConfigFile, b.String(), 0o600)
}

// AddConfig puts text before everything else in ConfigFile, where it wins.
func (s *Server) AddConfig(text string) {
	s.t.Helper()
	old, err := os.ReadFile(s.ConfigFile)
	if err != nil {
		s.t.Fatal(err)
	}
	write(s.t, s.ConfigFile, strings.TrimSuffix(text, "\n")+"\n\n"+string(old), 0o600)
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// tempDir is a folder that other users may pass through, unlike t.TempDir, with
// a path short enough for a socket in it.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vmo-sshd-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// startTimeout is for a machine that is busy with other tests.
const startTimeout = 30 * time.Second
