package knownhosts_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/remote/knownhosts"
)

func read(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAdd_IsFoundBySSHKeygenAndBelievedBySSH(t *testing.T) {
	t.Parallel()
	host := newSigner(t, "ed25519")
	addr := serve(t, host)
	for _, c := range []struct {
		name       string
		query      knownhosts.Query
		host, port string
		options    []string
	}{
		{"host", knownhosts.Query{Host: "Web1", Port: 22}, "web1", "22", nil},
		{"port", knownhosts.Query{Host: "web1", Port: 2222}, "web1", "2222", nil},
		{"IPv6 and port", knownhosts.Query{Host: "fe80::1", Port: 2222}, "fe80::1", "2222", nil},
		{"alias", knownhosts.Query{Host: "web1", Port: 2222, Alias: "somewhere"}, "web1", "2222", []string{"HostKeyAlias=somewhere"}},
	} {
		for _, hash := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, hashed %v", c.name, hash), func(t *testing.T) {
				t.Parallel()
				file := filepath.Join(t.TempDir(), ".ssh", "known_hosts")
				n, err := knownhosts.Add(file, c.query, host.PublicKey(), hash)
				if err != nil || n != 1 {
					t.Fatalf("got line %d, %v, want 1", n, err)
				}
				if name := strings.ToLower(c.query.Name()); hash == strings.Contains(read(t, file), name) {
					t.Errorf("wrote %q", read(t, file))
				}
				if got := sshKeygenFind(t, file, strings.ToLower(c.query.Name())); fmt.Sprint(got) != "[1]" {
					t.Errorf("ssh-keygen -F finds it in lines %v, want 1:\n%s", got, read(t, file))
				}
				if got, out := sshVerdict(t, addr, c.host, c.port, file, c.options...); got != "known" {
					t.Errorf("ssh says %s, want known:\n%s\n%s", got, read(t, file), out)
				}
			})
		}
	}
}

func TestAdd_WritesTheLineThatSSHWrites(t *testing.T) {
	t.Parallel()
	host := newSigner(t, "ed25519")
	theirs, ours := filepath.Join(t.TempDir(), "known_hosts"), filepath.Join(t.TempDir(), "known_hosts")
	// The first value of an option counts, and ours come last: so a file for the one.
	config := write(t, "StrictHostKeyChecking accept-new\nHashKnownHosts no\nUserKnownHostsFile "+theirs+"\n")
	args := []string{"-F", config, "-T", "-n", "-p", "2222", "-o", "GlobalKnownHostsFile=/dev/null", "-o", "IdentityAgent=none", "-o", "ProxyCommand=" + os.Args[0], "somebody@Web1", "true"}
	cmd := exec.CommandContext(t.Context(), program(t, "ssh"), args...)
	cmd.Env = append(os.Environ(), connectTo+"="+serve(t, host))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh: %v\n%s", err, out)
	}
	if _, err := knownhosts.Add(ours, knownhosts.Query{Host: "Web1", Port: 2222}, host.PublicKey(), false); err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, ours), read(t, theirs); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAdd_IsForTheUserAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // access is by lists there, which are inherited from the profile
	}
	file := filepath.Join(t.TempDir(), ".ssh", "known_hosts")
	if _, err := knownhosts.Add(file, knownhosts.Query{Host: "web1"}, newKey(t, "ed25519"), false); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v (%v), want %v", filepath.Base(path), info.Mode().Perm(), err, want)
		}
	}
}

func TestAdd_StartsALineOfItsOwn(t *testing.T) {
	t.Parallel()
	file := write(t, "# no newline behind this")
	n, err := knownhosts.Add(file, knownhosts.Query{Host: "web1"}, newKey(t, "ed25519"), false)
	if err != nil || n != 2 {
		t.Errorf("got line %d, %v, want 2", n, err)
	}
	if got := read(t, file); !strings.HasPrefix(got, "# no newline behind this\nweb1 ssh-ed25519 ") || strings.Count(got, "\n") != 2 {
		t.Errorf("got %q", got)
	}
}

func TestAdd_DoesNotWriteAKeyTwice(t *testing.T) {
	t.Parallel()
	key := newKey(t, "ed25519")
	file := write(t, "# c\n")
	for range 2 {
		if n, err := knownhosts.Add(file, knownhosts.Query{Host: "web1"}, key, true); err != nil || n != 2 {
			t.Errorf("got line %d, %v, want 2", n, err)
		}
	}
	if n := strings.Count(read(t, file), "\n"); n != 2 {
		t.Errorf("%d lines, want 2", n)
	}
}

