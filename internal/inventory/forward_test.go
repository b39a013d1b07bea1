//go:build unix

package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Ensure every form of a forward is read as ssh reads it, whoever evaluates the
// configuration.
func TestForwards_AreThoseOfSSH(t *testing.T) {
	t.Parallel()
	const text = `Host web1
  LocalForward 8080 localhost:80
  LocalForward *:8081 db:5432
  LocalForward [::1]:8082 [fe80::1]:80
  LocalForward /run/%%a-%p.sock /var/run/docker.sock
  LocalForward 9000 /run/x.sock
  LocalForward /run/b.sock db:5432
  LocalForward :8084 h:80
  RemoteForward 9090 localhost:80
  RemoteForward 9091
  RemoteForward *:0 h:1
  RemoteForward /tmp/r.sock h:1
  DynamicForward 1080
  DynamicForward 0.0.0.0:1081
Host *
  DynamicForward 1082
`
	const want = `[local 8080 localhost:80] [local *:8081 db:5432] [local [::1]:8082 [fe80::1]:80] [local /run/%a-22.sock /var/run/docker.sock] ` +
		`[local 9000 /run/x.sock] [local /run/b.sock db:5432] [local *:8084 h:80] [remote 9090 localhost:80] [remote 9091 ] ` +
		`[remote *:0 h:1] [remote /tmp/r.sock h:1] [dynamic 1080 ] [dynamic 0.0.0.0:1081 ] [dynamic 1082 ]`
	for name, lines := range map[string]string{"": text, "ClearAllForwardings yes\n": "ClearAllForwardings yes\n" + text} {
		config := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(config, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		r, _ := resolverFor(t, config)
		for by, r := range map[string]*Resolver{"ssh": r, "built-in": {Config: r.Config, Home: r.Home}} {
			all, problems := resolve(t, r, "web1").Forwards()
			var got []string
			for _, f := range all {
				got = append(got, fmt.Sprintf("[%s %s %s]", f.Kind, f.Listen, f.To))
			}
			expected := want
			if name != "" {
				expected = ""
			}
			if strings.Join(got, " ") != expected || len(problems) > 0 {
				t.Errorf("%s%s: got\n%s\nwant\n%s\n%v", name, by, strings.Join(got, " "), expected, problems)
			}
		}
	}
}

// Ensure what ssh refuses is refused, and that a forward is read again from the
// option it is written as.
func TestParseForward(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "8080", "8080:db", "8080:db:0", "8080:db:x", "70000:db:1", "a:b:c:d:e", "[::1:8080:db:1", "8080::80"} {
		if f, err := ParseForward(ForwardLocal, text); err == nil {
			t.Errorf("%q is read as %+v", text, f)
		}
	}
	if f, err := ParseForward(ForwardDynamic, "1080:db:80"); err == nil {
		t.Errorf("read as %+v", f)
	}
	for kind, texts := range map[string][]string{
		ForwardLocal:   {"8080:db:5432", "127.0.0.1:8080:db:5432", "[::1]:8080:[fe80::1]:80", "/run/a:/run/b", "*:1:/run/b"},
		ForwardRemote:  {"8080:db:5432", "9091", "*:9091"},
		ForwardDynamic: {"1080", "*:1080"},
	} {
		for _, text := range texts {
			f, err := ParseForward(kind, text)
			if err != nil || f.Flag()[1] != text {
				t.Errorf("%q: got %+v, %v", text, f, err)
			}
		}
	}
}
