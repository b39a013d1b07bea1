package remote

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/job"
)

func TestKeyFile_EveryFormatThatGoes(t *testing.T) {
	t.Parallel()
	const secret = "correct horse"
	for _, c := range []struct {
		name, kind string
		args       []string
		noPublic   bool
		asks       int
	}{
		{name: "ed25519", kind: "ed25519"},
		{name: "rsa", kind: "rsa"},
		{name: "ecdsa", kind: "ecdsa"},
		{name: "ecdsa 521", kind: "ecdsa", args: []string{"-b", "521", "-N", ""}},
		{name: "PEM", kind: "rsa", args: []string{"-m", "PEM", "-N", ""}},
		{name: "PKCS8", kind: "rsa", args: []string{"-m", "PKCS8", "-N", ""}},
		{name: "PEM ecdsa without a public file", kind: "ecdsa", args: []string{"-m", "PEM", "-N", ""}, noPublic: true},
		{name: "passphrase", kind: "ed25519", args: []string{"-N", secret, "-a", "4"}, asks: 1},
		{name: "passphrase without a public file", kind: "ed25519", args: []string{"-N", secret, "-a", "4"}, noPublic: true, asks: 1},
		{name: "passphrase aes256-cbc", kind: "ecdsa", args: []string{"-N", secret, "-a", "4", "-Z", "aes256-cbc"}, asks: 1},
		{name: "PEM with passphrase", kind: "rsa", args: []string{"-m", "PEM", "-N", secret}, asks: 1},
		{name: "PEM with passphrase without a public file", kind: "rsa", args: []string{"-m", "PEM", "-N", secret}, noPublic: true, asks: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key := keygen(t, c.kind, c.args...)
			d := newDoor(t, ssh.ServerConfig{}, public(t, key))
			if c.noPublic {
				if err := os.Remove(key + ".pub"); err != nil {
					t.Fatal(err)
				}
			}
			q := &asked{answers: []string{secret}}
			steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": {key}}, prompts: Prompts{Secret: q.secret}})
			if err != nil {
				t.Fatalf("%v\n%s", err, ladder(steps))
			}
			if len(q.got) != c.asks {
				t.Errorf("asked %d times, want %d", len(q.got), c.asks)
			}
			if !has(steps, true, "publickey", key) {
				t.Errorf("no step says which key was taken:\n%s", ladder(steps))
			}
		})
	}
}

func TestKeyFile_WhatOnlySSHCanReadIsSaidAndTheNextKeyIsTried(t *testing.T) {
	t.Parallel()
	const secret = "correct horse"
	file := func(t *testing.T, text string) string {
		path := filepath.Join(t.TempDir(), "id_test")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T) string
		want string
	}{
		{"aes128-ctr", func(t *testing.T) string { return keygen(t, "ed25519", "-N", secret, "-a", "4", "-Z", "aes128-ctr") }, "its cipher (aes128-ctr)"},
		{"chacha20", func(t *testing.T) string {
			return keygen(t, "ed25519", "-N", secret, "-a", "4", "-Z", "chacha20-poly1305@openssh.com")
		}, "load it in ssh-agent"},
		{"encrypted PKCS8", func(t *testing.T) string { return keygen(t, "rsa", "-m", "PKCS8", "-N", secret) }, "PKCS#8"},
		{"PuTTY", func(t *testing.T) string { return file(t, "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n") }, "PuTTY"},
		{"empty", func(t *testing.T) string { return file(t, "") }, "no private key"},
		{"noise", func(t *testing.T) string {
			return file(t, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
		}, "damaged"},
		{"public key", func(t *testing.T) string { return keygen(t, "ed25519") + ".pub" }, "public key"},
		{"readable for others", func(t *testing.T) string {
			key := keygen(t, "ed25519")
			if err := os.Chmod(key, 0o644); err != nil {
				t.Fatal(err)
			}
			return key
		}, "0644"},
		{"a folder", func(t *testing.T) string { return t.TempDir() }, "not the file of a key"},
		{"missing", func(t *testing.T) string { return filepath.Join(t.TempDir(), "deploy") }, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bad, good := c.make(t), keygen(t, "ed25519")
			d := newDoor(t, ssh.ServerConfig{}, public(t, good))
			steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": {bad, good}}})
			if err != nil {
				t.Fatalf("%v\n%s", err, ladder(steps))
			}
			if !has(steps, false, "publickey", bad) || !has(steps, false, "publickey", c.want) {
				t.Errorf("no step names %s and %q:\n%s", bad, c.want, ladder(steps))
			}
			if n := len(d.seen(&d.shown)); n != 1 {
				t.Errorf("the server was shown %d keys, want 1", n)
			}
		})
	}
}

