package knownhosts_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/remote/knownhosts"
)

// verdict is ours about a key, as a server shows it.
func verdict(t testing.TB, file, host, port, alias string, key ssh.PublicKey) knownhosts.Result {
	t.Helper()
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	r, err := knownhosts.Files{User: []string{file}}.Read().Check(knownhosts.Query{Host: host, Port: n, Alias: alias}, key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The real ssh is asked the same question of the same file.
func TestCheck_AgreesWithSSH(t *testing.T) {
	t.Parallel()
	host, other, authority := newSigner(t, "ed25519"), newSigner(t, "ed25519"), newSigner(t, "ed25519")
	plain := serve(t, host)
	key, wrong, ca := text(host.PublicKey()), text(other.PublicKey()), text(authority.PublicKey())
	rsa := text(newKey(t, "rsa"))
	hashOf := func(name string) string { return strings.Fields(sshKeygenHash(t, name+" "+key+"\n"))[0] }
	long := strings.Repeat("x", 70<<10)
	cases := []struct{ name, file, host, port, alias, want string }{
		{"plain", "web1 " + key, "web1", "22", "", "known"},
		{"unknown", "web2 " + key, "web1", "22", "", "unknown"},
		{"no file content", "", "web1", "22", "", "unknown"},
		{"other key", "web1 " + wrong, "web1", "22", "", "changed"},
		{"other key, then the right one", "web1 " + wrong + "\nweb1 " + key, "web1", "22", "", "known"},
		{"only a key of another type", "web1 " + rsa, "web1", "22", "", "changed"},
		{"case of the line", "Web1 " + key, "web1", "22", "", "known"},
		{"case of the host", "web1 " + key, "WEB1", "22", "", "known"},
		{"list", "a,web1,b " + key, "web1", "22", "", "known"},
		{"star", "10.0.0.* " + key, "10.0.0.7", "22", "", "known"},
		{"star at the end matches nothing too", "web1* " + key, "web1", "22", "", "known"},
		{"question mark is exactly one", "web1? " + key, "web1", "22", "", "unknown"},
		{"question mark", "web? " + key, "web1", "22", "", "known"},
		{"negation", "*.example.com,!bad.example.com " + key, "bad.example.com", "22", "", "unknown"},
		{"negation of another", "*.example.com,!bad.example.com " + key, "good.example.com", "22", "", "known"},
		{"negation first", "!bad.example.com,*.example.com " + key, "bad.example.com", "22", "", "unknown"},
		{"hashed", hashOf("web1") + " " + key, "web1", "22", "", "known"},
		{"hashed, case of the host", hashOf("web1") + " " + key, "WEB1", "22", "", "known"},
		{"hashed port", hashOf("[web1]:2222") + " " + key, "web1", "2222", "", "known"},
		{"port", "[web1]:2222 " + key, "web1", "2222", "", "known"},
		{"port pattern", "[web?]:2222 " + key, "web1", "2222", "", "known"},
		{"port without brackets", "web1:2222 " + key, "web1", "2222", "", "unknown"},
		{"name alone for another port", "web1 " + key, "web1", "2222", "", "known"},
		{"name alone with another key for another port", "web1 " + wrong, "web1", "2222", "", "unknown"},
		{"port has another key, name alone the right one", "[web1]:2222 " + wrong + "\nweb1 " + key, "web1", "2222", "", "changed"},
		{"pattern of names for another port", "*.example.com " + key, "a.example.com", "2222", "", "known"},
		{"port entry for the plain host", "[web1]:2222 " + key, "web1", "22", "", "unknown"},
		{"port 22 in brackets", "[web1]:22 " + key, "web1", "22", "", "unknown"},
		{"IPv6", "::1 " + key, "::1", "22", "", "known"},
		{"IPv6 and port", "[::1]:2222 " + key, "::1", "2222", "", "known"},
		{"alias", "somewhere " + key, "web1", "22", "somewhere", "known"},
		{"alias goes without port", "somewhere " + key, "web1", "2222", "somewhere", "known"},
		{"alias with port is not looked for", "[somewhere]:2222 " + key, "web1", "2222", "somewhere", "unknown"},
		{"alias leaves the host out", "web1 " + key, "web1", "22", "somewhere", "unknown"},
		{"hashed alias with capitals", hashOf("SomeWhere") + " " + key, "web1", "22", "SomeWhere", "known"},
		{"revoked", "@revoked * " + key + "\nweb1 " + key, "web1", "22", "", "revoked"},
		{"revoked after it is known", "web1 " + key + "\n@revoked web1 " + key, "web1", "22", "", "revoked"},
		{"revoked for another host", "@revoked web2 " + key + "\nweb1 " + key, "web1", "22", "", "known"},
		{"another key revoked", "@revoked * " + wrong + "\nweb1 " + key, "web1", "22", "", "known"},
		{"key of an authority shown as a host key", "@cert-authority * " + key, "web1", "22", "", "unknown"},
		{"authority does not make it changed", "@cert-authority * " + ca, "web1", "22", "", "unknown"},
		{"bad base64 first", "web1 ssh-ed25519 %%%%\nweb1 " + key, "web1", "22", "", "known"},
		{"unknown type first", "web1 ssh-future AAAA\nweb1 " + key, "web1", "22", "", "known"},
		{"type and key differ", "web1 ssh-rsa " + strings.Fields(key)[1] + "\nweb1 " + key, "web1", "22", "", "known"},
		{"SSH-1 first", "web1 1024 35 1234567890\nweb1 " + key, "web1", "22", "", "known"},
		{"unknown marker first", "@future web1 " + key + "\nweb1 " + key, "web1", "22", "", "known"},
		{"two markers", "@revoked @cert-authority web1 " + key + "\nweb1 " + key, "web1", "22", "", "known"},
		{"only a name first", "web1\nweb1 " + key, "web1", "22", "", "known"},
		{"bad hash first", "|1|AAAA|BBBB " + key + "\nweb1 " + key, "web1", "22", "", "known"},
		{"long comment first", "# " + long + "\nweb1 " + key, "web1", "22", "", "known"},
		{"long comment behind the key", "web1 " + key + " " + long, "web1", "22", "", "known"},
		{"long name", long + ",web1 " + key, "web1", "22", "", ""},
		{"CRLF", "\r\n# c\r\nweb1 " + key + "\r\n", "web1", "22", "", "known"},
		{"CRLF and comment", "web1 " + key + " me@here\r\n", "web1", "22", "", "known"},
		{"tabs and blanks", " \t web1 \t " + strings.ReplaceAll(key, " ", " \t") + "\tcomment", "web1", "22", "", "known"},
		{"NUL", "web1 " + key + "\x00garbage", "web1", "22", "", "known"},
		{"no newline at the end", "web1 " + key, "web1", "22", "", "known"},
		{"byte order mark", "\ufeffweb1 " + key, "web1", "22", "", "unknown"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := write(t, c.file)
			var options []string
			if c.alias != "" {
				options = append(options, "HostKeyAlias="+c.alias)
			}
			oracle, output := sshVerdict(t, plain, c.host, c.port, file, options...)
			if c.want != "" && oracle != c.want {
				t.Errorf("ssh says %s, want %s:\n%s", oracle, c.want, output)
			}
			if got := verdict(t, file, c.host, c.port, c.alias, host.PublicKey()); got.Status.String() != oracle {
				t.Errorf("got %v, ssh says %s:\n%s", got, oracle, output)
			}
		})
	}
}

func TestCheck_AgreesWithSSHAboutCertificates(t *testing.T) {
	t.Parallel()
	host, authority := newSigner(t, "ed25519"), newSigner(t, "ed25519")
	key, ca, wrong := text(host.PublicKey()), text(authority.PublicKey()), text(newKey(t, "ed25519"))
	forNames := func(principals ...string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.ValidPrincipals = principals }
	}
	past := func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Hour).Unix()) }
	future := func(c *ssh.Certificate) { c.ValidAfter = uint64(time.Now().Add(time.Hour).Unix()) }
	user := func(c *ssh.Certificate) { c.CertType = ssh.UserCert }
	critical := func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"future": "x"} }
	cases := []struct {
		name, file, port, alias, want string
		edit                          func(*ssh.Certificate)
	}{
		{"authority", "@cert-authority *.example.com " + ca, "22", "", "known", nil},
		{"principal", "@cert-authority * " + ca, "22", "", "known", forNames("web1.example.com")},
		{"another principal", "@cert-authority * " + ca, "22", "", "unknown", forNames("web2.example.com")},
		{"principal is a pattern", "@cert-authority * " + ca, "22", "", "unknown", forNames("a", "*.example.com")},
		{"port", "@cert-authority [*.example.com]:2222 " + ca, "2222", "", "known", forNames("web1.example.com")},
		{"another port", "@cert-authority *.example.com " + ca, "2222", "", "known", forNames("web1.example.com")},
		{"alias", "@cert-authority somewhere " + ca, "22", "somewhere", "known", forNames("somewhere")},
		{"alias is not the principal", "@cert-authority somewhere " + ca, "22", "somewhere", "unknown", forNames("web1.example.com")},
		{"authority of other hosts", "@cert-authority *.example.org " + ca, "22", "", "unknown", nil},
		{"another authority", "@cert-authority * " + wrong, "22", "", "unknown", nil},
		{"authority's key without the marker", "* " + ca, "22", "", "changed", nil},
		{"the key itself is known", "web1.example.com " + key, "22", "", "known", nil},
		{"another key is known", "web1.example.com " + wrong, "22", "", "changed", nil},
		{"authority, and another key is known", "web1.example.com " + wrong + "\n@cert-authority * " + ca, "22", "", "known", nil},
		{"expired", "@cert-authority * " + ca, "22", "", "unknown", past},
		{"expired, but the key is known", "web1.example.com " + key + "\n@cert-authority * " + ca, "22", "", "known", past},
		{"not valid yet", "@cert-authority * " + ca, "22", "", "unknown", future},
		{"for a user", "@cert-authority * " + ca, "22", "", "unknown", user},
		{"critical option", "@cert-authority * " + ca, "22", "", "unknown", critical},
		{"key revoked", "@revoked * " + key + "\n@cert-authority * " + ca, "22", "", "revoked", nil},
		{"authority revoked", "@revoked * " + ca + "\n@cert-authority * " + ca, "22", "", "revoked", nil},
		{"tab behind the marker", "@cert-authority\t*\t" + strings.ReplaceAll(ca, " ", "\t"), "22", "", "known", nil},
		{"tab, then a blank, behind the marker", "@cert-authority\t* " + ca, "22", "", "unknown", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cert := certificate(t, host, authority, c.edit)
			addr := serve(t, cert, host)
			file := write(t, c.file)
			var options []string
			if c.alias != "" {
				options = append(options, "HostKeyAlias="+c.alias)
			}
			oracle, output := sshVerdict(t, addr, "web1.example.com", c.port, file, options...)
			if c.want != "" && oracle != c.want {
				t.Errorf("ssh says %s, want %s:\n%s", oracle, c.want, output)
			}
			if got := verdict(t, file, "web1.example.com", c.port, c.alias, cert.PublicKey()); got.Status.String() != oracle {
				t.Errorf("got %v, ssh says %s:\n%s", got, oracle, output)
			}
		})
	}
}

