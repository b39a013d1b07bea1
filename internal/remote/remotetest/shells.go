package remotetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// programs are where a login shell is found, and where it is not called what it
// is here.
var programs = map[string]string{"ash": "busybox"}

// firstUID is the number of the user vmo-bash; nobody else on a machine that runs
// tests has one in this range.
const firstUID = 58100

// makeUsers makes a user for each of Config.Shells, and the current one another
// home. They exist for this sshd only: it runs in a mount namespace in which
// /etc/passwd and its companions are other copies. That takes root and
// CAP_SYS_ADMIN; without these the users are emulated with forced commands.
func (s *Server) makeUsers() {
	s.t.Helper()
	s.Emulated = s.cfg.emulate || os.Getuid() != 0 || exec.Command("unshare", "--mount", "mount", "--make-rprivate", "/").Run() != nil
	if os.Getuid() == 0 {
		s.makeSeparationDir()
	}
	s.ownHome = !s.Emulated || s.cfg.Dropbear || s.cfg.SmallHome
	if s.ownHome {
		if err := os.MkdirAll(s.Home(""), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	if s.Emulated && s.ownHome {
		s.ownNamespace()
	}
	if s.cfg.Dropbear {
		s.dropbearUser()
	}
	passwd, shadow, group := s.passwd(), read("/etc/shadow"), read("/etc/group")
	for _, shell := range s.cfg.Shells {
		if !slices.Contains(AllShells, shell) {
			s.t.Fatalf("there is no login shell %q in AllShells", shell)
		}
		path := s.shell(shell)
		name := "vmo-" + shell
		if s.Emulated {
			s.users[name] = s.forcedKey(name, path)
			continue
		}
		uid := firstUID + slices.Index(AllShells, shell)
		home := filepath.Join(s.Dir, "home", name)
		if err := os.MkdirAll(home, 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Chown(home, uid, uid); err != nil {
			s.t.Fatal(err)
		}
		if shell == "zsh" {
			write(s.t, filepath.Join(home, ".zshrc"), "", 0o644) // else it asks its first-time questions
		}
		passwd += fmt.Sprintf("%s:x:%d:%d::%s:%s\n", name, uid, uid, home, path)
		shadow += fmt.Sprintf("%s:*:19000:0:99999:7:::\n", name)
		group += fmt.Sprintf("%s:x:%d:\n", name, uid)
	}
	if !s.Emulated {
		write(s.t, filepath.Join(s.Dir, "passwd"), passwd, 0o644)
		write(s.t, filepath.Join(s.Dir, "shadow"), shadow, 0o600)
		write(s.t, filepath.Join(s.Dir, "group"), group, 0o644)
		if s.cfg.Sudo {
			Program(s.t, "sudo")
			write(s.t, filepath.Join(s.Dir, "sudoers"), "ALL ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440)
		}
	}
}

// ownNamespace gives the current user another home where only a user namespace
// can. In a second one inside it the user has its own number again, and the server
// serves nobody else.
func (s *Server) ownNamespace() {
	s.t.Helper()
	if out, err := exec.Command("unshare", "--map-root-user", "--mount", "true").CombinedOutput(); err != nil {
		s.t.Fatalf("give the user another home: %v: %s\n%s", err, out, namespaces)
	}
	write(s.t, filepath.Join(s.Dir, "passwd"), s.passwd(), 0o644)
	group := ""
	for line := range strings.Lines(read("/etc/group")) {
		if !strings.HasPrefix(line, "tty:") { // it has no number there, so a terminal cannot be given to it
			group += line
		}
	}
	write(s.t, filepath.Join(s.Dir, "group"), group, 0o644)
}

// namespaces is how to get what a test needs.
const namespaces = "Run the tests as root (in a container: with CAP_SYS_ADMIN), or allow user namespaces with: " +
	"sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0"

// passwd is the system's, with another home for the current user.
func (s *Server) passwd() string {
	lines := strings.SplitAfter(read("/etc/passwd"), "\n")
	for i, line := range lines {
		if fields := strings.Split(line, ":"); len(fields) == 7 && fields[0] == s.User {
			fields[5] = s.Home("")
			lines[i] = strings.Join(fields, ":")
		}
	}
	return strings.Join(lines, "")
}

// Home is the home folder of whom a host logs in. It is an empty one, also for the
// current user, whose own shell files are nothing that a test should depend on;
// but not when users are emulated.
func (s *Server) Home(host string) string {
	if !s.ownHome {
		home, err := os.UserHomeDir()
		if err != nil {
			s.t.Fatal(err)
		}
		return home
	}
	if shell, ok := strings.CutPrefix(host, "vmo-"); !ok || !slices.Contains(s.cfg.Shells, shell) {
		host = s.User
	}
	return filepath.Join(s.Dir, "home", host)
}

// shell is the path of a login shell, whose last element is its name.
func (s *Server) shell(name string) string {
	s.t.Helper()
	program := programs[name]
	if program == "" {
		return Program(s.t, name)
	}
	bin := filepath.Join(s.Dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		s.t.Fatal(err)
	}
	link := filepath.Join(bin, name)
	if err := os.Symlink(Program(s.t, program), link); err != nil {
		s.t.Fatal(err)
	}
	return link
}

// forcedKey is a key that leads to a shell, whatever shell the user has.
func (s *Server) forcedKey(name, shell string) string {
	s.t.Helper()
	key := Keygen(s.t, filepath.Join(s.Dir, "id_"+name), "ed25519")
	forced := filepath.Join(s.Dir, "force-"+name)
	write(s.t, forced, fmt.Sprintf(`#!/bin/sh
SHELL=%[1]s; export SHELL
c=$SSH_ORIGINAL_COMMAND; unset SSH_ORIGINAL_COMMAND
[ -n "$c" ] || exec %[1]s
exec %[1]s -c "$c"
`, shell), 0o755)
	public := read(key + ".pub")
	f, err := os.OpenFile(filepath.Join(s.Dir, "authorized_keys"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "command=\"exec %s\" %s", forced, public); err != nil {
		s.t.Fatal(err)
	}
	return key
}

// inNamespace wraps a command in the mount namespace that has the users.
func (s *Server) inNamespace(argv []string) []string {
	if !s.ownHome {
		return argv
	}
	enter, small := []string{"unshare", "--mount", "--propagation", "private"}, ""
	if s.Emulated {
		enter = append(enter, "--map-root-user")
		argv = append([]string{"unshare", "--user", "--map-user=" + strconv.Itoa(os.Getuid()), "--map-group=" + strconv.Itoa(os.Getgid())}, argv...)
	}
	if s.cfg.SmallHome {
		small = s.Home("")
	}
	script := `set -e; dir=$1 sh=$2 small=$3; shift 3
for f in passwd shadow group sudoers; do
	[ ! -e "$dir/$f" ] || mount --bind "$dir/$f" "/etc/$f"
done
[ -z "$sh" ] || mount --bind "$sh" /bin/sh
[ -z "$small" ] || mount -t tmpfs -o size=1m,mode=0755 tmpfs "$small"
exec "$@"`
	return append(append(enter, "sh", "-c", script, "sh", s.Dir, s.cfg.Sh, small), argv...)
}

// makeSeparationDir makes the folder that Debian's service makes at each boot.
func (s *Server) makeSeparationDir() {
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// read is the text of a file, and empty without it.
func read(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}