func TestAdd_RefusesANameThatIsAPattern(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"*", "web?", "!web", "a,b", "a b", "a\nb", "a\tb", "[a]", "|1|a|b", "@revoked", "#a", ""} {
		file := filepath.Join(t.TempDir(), "known_hosts")
		if _, err := knownhosts.Add(file, knownhosts.Query{Host: host, Port: 2222}, newKey(t, "ed25519"), false); !errors.Is(err, knownhosts.ErrName) {
			t.Errorf("%q: got %v, want %v", host, err, knownhosts.ErrName)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%q: a file was made", host)
		}
	}
}

func TestAdd_IntoTheNullDeviceKeepsNothing(t *testing.T) {
	t.Parallel()
	if n, err := knownhosts.Add(os.DevNull, knownhosts.Query{Host: "web1"}, newKey(t, "ed25519"), false); n != 0 || err != nil {
		t.Errorf("got line %d, %v, want 0", n, err)
	}
	if p := (knownhosts.Files{User: []string{os.DevNull}}).Read().Problems(); len(p) != 0 {
		t.Errorf("problems %v, want none", p)
	}
}

func TestAdd_LosesNothingWithManyWriters(t *testing.T) {
	t.Parallel()
	file := write(t, "gone "+text(newKey(t, "ed25519"))+"\n")
	var writers sync.WaitGroup
	const n = 24
	for i := range n {
		key := newKey(t, "ed25519")
		writers.Go(func() {
			q := knownhosts.Query{Host: fmt.Sprintf("host%d", i)}
			var err error
			if i%3 == 0 { // replaced while others append
				_, err = knownhosts.Replace(file, q, key, false)
			} else {
				_, err = knownhosts.Add(file, q, key, false)
			}
			if err != nil {
				t.Errorf("%s: %v", q.Host, err)
			}
		})
	}
	writers.Wait()
	k := knownhosts.Files{User: []string{file}}.Read()
	for i := range n {
		if found := k.Find(fmt.Sprintf("host%d", i)); len(found) != 1 {
			t.Errorf("host%d is there %d times, want once", i, len(found))
		}
	}
	if p := k.Problems(); len(p) != 0 {
		t.Errorf("problems %v, want none", p)
	}
}

func TestReplace_KeepsEverythingElse(t *testing.T) {
	t.Parallel()
	key, old := newKey(t, "ed25519"), text(newKey(t, "ed25519"))
	hashedLine := sshKeygenHash(t, "web1 "+old+"\n")
	keep := "# c\nbroken\nweb2 " + old + "\n@cert-authority web1 " + old + "\n@revoked web1 " + old + "\n[web1]:2222 " + old + "\n"
	before := keep + "web1 " + old + "\n" + hashedLine + "\tWEB1,10.0.0.1  " + old + " comment" // and no newline
	after := keep + "\t10.0.0.1  " + old + " comment\nweb1 " + text(key) + "\n"
	file := write(t, before)
	n, err := knownhosts.Replace(file, knownhosts.Query{Host: "web1"}, key, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, file); got != after || n != strings.Count(after, "\n") {
		t.Errorf("got line %d of\n%s\nwant\n%s", n, got, after)
	}
	if got := read(t, file+".old"); got != before {
		t.Errorf("the copy is\n%s\nwant\n%s", got, before)
	}
	if files, _ := filepath.Glob(filepath.Dir(file) + "/*"); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}
}

func TestReplace_OnlyRemovesWithoutAKey(t *testing.T) {
	t.Parallel()
	file := write(t, "a "+text(newKey(t, "ed25519"))+"\nweb1 "+text(newKey(t, "ed25519"))+"\n")
	if n, err := knownhosts.Replace(file, knownhosts.Query{Host: "web1"}, nil, false); n != 0 || err != nil {
		t.Fatalf("got line %d, %v", n, err)
	}
	if got := sshKeygenFind(t, file, "web1"); len(got) != 0 {
		t.Errorf("ssh-keygen still finds it in %v", got)
	}
	if got := sshKeygenFind(t, file, "a"); len(got) != 1 {
		t.Errorf("ssh-keygen does not find the other one any more")
	}
}