// What nobody has thought of: files of random lines, about names and ports that
// are alike, with the right key, others, an authority and broken ones.
func TestCheck_AgreesWithSSHOnRandomFiles(t *testing.T) {
	t.Parallel()
	host, authority := newSigner(t, "ed25519"), newSigner(t, "ed25519")
	cert := certificate(t, host, authority, nil)
	servers := map[string]ssh.PublicKey{serve(t, host): host.PublicKey(), serve(t, cert): cert.PublicKey()}
	key := text(host.PublicKey())
	keys := []string{key, key, key, text(authority.PublicKey()), text(newKey(t, "ed25519")), text(newKey(t, "rsa")), key[:40], "ssh-rsa " + strings.Fields(key)[1]}
	names := []string{"web1", "WEB1", "web2", "web*", "*", "we?1", "!web1", "!web*", "[web1]:2222", "[web*]:2222", "[web1]:22", "[*]:*", "web1:2222", ""}
	hashed := strings.Fields(sshKeygenHash(t, "web1 "+key+"\n"))[0]
	const seed = 12
	random := rand.New(rand.NewPCG(seed, seed))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	seen := map[string]int{}
	for range 60 {
		var file strings.Builder
		for range random.IntN(6) {
			hosts := pick(names...)
			for range random.IntN(3) {
				hosts += "," + pick(names...)
			}
			if random.IntN(8) == 0 {
				hosts = hashed
			}
			file.WriteString(pick("", "", "", "", "@cert-authority ", "@cert-authority ", "@revoked ", "@revoked\t", "# ", "@x ") + hosts + pick(" ", "\t", "  ") + pick(keys...) + pick("", " comment", "\r") + "\n")
		}
		path := write(t, file.String())
		for addr, shown := range servers {
			port := pick("22", "2222")
			oracle, output := sshVerdict(t, addr, "web1", port, path)
			if got := verdict(t, path, "web1", port, "", shown); got.Status.String() != oracle && !strings.Contains(file.String(), "@revoked\t") {
				t.Errorf("seed %d: got %v, ssh says %s about a %s on port %s, by\n%s\n%s", seed, got.Status, oracle, shown.Type(), port, file.String(), output)
			}
			seen[oracle]++
		}
	}
	for _, v := range []string{"known", "unknown", "changed", "revoked"} {
		if seen[v] < 5 {
			t.Errorf("only %d of 120 verdicts were %s: the files say little", seen[v], v)
		}
	}
}