func TestKeyFile_BuiltInNamesAreNotMissed(t *testing.T) {
	t.Parallel()
	d := newDoor(t, ssh.ServerConfig{}, public(t, keygen(t, "ed25519")))
	steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": {filepath.Join(t.TempDir(), "id_rsa")}}})
	if err == nil || has(steps, false, "publickey", "id_rsa") {
		t.Errorf("got %v\n%s", err, ladder(steps))
	}
}

func TestPassphrase_IsAskedForOnlyWhenTheServerWantsTheKey(t *testing.T) {
	t.Parallel()
	key := keygen(t, "ed25519", "-N", "correct horse", "-a", "4")
	d := newDoor(t, ssh.ServerConfig{}, public(t, keygen(t, "ed25519")))
	q := &asked{answers: []string{"correct horse"}}
	steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": {key}}, prompts: Prompts{Secret: q.secret}})
	if err == nil || len(q.got) != 0 {
		t.Errorf("asked %d times, got %v\n%s", len(q.got), err, ladder(steps))
	}
	if !has(steps, false, "publickey", "not accepted by the server") {
		t.Errorf("steps:\n%s", ladder(steps))
	}
}

func TestPassphrase_WrongTwiceThenRightAndNeverAgain(t *testing.T) {
	t.Parallel()
	for _, format := range [][]string{{"-N", "correct horse", "-a", "4"}, {"-N", "correct horse", "-m", "PEM"}} {
		key := keygen(t, "rsa", format...)
		d := newDoor(t, ssh.ServerConfig{}, public(t, key))
		q := &asked{answers: []string{"wr0ng-one", "wr0ng-two", "correct horse"}}
		v := visitor{options: map[string][]string{"IdentityFile": {key}}, prompts: Prompts{Secret: q.secret}, memory: newAuthMemory()}
		for range 2 {
			steps, err := d.enter(t, v)
			if err != nil {
				t.Fatalf("%v\n%s", err, ladder(steps))
			}
		}
		var tries []int
		for _, question := range q.got {
			if question.Kind != "passphrase" || question.Of != key || question.Hop.Name != "web1" {
				t.Errorf("asked %+v", question)
			}
			tries = append(tries, question.Try)
		}
		if !slices.Equal(tries, []int{1, 2, 3}) {
			t.Errorf("tries %v, want 1 2 3 and nothing at the second connection", tries)
		}
	}
}

func TestPassphrase_RefusedOrWrongGoesOnToTheNextKey(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string][]string{"refused": {""}, "wrong": {"wr0ng-1", "wr0ng-2", "wr0ng-3"}} {
		locked, good := keygen(t, "ed25519", "-N", "correct horse", "-a", "4"), keygen(t, "ed25519")
		d := newDoor(t, ssh.ServerConfig{}, public(t, locked), public(t, good))
		q := &asked{answers: answers}
		steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": {locked, good}}, prompts: Prompts{Secret: q.secret}})
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, ladder(steps))
		}
		if len(q.got) != len(answers) || !has(steps, false, "publickey", "not unlocked") || !has(steps, true, "publickey", good) {
			t.Errorf("%s: asked %d times\n%s", name, len(q.got), ladder(steps))
		}
	}
}

