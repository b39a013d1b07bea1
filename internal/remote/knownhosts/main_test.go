package knownhosts_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// connectTo makes the test binary a ProxyCommand: ssh then believes to talk to
// whatever name and port it was given.
const connectTo = "VMO_TEST_CONNECT"

func TestMain(m *testing.M) {
	if addr := os.Getenv(connectTo); addr != "" {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			os.Exit(1)
		}
		go func() { _, _ = io.Copy(conn, os.Stdin) }()
		_, _ = io.Copy(os.Stdout, conn)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// program finds one of OpenSSH's programs.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: run make setup", name)
	}
	return path
}

func newSigner(t testing.TB, kind string) ssh.Signer {
	t.Helper()
	var key any
	var err error
	switch kind {
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func newKey(t testing.TB, kind string) ssh.PublicKey { return newSigner(t, kind).PublicKey() }

// text is a key as it stands in a file.
func text(key ssh.PublicKey) string {
	return key.Type() + " " + base64.StdEncoding.EncodeToString(key.Marshal())
}

// certificate makes a host's certificate.
func certificate(t testing.TB, host, authority ssh.Signer, edit func(*ssh.Certificate)) ssh.Signer {
	t.Helper()
	cert := &ssh.Certificate{Key: host.PublicKey(), CertType: ssh.HostCert, ValidBefore: ssh.CertTimeInfinity}
	if edit != nil {
		edit(cert)
	}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(cert, host)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func write(t testing.TB, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// serve is an SSH server that lets everybody in and runs nothing.
func serve(t testing.TB, keys ...ssh.Signer) string {
	t.Helper()
	config := &ssh.ServerConfig{NoClientAuth: true}
	for _, k := range keys {
		config.AddHostKey(k)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answer(conn, config)
		}
	}()
	return l.Addr().String()
}

func answer(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			_ = r.Reply(r.Type == "exec", nil)
			if r.Type == "exec" {
				_, _ = channel.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
				_ = channel.Close()
			}
		}
	}
}

// sshVerdict is what ssh with strict checking makes of the key of a server.
func sshVerdict(t testing.TB, addr, host, port, file string, options ...string) (verdict, output string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-F", "none", "-T", "-n", "-p", port, "-l", "somebody", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile=" + file, "-o", "GlobalKnownHostsFile=/dev/null", "-o", "UpdateHostKeys=no",
		"-o", "ProxyCommand='" + self + "'", "-o", "IdentityAgent=none"}
	for _, o := range options {
		args = append(args, "-o", o)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t, "ssh"), append(args, "--", host, "true")...)
	cmd.Env = append(os.Environ(), connectTo+"="+addr, "LC_ALL=C")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	switch s := out.String(); {
	case strings.Contains(s, "REVOKED HOST KEY") || strings.Contains(s, "revoked by file"):
		verdict = "revoked" // ssh only warns when the key is known for the port and revoked for the name; we refuse
	case err == nil:
		verdict = "known"
	case strings.Contains(s, "IDENTIFICATION HAS CHANGED"):
		verdict = "changed"
	case strings.Contains(s, "host key is known for"):
		verdict = "unknown"
	default:
		verdict = "failed"
	}
	return verdict, out.String()
}