func TestCheck_RevokedHostKeysFile(t *testing.T) {
	t.Parallel()
	host, authority := newSigner(t, "ed25519"), newSigner(t, "ed25519")
	key, ca := text(host.PublicKey()), text(authority.PublicKey())
	cert := certificate(t, host, authority, nil)
	known := write(t, "web1 "+key+"\n@cert-authority * "+ca)
	cases := []struct {
		name, revoked, want string
		signer              ssh.Signer
	}{
		{"the key", "# gone\n\n" + key + " comment\n", "revoked", host},
		{"another key", text(newKey(t, "ed25519")), "known", host},
		{"empty", "", "known", host},
		{"the key in a certificate", key, "revoked", cert},
		{"its authority", ca, "revoked", cert},
		{"unreadable line", "nonsense\n", "failed", host},
		{"binary list", "SSHKRL\n\x00rest", "failed", host},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := write(t, c.revoked)
			oracle, output := sshVerdict(t, serve(t, c.signer), "web1", "22", known, "RevokedHostKeys="+file)
			r, err := knownhosts.Files{User: []string{known}, Revoked: []string{file}}.Read().Check(knownhosts.Query{Host: "web1"}, c.signer.PublicKey())
			got := r.Status.String()
			if err != nil {
				got = "failed"
			}
			if got != c.want || oracle != c.want {
				t.Errorf("got %s (%v), ssh says %s, want %s:\n%s", got, err, oracle, c.want, output)
			}
		})
	}
	_, err := knownhosts.Files{User: []string{known}, Revoked: []string{known + ".missing"}}.Read().Check(knownhosts.Query{Host: "web1"}, host.PublicKey())
	if err == nil {
		t.Error("a missing list of revoked keys revokes nothing")
	}
}