func TestPassphrase_IsAskedOnceForManyHosts(t *testing.T) {
	t.Parallel()
	key := keygen(t, "ed25519", "-N", "correct horse", "-a", "4")
	d := newDoor(t, ssh.ServerConfig{}, public(t, key))
	for name, answers := range map[string][]string{"given": {"correct horse"}, "refused": {""}} {
		q := &asked{answers: answers}
		memory := newAuthMemory()
		const many = 12
		arrived, all := make(chan struct{}, many), make(chan struct{})
		prompts := Prompts{Secret: q.secret}
		var logins sync.WaitGroup
		errs := make([]error, many)
		for i := range many {
			logins.Go(func() {
				_, errs[i] = d.enter(t, visitor{
					options: map[string][]string{"IdentityFile": {key}}, prompts: prompts, memory: memory,
					prepare: func(a *auth) {
						a.waits = func(begin bool) {
							if !begin {
								return
							}
							select { // everybody is about to ask before anybody does
							case arrived <- struct{}{}:
								if len(arrived) == many {
									close(all)
								}
							default:
							}
							<-all
						}
					},
				})
			})
		}
		logins.Wait()
		for _, err := range errs {
			if (err == nil) != (name == "given") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(q.got) != 1 && name == "given" {
			t.Errorf("%s: asked %d times, want once", name, len(q.got))
		}
	}
}

func TestOffers_EndBeforeTheServerHangsUp(t *testing.T) {
	t.Parallel()
	var keys []string
	for range 7 {
		keys = append(keys, keygen(t, "ed25519"))
	}
	good := keys[6]
	d := newDoor(t, ssh.ServerConfig{}, public(t, good))
	memory := newAuthMemory()
	steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": keys}, memory: memory})
	if err == nil {
		t.Fatal("let in with the seventh key")
	}
	if n := len(d.seen(&d.shown)); n != maxOffers {
		t.Errorf("the server was shown %d keys, want %d", n, maxOffers)
	}
	if !strings.Contains(job.HintOf(err), "IdentitiesOnly yes") {
		t.Errorf("hint %q", job.HintOf(err))
	}
	if !has(steps, false, "publickey", good) || !strings.Contains(err.Error(), "the server takes publickey") {
		t.Errorf("%v\n%s", err, ladder(steps))
	}
	for _, key := range keys {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("the error does not say what came of %s: %v", key, err)
		}
	}

	// The server has taken one of them before: that one goes first.
	if steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": {good}}, memory: memory}); err != nil {
		t.Fatalf("%v\n%s", err, ladder(steps))
	}
	d.shown = nil
	if steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": keys}, memory: memory}); err != nil {
		t.Fatalf("%v\n%s", err, ladder(steps))
	}
	if n := len(d.seen(&d.shown)); n != 1 {
		t.Errorf("the server was shown %d keys, want the good one first", n)
	}
}

func TestOffers_TheSixthFailureOfAServerIsExplained(t *testing.T) {
	t.Parallel()
	keys := []string{keygen(t, "ed25519"), keygen(t, "ed25519"), keygen(t, "ed25519"), keygen(t, "ed25519")}
	d := newDoor(t, ssh.ServerConfig{MaxAuthTries: 3}, public(t, keys[3]))
	q := &asked{answers: []string{"hunter2"}}
	steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": keys}, prompts: Prompts{Secret: q.secret}})
	if err == nil || len(q.got) != 0 {
		t.Fatalf("got %v after %d questions", err, len(q.got))
	}
	if !strings.Contains(err.Error(), "too many authentication failures") || !strings.Contains(job.HintOf(err), "IdentitiesOnly") {
		t.Errorf("%v\nhint %s\n%s", err, job.HintOf(err), ladder(steps))
	}
}

func TestRSA_SignsAsTheConfigurationSays(t *testing.T) {
	t.Parallel()
	key := keygen(t, "rsa")
	for _, c := range []struct {
		accepted, server string
		in               bool
	}{
		{"", "rsa-sha2-512", true},
		{"", "rsa-sha2-256", true},
		{"", "ssh-rsa", false},
		{"+ssh-rsa", "ssh-rsa", true},
		{"rsa-sha2-256", "rsa-sha2-512", false},
		{"rsa-sha2-256,rsa-sha2-512", "rsa-sha2-512", true},
		{"-rsa-sha2-*", "rsa-sha2-512", false},
		{"ssh-ed25519", "rsa-sha2-512", false},
	} {
		d := newDoor(t, ssh.ServerConfig{PublicKeyAuthAlgorithms: []string{c.server}}, public(t, key))
		options := map[string][]string{"IdentityFile": {key}}
		if c.accepted != "" {
			options["PubkeyAcceptedAlgorithms"] = []string{c.accepted}
		}
		steps, err := d.enter(t, visitor{options: options})
		if (err == nil) != c.in {
			t.Errorf("%+v: %v\n%s", c, err, ladder(steps))
		}
		if !c.in && !has(steps, false, "publickey", "signature") {
			t.Errorf("%+v: no step speaks of signatures:\n%s", c, ladder(steps))
		}
	}
}

