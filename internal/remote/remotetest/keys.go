package remotetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// Keygen makes a key without a passphrase and returns the path of its private
// half. Args are further ones of ssh-keygen, such as -N secret.
func Keygen(t testing.TB, path, kind string, args ...string) string {
	t.Helper()
	if len(args) == 0 {
		args = []string{"-N", ""}
	}
	cmd := exec.Command(Program(t, "ssh-keygen"), append([]string{"-q", "-t", kind, "-C", filepath.Base(path), "-f", path}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	return path
}

// makeKeys makes one key to log in with, and the host keys.
func (s *Server) makeKeys() {
	s.t.Helper()
	s.Key = Keygen(s.t, filepath.Join(s.Dir, "id_ed25519"), "ed25519")
	public, err := os.ReadFile(s.Key + ".pub")
	if err != nil {
		s.t.Fatal(err)
	}
	write(s.t, filepath.Join(s.Dir, "authorized_keys"), string(public), 0o644)
	for _, kind := range s.cfg.HostKeys {
		if s.cfg.Dropbear {
			s.dropbearKey(kind)
			continue
		}
		args := []string{"-N", ""}
		if kind == "rsa" {
			args = append(args, "-b", "2048") // a third of the time that the default takes
		}
		Keygen(s.t, filepath.Join(s.Dir, "host_"+kind), kind, args...)
	}
	s.HostKey = filepath.Join(s.Dir, "host_"+s.cfg.HostKeys[0]+".pub")
	s.KnownHosts = filepath.Join(s.Dir, "known_hosts")
}

// writeKnownHosts is called when the address is known.
func (s *Server) writeKnownHosts() {
	s.t.Helper()
	var b bytes.Buffer
	for _, kind := range s.cfg.HostKeys {
		text, err := os.ReadFile(filepath.Join(s.Dir, "host_"+kind+".pub"))
		if err != nil {
			s.t.Fatal(err)
		}
		fields := bytes.Fields(text)
		for _, addr := range []string{s.Addr, s.through} {
			if b.WriteString(KnownHost(addr) + " " + string(fields[0]) + " " + string(fields[1]) + "\n"); s.through == s.Addr {
				break
			}
		}
	}
	write(s.t, s.KnownHosts, b.String(), 0o600)
}

// Client is a connection of its own, closed when the test ends.
func (s *Server) Client(t testing.TB, host string) *ssh.Client {
	t.Helper()
	o := s.Options(host)
	pem, err := os.ReadFile(o.Get("IdentityFile"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.HostKey)
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		t.Fatal(err)
	}
	algorithm := key.Type()
	if algorithm == ssh.KeyAlgoRSA {
		algorithm = ssh.KeyAlgoRSASHA256
	}
	c, err := ssh.Dial("tcp", s.through, &ssh.ClientConfig{
		User: o.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyAlgorithms: []string{algorithm},
		HostKeyCallback: ssh.FixedHostKey(key), Timeout: startTimeout,
	})
	if err != nil {
		t.Fatalf("connect to %s: %v", host, err)
	}
	t.Cleanup(func() { c.Close(); waitClosed(t, c) })
	return c
}

func waitClosed(t testing.TB, c *ssh.Client) {
	done := make(chan struct{})
	go func() { c.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(startTimeout):
		t.Error("the connection does not end")
	}
}