func TestCheck_NamesEveryPlaceThatHoldsAnotherKey(t *testing.T) {
	t.Parallel()
	user := write(t, "# c\nweb1 "+text(newKey(t, "ed25519"))+"\nweb2 "+text(newKey(t, "ed25519"))+"\n")
	global := write(t, "web* "+text(newKey(t, "ed25519"))+"\n")
	missing := user + ".missing"
	k := knownhosts.Files{User: []string{missing, user}, Global: []string{global, missing}}.Read()
	r, err := k.Check(knownhosts.Query{Host: "web1"}, newKey(t, "ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint([]knownhosts.Place{{File: user, Line: 2}, {File: global, Line: 1}})
	if got := fmt.Sprint(r.Places); r.Status != knownhosts.IsChanged || got != want {
		t.Errorf("got %v at %s, want changed at %s", r.Status, got, want)
	}
	if p := k.Problems(); len(p) != 0 {
		t.Errorf("problems %v, want none", p)
	}
}

func TestCheck_SaysWhyACertificateDidNotCount(t *testing.T) {
	t.Parallel()
	host, authority := newSigner(t, "ed25519"), newSigner(t, "ed25519")
	expired := certificate(t, host, authority, func(c *ssh.Certificate) { c.ValidBefore = 1 })
	r := verdict(t, write(t, "@cert-authority * "+text(authority.PublicKey())), "web1", "22", "", expired.PublicKey())
	if r.Cert != "cert has expired" {
		t.Errorf("got %q, want that it has expired", r.Cert)
	}
	if r.Key.Type() != ssh.KeyAlgoED25519 {
		t.Errorf("judged a key of type %s, want the plain one", r.Key.Type())
	}
}

func TestCheck_CASignatureAlgorithms(t *testing.T) {
	t.Parallel()
	host, authority := newSigner(t, "ed25519"), newSigner(t, "ed25519")
	cert := certificate(t, host, authority, nil).PublicKey()
	k := knownhosts.Files{User: []string{write(t, "@cert-authority * "+text(authority.PublicKey()))}}.Read()
	for _, c := range []struct {
		allowed []string
		want    knownhosts.Status
	}{{nil, knownhosts.IsKnown}, {[]string{"ssh-ed25519"}, knownhosts.IsKnown}, {[]string{"rsa-sha2-512"}, knownhosts.IsUnknown}} {
		r, err := k.Check(knownhosts.Query{Host: "web1", CASignatures: c.allowed}, cert)
		if err != nil || r.Status != c.want {
			t.Errorf("with %v: got %v, %v, want %v", c.allowed, r.Status, err, c.want)
		}
	}
}

// The first algorithm that a server has decides; so the order is what counts.
func TestAlgorithms_AreOrderedAsSSHDoes(t *testing.T) {
	t.Parallel()
	ed, rsa := newSigner(t, "ed25519"), newSigner(t, "rsa")
	authority := newSigner(t, "ed25519")
	all := []string{ssh.CertAlgoED25519v01, ssh.CertAlgoRSASHA512v01, ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSASHA512}
	cases := []struct{ name, file, want string }{
		{"nothing known", "", "0 1 2 3 4"},
		{"best one known", "web1 " + text(rsa.PublicKey()) + "\nweb1 " + text(ed.PublicKey()), "0 1 2 3 4"},
		{"only RSA known", "web1 " + text(rsa.PublicKey()), "1 4 0 2 3"},
		{"authority and RSA known", "web1 " + text(rsa.PublicKey()) + "\n@cert-authority * " + text(authority.PublicKey()), "0 1 4 2 3"},
		{"only an authority known", "@cert-authority * " + text(authority.PublicKey()), "0 1 2 3 4"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := knownhosts.Files{User: []string{write(t, c.file)}}.Read().Algorithms(knownhosts.Query{Host: "web1"}, all)
			var want []string
			for i := range strings.FieldsSeq(c.want) {
				n, _ := strconv.Atoi(i)
				want = append(want, all[n])
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
	// What was negotiated is what tells: both clients see the same server.
	file := write(t, "web1 "+text(rsa.PublicKey()))
	addr := serve(t, ed, rsa)
	if got, out := sshVerdict(t, addr, "web1", "22", file); got != "known" {
		t.Fatalf("ssh says %s:\n%s", got, out)
	}
	k := knownhosts.Files{User: []string{file}}.Read()
	q := knownhosts.Query{Host: "web1"}
	var r knownhosts.Result
	client, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{
		HostKeyAlgorithms: k.Algorithms(q, []string{ssh.KeyAlgoED25519, ssh.KeyAlgoRSASHA512}),
		HostKeyCallback:   func(_ string, _ net.Addr, key ssh.PublicKey) (err error) { r, err = k.Check(q, key); return err },
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	if r.Status != knownhosts.IsKnown {
		t.Errorf("got %v, want known", r.Status)
	}
}
