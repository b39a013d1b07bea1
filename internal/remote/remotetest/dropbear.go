package remotetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// dropbear is how it is started, and what it says when it listens. Only a home
// folder has the keys that it takes, so the current user has another one for it.
// Without the right to mount, a namespace gives it, and another in that one gives
// the user the number back that it has: Dropbear serves only itself then.
func (s *Server) dropbear() (cmd *exec.Cmd, ready string) {
	argv := []string{s.program, "-F", "-E", "-e", "-m", "-s", "-P", filepath.Join(s.Dir, "pid"), "-p", s.Addr}
	for _, kind := range s.cfg.HostKeys {
		argv = append(argv, "-r", filepath.Join(s.Dir, "host_"+kind))
	}
	argv = append(argv, s.cfg.Options...)
	enter := []string{"unshare", "--mount", "--propagation", "private"}
	if s.Emulated {
		enter = append(enter, "--map-root-user")
		argv = append([]string{"unshare", "--user", "--map-user=" + strconv.Itoa(os.Getuid()), "--map-group=" + strconv.Itoa(os.Getgid())}, argv...)
	}
	script := `set -e; dir=$1; shift
for f in passwd group; do
	[ ! -e "$dir/$f" ] || mount --bind "$dir/$f" "/etc/$f"
done
exec "$@"`
	argv = append(append(enter, "sh", "-c", script, "sh", s.Dir), argv...)
	cmd = exec.Command(argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SHLVL=2", s.mark} // it hands on its own; for SHLVL see serverConfig
	return cmd, "Not backgrounding"                                    // which it says when it listens
}

// dropbearUser gives the current user a home with the keys in it.
func (s *Server) dropbearUser() {
	s.t.Helper()
	if len(s.cfg.Shells) > 0 || s.cfg.Sudo || s.cfg.Sh != "" {
		s.t.Fatal("a Dropbear has no users but the current one")
	}
	if s.Emulated && exec.Command("unshare", "--map-root-user", "--mount", "true").Run() != nil {
		s.t.Fatal("Dropbear takes keys only from a home folder, and here is no right to give it another: " +
			"run the tests as root, or allow user namespaces with: sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0")
	}
	dir := filepath.Join(s.Home(""), ".ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	write(s.t, filepath.Join(dir, "authorized_keys"), read(filepath.Join(s.Dir, "authorized_keys")), 0o600)
	write(s.t, filepath.Join(s.Dir, "passwd"), s.passwd(), 0o644)
	if s.Emulated { // nobody may give a terminal to a group that has no number there
		group := ""
		for line := range strings.Lines(read("/etc/group")) {
			if !strings.HasPrefix(line, "tty:") {
				group += line
			}
		}
		write(s.t, filepath.Join(s.Dir, "group"), group, 0o644)
	}
}

// dropbearKey makes a host key as Dropbear keeps them, and its public half as
// OpenSSH does.
func (s *Server) dropbearKey(kind string) {
	s.t.Helper()
	path := filepath.Join(s.Dir, "host_"+kind)
	out, err := exec.Command(Program(s.t, "dropbearkey"), "-t", kind, "-f", path).Output()
	if err != nil {
		s.t.Fatalf("dropbearkey: %v\n%s", err, out)
	}
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte("ssh-")) || bytes.HasPrefix(line, []byte("ecdsa-")) {
			write(s.t, path+".pub", string(line), 0o644)
			return
		}
	}
	s.t.Fatal(fmt.Sprintf("dropbearkey shows no public key: %s", out))
}