func TestRSA_RequiredSize(t *testing.T) {
	t.Parallel()
	key := keygen(t, "rsa", "-b", "2048", "-N", "")
	d := newDoor(t, ssh.ServerConfig{}, public(t, key))
	steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": {key}, "RequiredRSASize": {"3072"}}})
	if err == nil || !has(steps, false, "publickey", "2048 bits") {
		t.Errorf("%v\n%s", err, ladder(steps))
	}
}

// certify signs a key with a new CA and returns the CA.
func certify(t *testing.T, key string, args ...string) ssh.PublicKey {
	t.Helper()
	ca := keygen(t, "ed25519")
	args = append([]string{"-q", "-s", ca, "-I", "of the test", "-n", "deploy"}, args...)
	runProgram(t, nil, "ssh-keygen", append(args, key+".pub")...)
	return public(t, ca)
}

// takesCertificates is a PublicKeyCallback for one CA.
func takesCertificates(d *door, ca ssh.PublicKey) func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
	checker := ssh.CertChecker{IsUserAuthority: func(k ssh.PublicKey) bool { return sameKey(k, ca) }}
	return func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		d.note(&d.shown, ssh.FingerprintSHA256(key)+certMark(key))
		return checker.Authenticate(c, key)
	}
}

func TestCertificate_BesideTheKeyOrNamed(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		for _, named := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %t", kind, named), func(t *testing.T) {
				t.Parallel()
				key := keygen(t, kind)
				ca := certify(t, key)
				options := map[string][]string{"IdentityFile": {key}}
				if named {
					elsewhere := filepath.Join(t.TempDir(), "cert")
					if err := os.Rename(key+"-cert.pub", elsewhere); err != nil {
						t.Fatal(err)
					}
					options["CertificateFile"] = []string{elsewhere}
				}
				var d *door
				d = newDoor(t, ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
					return takesCertificates(d, ca)(c, k)
				}})
				steps, err := d.enter(t, visitor{options: options})
				if err != nil || !has(steps, true, "publickey", `certificate "of the test"`) {
					t.Errorf("%v\n%s", err, ladder(steps))
				}
				if n := len(d.seen(&d.shown)); n != 1 {
					t.Errorf("the server was shown %d keys, want the certificate first", n)
				}
			})
		}
	}
}

func TestCertificate_ExpiredGoesLastAndIsSaid(t *testing.T) {
	t.Parallel()
	key := keygen(t, "ed25519")
	ca := certify(t, key, "-V", "20200101:20200102")
	var d *door
	d = newDoor(t, ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		return takesCertificates(d, ca)(c, k)
	}})
	steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": {key}}})
	if err == nil || !has(steps, false, "publickey", "valid only from 2020-01-01") {
		t.Errorf("%v\n%s", err, ladder(steps))
	}
	shown := d.seen(&d.shown)
	if len(shown) != 2 || !strings.HasSuffix(shown[1], "cert") {
		t.Errorf("shown %q, want the certificate last", shown)
	}
}

func TestCertificate_WithoutItsKeyIsSaid(t *testing.T) {
	t.Parallel()
	key, other := keygen(t, "ed25519"), keygen(t, "ed25519")
	certify(t, key)
	d := newDoor(t, ssh.ServerConfig{}, public(t, other))
	steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": {other}, "CertificateFile": {key + "-cert.pub"}}})
	if err != nil || !has(steps, false, "publickey", "its private key is neither") {
		t.Errorf("%v\n%s", err, ladder(steps))
	}
}

func TestPublicFile_OfAnotherKeyIsSaid(t *testing.T) {
	t.Parallel()
	key, other := keygen(t, "rsa", "-m", "PEM", "-N", "correct horse"), keygen(t, "ed25519")
	text, err := os.ReadFile(other + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key+".pub", text, 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, ssh.ServerConfig{}, public(t, other))
	q := &asked{answers: []string{"correct horse"}}
	steps, err := d.enter(t, visitor{options: map[string][]string{"IdentityFile": {key}}, prompts: Prompts{Secret: q.secret}})
	if err == nil || !has(steps, false, "publickey", "that of another key") {
		t.Errorf("%v\n%s", err, ladder(steps))
	}
}