func TestReplace_LeavesAPatternToTheOperator(t *testing.T) {
	t.Parallel()
	for _, hosts := range []string{"web*", "web1,web?", "!web2,*"} {
		before := "web1 " + text(newKey(t, "ed25519")) + "\n" + hosts + " " + text(newKey(t, "ed25519")) + "\n"
		file := write(t, before)
		_, err := knownhosts.Replace(file, knownhosts.Query{Host: "web1"}, newKey(t, "ed25519"), false)
		if err == nil || !strings.Contains(err.Error(), file+":2") {
			t.Errorf("%s: got %v, want an error that names line 2", hosts, err)
		}
		if read(t, file) != before {
			t.Errorf("%s: the file was changed", hosts)
		}
	}
}

func TestReplace_FollowsALink(t *testing.T) {
	t.Parallel()
	real := write(t, "web1 "+text(newKey(t, "ed25519"))+"\n")
	link := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	key := newKey(t, "ed25519")
	if _, err := knownhosts.Replace(link, knownhosts.Query{Host: "web1"}, key, false); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link became a file")
	}
	if want := "web1 " + text(key) + "\n"; read(t, real) != want {
		t.Errorf("got %q, want %q", read(t, real), want)
	}
}

func TestRead_NamesWhatItPassesOver(t *testing.T) {
	t.Parallel()
	key := text(newKey(t, "ed25519"))
	file := write(t, "# c\nweb1\n@future a "+key+"\nb ssh-ed25519 %%%\n\nc ssh-future AAAA\n|2|x|y "+key+"\nok "+key+"\n")
	folder := t.TempDir()
	problems := knownhosts.Files{User: []string{file, folder, file + ".missing"}}.Read().Problems()
	var got []string
	for _, p := range problems {
		if p.Text == "" || strings.ContainsAny(p.Text, "\n") {
			t.Errorf("says %q", p.Text)
		}
		got = append(got, fmt.Sprintf("%s:%d", filepath.Base(p.File), p.Line))
	}
	want := []string{"known_hosts:2", "known_hosts:3", "known_hosts:7", filepath.Base(folder) + ":0", "known_hosts:4", "known_hosts:6"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func seeds(f *testing.F) ssh.PublicKey {
	key := newKey(f, "ed25519")
	f.Add([]byte("web1 " + text(key) + "\n"))
	f.Add([]byte("@cert-authority *,!a " + text(key) + "\r\n|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= " + text(key)))
	f.Add([]byte("@revoked\n@\n,\n!\n|\n|1|\n web1\t\x00"))
	return key
}

// Whatever stands before and behind, a good line is found.
func FuzzRead(f *testing.F) {
	key := seeds(f)
	file := filepath.Join(f.TempDir(), "known_hosts")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(file, []byte(string(content)+"\ngood "+text(key)+"\n"+string(content)), 0o600); err != nil {
			t.Fatal(err)
		}
		k := knownhosts.Files{User: []string{file}}.Read()
		if found := k.Find("good"); len(found) == 0 {
			t.Errorf("the good line is lost")
		}
		_ = k.Problems()
		_, _ = k.Check(knownhosts.Query{Host: "web1", Port: 2222}, key)
		_ = k.Algorithms(knownhosts.Query{Host: "web1"}, []string{"ssh-ed25519", "ssh-rsa"})
	})
}

// What is removed is what was there; the copy is the old file.
func FuzzReplace(f *testing.F) {
	key := seeds(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		before := string(content) + "\ngood " + text(key) + "\n" + string(content)
		file := write(t, before)
		held := len(knownhosts.Files{User: []string{file}}.Read().Others(key))
		if _, err := knownhosts.Replace(file, knownhosts.Query{Host: "good"}, nil, false); err != nil {
			if read(t, file) != before {
				t.Errorf("changed in spite of %v", err)
			}
			return
		}
		if read(t, file+".old") != before {
			t.Error("the copy is not the old file")
		}
		k := knownhosts.Files{User: []string{file}}.Read()
		for _, e := range k.Find("good") {
			if e.Marker == knownhosts.MarkNone {
				t.Errorf("%s is still about it", e.Place)
			}
		}
		if len(k.Others(key)) >= held {
			t.Error("nothing was removed")
		}
	})
}
