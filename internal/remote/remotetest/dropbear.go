package remotetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
)

// dropbear is how it is started, and what it says when it listens.
func (s *Server) dropbear() (cmd *exec.Cmd, ready string) {
	argv := []string{s.program, "-F", "-E", "-e", "-m", "-s", "-P", filepath.Join(s.Dir, "pid"), "-p", s.Addr}
	for _, kind := range s.cfg.HostKeys {
		argv = append(argv, "-r", filepath.Join(s.Dir, "host_"+kind))
	}
	argv = append(argv, s.cfg.Options...)
	argv = s.inNamespace(argv)
	cmd = exec.Command(argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SHLVL=2", s.mark} // it hands on its own; for SHLVL see serverConfig
	return cmd, "Not backgrounding"                                    // which it says when it listens
}

// dropbearUser puts the keys where Dropbear looks for them: only in a home folder.
func (s *Server) dropbearUser() {
	s.t.Helper()
	if len(s.cfg.Shells) > 0 || s.cfg.Sudo || s.cfg.Sh != "" || s.cfg.SmallHome {
		s.t.Fatal("a Dropbear has no users but the current one, with a home that has keys in it")
	}
	dir := filepath.Join(s.Home(""), ".ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	write(s.t, filepath.Join(dir, "authorized_keys"), read(filepath.Join(s.Dir, "authorized_keys")), 0o600)
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
	s.t.Fatalf("dropbearkey shows no public key: %s", out)
}
