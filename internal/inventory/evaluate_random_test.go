package inventory

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Random configurations from the parts that are easy to get wrong, read by us and
// by ssh: both must agree on every value, and on what is refused. This is how most
// of the rules in evaluate*.go were found. The first seed is printed, so that a
// failure can be had again.
func TestEvaluate_AgreesWithSSHOnRandomConfigurations(t *testing.T) {
	t.Parallel()
	realSSH(t)
	want := 2000
	if testing.Short() {
		want = 200
	}
	first := uint64(time.Now().UnixNano())
	var wg sync.WaitGroup
	taken := make([]int, 4)
	for worker := range taken {
		wg.Go(func() {
			dir := t.TempDir()
			for i := worker; i < want && !t.Failed(); i += len(taken) {
				seed := first + uint64(i)
				rnd := rand.New(rand.NewPCG(seed, 0))
				file := randomConfig(t, rnd, dir)
				d := Destination{Alias: pick(rnd, "web1", "web2", "WEB1", "db.example.com", "10.1", "::1", "x")}
				if rnd.IntN(4) == 0 {
					d.User = pick(rnd, "bob", "root")
				}
				if rnd.IntN(4) == 0 {
					d.Port = 2200
				}
				if diff := differences(t, file, d); diff != "" {
					text, _ := os.ReadFile(file)
					t.Errorf("seed %d, ssh %s:\n%s\n%s", seed, d, diff, text)
				}
				if _, _, err := evaluated(t, file, d); err == nil {
					taken[worker]++
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range taken {
		total += n
	}
	t.Logf("first seed %d: %d of %d configurations are ones that ssh takes", first, total, want)
	if total < want/4 && !t.Failed() {
		t.Errorf("only %d of %d configurations were ones that ssh takes", total, want)
	}
}

func pick(rnd *rand.Rand, list ...string) string { return list[rnd.IntN(len(list))] }

// randomConfig writes a configuration with up to two included files.
func randomConfig(tb testing.TB, rnd *rand.Rand, dir string) string {
	tb.Helper()
	for _, name := range []string{"inc/a", "inc/b"} {
		write(tb, dir, name, randomLines(rnd, 1+rnd.IntN(6), ""))
	}
	return write(tb, dir, "config", randomLines(rnd, 3+rnd.IntN(20), filepath.Join(dir, "inc")))
}

func randomLines(rnd *rand.Rand, n int, includes string) string {
	var b strings.Builder
	for range n {
		b.WriteString(randomLine(rnd, includes))
		b.WriteString(pick(rnd, "\n", "\n", "\n", "\r\n", " \n", "\n\n", " # c\n", "\n# c\n"))
	}
	return b.String()
}

func randomLine(rnd *rand.Rand, includes string) string {
	p := func(list ...string) string { return pick(rnd, list...) }
	pattern := func() string {
		return p("*", "web1", "web*", "web?", "!web2", "WEB1", "db.*", "*.example.com", "10.*", "\"web1\"", "we'b'1", "!db*", "?", "x", "::1", "w*1")
	}
	list := func() string {
		return p("web1", "web1,web2", "*.example.com,!db*", "*", "!web1,*", "10.0.0.1", "WEB1", "web1,", ",", "h-*")
	}
	name := func() string { return p("bob", "root", "al", "b*", "!bob,*", "root,bob", "bob,root") }
	switch k := rnd.IntN(100); {
	case k < 16:
		return p("Host ", "host ", "Host=", "  Host\t", "Host = ") + pattern() + p("", " "+pattern(), "\t"+pattern()+" "+pattern())
	case k < 32:
		criterion := func() string {
			return p("", "", "", "!") + p("host "+list(), "originalhost "+list(), "user "+name(), "localuser "+name(), "host="+list(),
				"exec true", "exec false", "exec \"test %h = web1\"", "exec \"test %n = x -o %p = 2200\"", "final", "canonical", "HOST "+list())
		}
		return p("Match ", "match ", "Match=") + p("all", "!all", criterion(), criterion(), criterion()+" "+criterion(), criterion()+" all", criterion()+" "+criterion()+" "+criterion())
	case k < 36 && includes != "":
		return "Include " + includes + p("/a", "/b", "/*", "/none", "/[ab]", "/[!a]", "/a "+includes+"/b", "/?", "")
	}
	value := randomValue(rnd)
	if rnd.IntN(12) == 0 {
		value = strings.Replace(value, " ", p("=", " = ", "\t", "  "), 1)
	}
	return p("", "  ", "\t") + value
}

func randomValue(rnd *rand.Rand) string {
	p := func(list ...string) string { return pick(rnd, list...) }
	path := func() string {
		return p("~/.ssh/k", "a", "/x/%h", "\"~/a b\"", "'c d'", "e\\ f", "k#1", "~root/k", "%d/%u", "k-%n-%p-%r", "\"q\\\"t\"")
	}
	yes := func() string { return p("yes", "no", "true", "FALSE", "Yes", "yes", "no") }
	number := func() string { return p("0", "1", "7", "30", "600", "+5", "22") }
	hop := func() string {
		return p("j1", "u@j2", "j3:22", "u@j4:2200", "ssh://j5", "ssh://u@j6:23", "[::1]", "[::1]:24", "10.0.0.9", "web1", "web1:22", "root@web1")
	}
	switch rnd.IntN(22) {
	case 0:
		return "HostName " + p("%h.example.com", "h-%h", "10.1", "10.0.0.1", "Host.Example.COM", "::1", "0:0::1", "%%x", "web1", "fe80::1%%lo", "0x7f.1", "1.2.3")
	case 1:
		return "User " + p("bob", "root", "\"two words\"", "u#1", "al")
	case 2:
		return "Port " + p("22", "2200", "023", "+24", "ssh")
	case 3, 4:
		return "IdentityFile " + path()
	case 5:
		return "CertificateFile " + path()
	case 6, 7:
		return "ProxyJump " + p(hop(), hop(), hop()+","+hop(), hop()+","+hop()+","+hop(), "none", "NONE", hop()+" # c", hop()+" "+hop())
	case 8:
		return "ProxyCommand " + p("none", "nc %h %p", "sh -c 'a # b'", "\"x\" y", "= z", "ssh -W %h:%p gw # c")
	case 9:
		return "HostKeyAlias " + p("Alias", "a-b", "\"c d\"")
	case 10:
		return "UserKnownHostsFile " + p(path(), path()+" "+path(), "none", "~/kh-%k", "/kh-%C", "~/%h-%n-%r-%p", "/dev/null")
	case 11:
		return "GlobalKnownHostsFile " + p(path(), "none", "/a /b")
	case 12:
		return "StrictHostKeyChecking " + p("yes", "no", "ask", "off", "accept-new", "TRUE", "false")
	case 13:
		return "IdentitiesOnly " + yes()
	case 14:
		return "IdentityAgent " + p("none", "SSH_AUTH_SOCK", "$SOCK", "~/a.sock", "${HOME}/s", "\"/a b\"", "/x-%h-%r")
	case 15:
		return "ForwardAgent " + p(yes(), yes(), "$SOCK", "~/a.sock", "/x-%r")
	case 16:
		return p("ServerAliveInterval ", "ConnectTimeout ") + p(number(), "none", "1m", "1m30s", "1h2", "2W", "3d4h")
	case 17:
		return p("ServerAliveCountMax ", "NumberOfPasswordPrompts ") + number()
	case 18:
		return "PreferredAuthentications " + p("publickey", "publickey,password", "\"a b\"")
	case 19:
		return "SendEnv " + p("LANG LC_*", "A", "A B", "-A", "-*", "B -A C", "-L*")
	case 20:
		return "SetEnv " + p("A=1", "A=1 B=2", "B=\"x y\" A=", "C='#' C=2")
	}
	return p("AddressFamily "+p("inet", "inet6", "any"), "IgnoreUnknown Foo*", "IgnoreUnknown bar,Foo?", "Compression no", "Protocol 2", "UseRoaming no",
		"FooBar x", "ControlPath ~/%C", "User", "Port x", "User a b", "Foo", "\"User\" q", "# Host web1", "BatchMode no", "TCPKeepAlive yes", "Port 0",
		"CheckHostIP yes", "RemoteCommand echo %h", "ControlPath %q", fmt.Sprintf("RequestTTY %s", yes()))
}

// FuzzEvaluate feeds arbitrary bytes as a configuration and as what it includes.
// What matters is that it ends and that it does not depend on chance.
func FuzzEvaluate(f *testing.F) {
	for seed := range uint64(20) {
		f.Add([]byte(randomLines(rand.New(rand.NewPCG(seed, 1)), 20, "/nonexistent")), "web1")
	}
	for _, text := range []string{
		"Include config\nInclude config\n", "Match host * user\n", "Host \"", "User \\", "Match exec \"%", "HostName %", "ProxyJump [", "ProxyJump ssh://%zz@",
		"IdentityFile ${", "SetEnv =", "Port 99999999999999999999", "ConnectTimeout 9999999999999999999w", "Match all all\n", "\xff\xfe", "IgnoreUnknown *\nX y\n", "=\n", "= =\n",
	} {
		f.Add([]byte(text), "host")
	}
	f.Fuzz(func(t *testing.T, config []byte, alias string) {
		dir := t.TempDir()
		file := write(t, dir, ".ssh/config", string(config))
		if strings.Contains(string(config), "/dev") || strings.Contains(string(config), "/proc") {
			return // may be different each time
		}
		answers := [2]string{}
		for i := range answers {
			e := &evaluator{local: thisMachine(dir)}
			err := e.evaluate(Destination{Alias: alias}, file)
			answers[i] = fmt.Sprint(e.printed(), err)
		}
		if answers[0] != answers[1] {
			t.Errorf("two readings differ:\n%s\n%s", answers[0], answers[1])
		}
		for _, h := range ScanSSH(file, dir).Hosts {
			if err := CheckAlias(h.Name); err != nil {
				t.Errorf("%q is listed: %v", h.Name, err)
			}
		}
	})
}
