package inventory

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// compared are the keywords on which the evaluator must agree with ssh.
var compared = []string{
	"hostname", "user", "port", "identityfile", "certificatefile", "proxyjump", "proxycommand", "hostkeyalias",
	"userknownhostsfile", "globalknownhostsfile", "stricthostkeychecking", "identitiesonly", "identityagent",
	"forwardagent", "serveraliveinterval", "serveralivecountmax", "connecttimeout", "preferredauthentications",
	"sendenv", "setenv", "addressfamily",
}

// realSSH is the ssh of this machine, which is the judge of these tests.
func realSSH(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath("ssh")
	if err != nil {
		tb.Fatal("ssh is missing: run make setup")
	}
	return path
}

// judged is what `ssh -G` says of a file: its values, or its complaint.
func judged(tb testing.TB, file string, d Destination) (map[string][]string, string) {
	tb.Helper()
	argv := argvOf(file, d)
	cmd := exec.CommandContext(tb.Context(), realSSH(tb), argv...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, stderr.String() + err.Error()
	}
	return parsePrinted(out), ""
}

// argvOf are the arguments of ssh for a destination.
func argvOf(file string, d Destination) []string { return (&Resolver{Config: file}).argv(d)[1:] }

// evaluated is the same from the evaluator, in the form in which ssh prints it.
func evaluated(tb testing.TB, file string, d Destination) (map[string][]string, *evaluator, error) {
	tb.Helper()
	e := &evaluator{local: thisMachine(""), exec: runShell(tb)}
	err := e.evaluate(d, file)
	return e.printed(), e, err
}

func runShell(tb testing.TB) func(string) (bool, error) {
	return func(command string) (bool, error) {
		return exec.CommandContext(tb.Context(), "/bin/sh", "-c", command).Run() == nil, nil
	}
}

// differences compares one file for one destination with ssh.
func differences(tb testing.TB, file string, d Destination) string {
	tb.Helper()
	want, complaint := judged(tb, file, d)
	got, e, err := evaluated(tb, file, d)
	switch {
	case want == nil && err == nil:
		return "ssh refuses it, we do not: " + complaint
	case want != nil && err != nil:
		return "ssh takes it, we do not: " + err.Error()
	case want == nil:
		return ""
	}
	var b strings.Builder
	for _, key := range compared {
		if _, written := e.origins[key]; !written && key == "identityfile" && strings.HasPrefix(strings.Join(want[key], ""), "~/.ssh/id_") {
			continue // which kinds of keys ssh looks for by itself differs between versions
		}
		if diff := cmp.Diff(want[key], got[key]); diff != "" && len(want[key])+len(got[key]) > 0 {
			b.WriteString(key + " (-ssh +ours):\n" + diff)
		}
	}
	return b.String()
}

func write(tb testing.TB, dir, name, text string) string {
	tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// The cases in which other readers of this format were found to differ from ssh.
// DIR stands for the folder of the file.
func TestEvaluate_AgreesWithSSH(t *testing.T) {
	t.Setenv("VMO_TEST_SOCK", "/tmp/agent.sock")
	cases := []struct{ name, config, aliases string }{
		{"the first value counts", "Host *\nUser star\nHost web1\nUser web\n", "web1"},
		{"values before the first Host are for all", "User glob\nHost web1\nUser web\n", "web1 user"},
		{"negation", "Host *.example.com !bad.example.com\nUser x\n", "bad.example.com good.example.com"},
		{"only a negation", "Host !bad\nUser x\n", "good bad"},
		{"? is exactly one", "Host web?\nUser x\n", "web web1 web12"},
		{"tabs", "Host\tweb1\tweb2\n\tUser\tx\n", "web1 web2"},
		{"quoted patterns", "Host \"web1\" 'web2'\nUser x\n", "web1 web2"},
		{"a comma in Host is a comma", "Host web1,web2\nUser x\n", "web1 web2"},
		{"patterns know case", "Host WEB1\nUser x\n", "web1 WEB1"},
		{"equals signs", "Host=web1\nUser=eq\nPort = 2201\n", "web1"},
		{"no newline at the end", "Host web1\nUser x", "web1"},
		{"CRLF", "Host web1\r\n  User x\r\n\r\n  Port 2200\r\n", "web1"},
		{"a byte order mark", "\ufeffHost web1\nUser x\n", "web1"},
		{"Latin-1", "User caf\xe9\nIdentityFile ~/.ssh/cl\xe9\n", "web1"},
		{"NUL", "User ab\x00cd\nPort 23\n", "web1"},
		{"# within a command", "ProxyCommand sh -c 'echo a#b; nc %h %p'\n", "web1"},
		{"# within a word", "User u#1\n", "web1"},
		{"# within quotes", "IdentityFile \"~/k#1\"\n", "web1"},
		{"a comment after quotes", "IdentityFile \"~/my keys/id\" # c\n", "web1"},
		{"single quotes", "IdentityFile '~/my keys/id'\n", "web1"},
		{"escapes", "IdentityFile ~/my\\ keys/id2\nIdentityFile \"a\\\"b\"\nIdentityFile a\\nb\n", "web1"},
		{"extra arguments", "IdentityFile ~/my keys/id\n", "web1"},
		{"several files", "IdentityFile a\nCertificateFile c\nHost web1\nIdentityFile b\nIdentityFile a\nHost *\nIdentityFile d\nCertificateFile c2\n", "web1 x"},
		{"HostName with %h", "HostName %h.example.com\n", "web1 WEB1"},
		{"tokens that are printed raw", "IdentityFile %d/.ssh/%r@%h_%p_%n\nCertificateFile ~/.ssh/%u-%L-%i.pub\n", "web1"},
		{"a command with tokens", "ProxyCommand nc %h %p %r %n\n", "web1"},
		{"known_hosts with tokens", "UserKnownHostsFile ~/.ssh/kh-%k ~/x-%C-%h-%n-%p-%r-%u-%L-%l-%i-%d-%%\nHostKeyAlias AliasX\nPort 99\n", "web1"},
		{"variables", "IdentityFile ${HOME}/k\nUserKnownHostsFile ${VMO_TEST_SOCK}/kh\nIdentityAgent ${VMO_TEST_SOCK}\n", "web1"},
		{"a variable that is not set", "IdentityAgent ${VMO_NOT_SET}\n", "web1"},
		{"a variable that is not set, elsewhere", "Host other\nIdentityAgent ${VMO_NOT_SET}\n", "web1"},
		{"no agent", "IdentityAgent none\n", "web1"},
		{"the agent of the environment", "IdentityAgent SSH_AUTH_SOCK\n", "web1"},
		{"an agent by variable", "IdentityAgent $MYSOCK\n", "web1"},
		{"a bad variable", "IdentityAgent $MY-SOCK\n", "web1"},
		{"an agent with a blank", "IdentityAgent \"~/Group Containers/x/agent.sock\"\n", "web1"},
		{"ProxyJump chain", "Host web1\nProxyJump j1,u@j2:2222\nHost *\nProxyJump gw\n", "web1 web2"},
		{"ProxyCommand before ProxyJump", "ProxyCommand x\nProxyJump j1\n", "web1"},
		{"ProxyJump before ProxyCommand", "ProxyJump j1\nHost *\nProxyCommand x\n", "web1"},
		{"ProxyJump none", "Host c\nProxyJump none\nHost *\nProxyJump gw\n", "c d"},
		{"ProxyJump none, then a command", "Host c\nProxyJump none\nHost *\nProxyCommand x\n", "c d"},
		{"ProxyCommand none, then a jump", "Host c\nProxyCommand none\nHost *\nProxyJump gw\n", "c d"},
		{"a loop", "Host *\nProxyJump gw\n", "gw web1"},
		{"a loop by user and port", "Port 2200\nUser u\nProxyJump u@web1:2200\n", "web1"},
		{"ProxyJump as URL", "ProxyJump a,ssh://c:22,ssh://us%40er@d.:23/\n", "web1"},
		{"ProxyJump to addresses", "ProxyJump [::1]:22,10.0.0.1\n", "web1"},
		{"ProxyJump with a comment", "ProxyJump a # b\n", "web1"},
		{"bad ProxyJump", "ProxyJump a:0\n", "web1"},
		{"bad ProxyJump elsewhere", "Host x\nProxyJump @a\n", "web1"},
		{"Match host", "Match host web1\nUser x\n", "web1 web2"},
		{"Match host list", "Match host web1,web2\nUser x\nMatch host *.x,!bad.x\nPort 23\n", "web1 web2 web3 good.x bad.x"},
		{"Match host and user", "Match host web1 user bob\nPort 2222\n", "web1 user bob"},
		{"Match after User", "Host web1\nUser bob\nMatch host web1 user bob\nPort 2222\n", "web1"},
		{"Match exec that fails", "Match host web1 exec false\nPort 2222\n", "web1"},
		{"Match exec with quotes", "Match host * exec \"test -z '$VMO_NOT_SET'\"\nIdentityAgent ~/.1password/agent.sock\n", "web1"},
		{"Match negated", "Match !host web1\nPort 24\n", "web1 x"},
		{"Match exec with tokens", "Match exec \"test %h = web1\"\nPort 23\n", "web1 x"},
		{"Match user, localuser, originalhost", "Match user root\nPort 23\nMatch localuser root\nCertificateFile c\nMatch originalhost web1\nIdentityAgent x\n", "web1 x"},
		{"Match final", "Host web1\nHostName web1.prod.example\nMatch final host *.prod.example\nUser late\nPort 23\n", "web1 x"},
		{"Match final all", "Host *\nUser a\nMatch final all\nUser b\nIdentityFile c\nSendEnv X\nSetEnv A=1\n", "web1"},
		{"Match !final", "Match !final\nUser b\n", "web1"},
		{"Match canonical", "Match canonical\nUser b\n", "web1"},
		{"the effective name", "Host web1\nHostName 10.1.2.3\nMatch host 10.1.2.*\nUser x\n", "web1"},
		{"Match with =", "Match host=\"web1\"\nUser x\n", "web1"},
		{"Match all with others", "Match all host web1\nUser x\n", "web1"},
		{"Match others with all", "Match host web1 all\nUser x\n", "web1 x"},
		{"Match without criteria", "Match\nUser x\n", "web1"},
		{"Match with a comment", "Match host web1 # c\nUser x\n", "web1 web2"},
		{"Match of an unknown kind", "Match weather rain\nUser x\n", "web1"},
		{"Include of a glob", "Include DIR/conf.d/*.conf\nUser last\n", "web1"},
		{"Include of several", "Include DIR/one \"DIR/three x\" missing\n", "web1"},
		{"Include with tab and comment", "Include DIR/one\tDIR/two   # comment\n", "web1"},
		{"Include within a Host", "Host web1\nInclude DIR/hosts\nHost *\nUser z\n", "web1 web2"},
		{"Include leaves the block as it was", "Host web1\nInclude DIR/hosts\nPort 24\n", "web1 web2"},
		{"Include in a cycle", "Include DIR/cycle\n", "web1"},
		{"Include, deep", "Include DIR/deep0\n", "web1"},
		{"Include of folders", "Include DIR/mixed/*\n", "web1"},
		{"Include of a dead link", "Include DIR/dead/*\n", "web1"},
		{"Include with a class", "Include DIR/conf.d/[!1]*\n", "web1"},
		{"Include with Match exec", "Include DIR/matchexec\n", "web1"},
		{"Include of a bad file", "User x\nInclude DIR/bad\n", "web1"},
		{"Include of a file that others can write", "Include DIR/open\n", "web1"},
		{"unknown keyword", "FooBar yes\n", "web1"},
		{"IgnoreUnknown", "IgnoreUnknown Foo*,UseKeychain\nFooBar yes\nUseKeychain yes\nUser x\n", "web1"},
		{"deprecated", "Protocol 2\nCipher x\nUseRoaming no\nUser x\n", "web1"},
		{"bad port", "Port abc\n", "web1"}, {"port 0", "Port 0\n", "web1"}, {"port by name", "Port ssh\n", "web1"},
		{"port too large", "Port 65536\n", "web1"}, {"port with a sign", "Port +22\n", "web1"},
		{"no argument", "User\n", "web1"}, {"empty argument", "User \"\"\n", "web1"}, {"empty Host", "Host\n", "web1"},
		{"empty pattern", "Host \"\"\n", "web1"}, {"not a state", "Compression true\n", "web1"},
		{"times", "ConnectTimeout 1m30s\nServerAliveInterval 1h\n", "web1"},
		{"time none", "ConnectTimeout none\nConnectTimeout 5\n", "web1"},
		{"bad time", "ConnectTimeout 5x\n", "web1"},
		{"count", "ServerAliveCountMax 7\n", "web1"}, {"bad count", "ServerAliveCountMax x\n", "web1"},
		{"SendEnv", "SendEnv FOO BAR\nSendEnv -FOO\n", "web1"},
		{"SetEnv", "SetEnv A=1 B=\"two words\" A=3\nSetEnv C=1\n", "web1"},
		{"bad SetEnv", "SetEnv A\n", "web1"}, {"bad SendEnv", "SendEnv A=1\n", "web1"},
		{"known_hosts with a blank", "UserKnownHostsFile \"~/a b\" ~/c\nGlobalKnownHostsFile /x /y\n", "web1"},
		{"no known_hosts", "UserKnownHostsFile none\nGlobalKnownHostsFile none\n", "web1"},
		{"none among others", "UserKnownHostsFile none x\n", "web1"},
		{"a zone needs two percent signs", "HostName fe80::1%eth0\n", "web1"},
		{"a zone", "HostName fe80::1%%lo\n", "web1"},
		{"short addresses", "Host a\nHostName 10.1\nHost b\nHostName 0x7f000001\nHost c\nHostName 1.2.3.4.5\nHost d\nHostName 010.0.0.1\nHost e\nHostName 0:0:0:0:0:0:0:1\nHost f\nHostName FE80::1\nHost g\nHostName 300.1.1.1\n", "a b c d e f g 10.1 ::1 0::0"},
		{"addresses of the other family", "AddressFamily inet6\nHostName 10.1\n", "web1"},
		{"ForwardAgent", "Host a\nForwardAgent yes\nHost b\nForwardAgent $SOCK\nHost c\nForwardAgent ~/sock\nHost d\nForwardAgent no\nForwardAgent /x\n", "a b c d"},
		{"ForwardAgent must exist", "ForwardAgent /nonexistent\nExitOnForwardFailure yes\n", "web1"},
		{"StrictHostKeyChecking", "Host a\nStrictHostKeyChecking off\nHost b\nStrictHostKeyChecking Accept-New\nHost c\nStrictHostKeyChecking maybe\n", "a"},
		{"states", "Host a\nStrictHostKeyChecking off\nHost b\nStrictHostKeyChecking Accept-New\nHost *\nIdentitiesOnly true\nAddressFamily INET6\n", "a b c"},
		{"quotes that are never closed", "User \"x\n", "web1"},
		{"a quote in the keyword", "\"User\" x\nP\"or\"t 23\n", "web1"},
		{"form feed", "User x\f\n", "web1"}, {"vertical", "User x\v\n", "web1"},
		{"blanks before", "   \t User x\n  = Port 23\n", "web1"},
		{"many equals signs", "User = = x\n", "web1"}, {"two equals signs", "User == x\n", "web1"},
		{"ControlPath with a bad token", "ControlPath ~/%z\n", "web1"}, {"RemoteCommand with tokens", "RemoteCommand echo %n %%\n", "web1"},
		{"PreferredAuthentications", "PreferredAuthentications publickey,password\n", "web1"},
		{"a comment that takes 1 MiB", "# " + strings.Repeat("x", 1<<20) + "\nUser x\n", "web1"},
	}
	dir := t.TempDir()
	prepareIncludes(t, dir)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			file := write(t, dir, "config", strings.ReplaceAll(c.config, "DIR", dir))
			for alias := range strings.FieldsSeq(c.aliases) {
				if diff := differences(t, file, Destination{Alias: alias}); diff != "" {
					t.Errorf("case %d, ssh %s:\n%s", i, alias, diff)
				}
			}
		})
	}
	t.Run("user and port of the command line", func(t *testing.T) {
		file := write(t, dir, "config", "User x\nPort 23\nMatch user me\nIdentityFile y-%r\n")
		if diff := differences(t, file, Destination{Alias: "web1", User: "me", Port: 2022}); diff != "" {
			t.Error(diff)
		}
	})
}

func prepareIncludes(t *testing.T, dir string) {
	t.Helper()
	for name, text := range map[string]string{
		"conf.d/10-a.conf": "User ten\n", "conf.d/20-b.conf": "User twenty\nPort 20\n", "conf.d/.hidden.conf": "Port 1\n",
		"one": "Host web1\nUser one\n", "two": "Port 2\n", "three x": "IdentityFile three\n",
		"hosts": "User inner\nHost web2\nPort 22222\nHost web1\nPort 11111\n",
		"cycle": "Include " + dir + "/cycle\n", "mixed/file": "User mixed\n", "mixed/sub/file": "User sub\n",
		"matchexec": "Match exec true\nUser m\n", "bad": "Port 23\nFooBar x\nPort y\n", "open": "User o\n",
		"deep8": "User deep\n",
	} {
		write(t, dir, name, text)
	}
	for i := range 8 {
		write(t, dir, "deep"+string(rune('0'+i)), "Include "+dir+"/deep"+string(rune('1'+i))+"\n")
	}
	if err := os.Chmod(filepath.Join(dir, "open"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "dead"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nonexistent", filepath.Join(dir, "dead/link")); err != nil {
		t.Fatal(err)
	}
}

func TestEvaluate_TellsWhereAValueWasWritten(t *testing.T) {
	dir := t.TempDir()
	inc := write(t, dir, "inc", "\nHost web1\n  Port 23\n")
	file := write(t, dir, "config", "# c\nInclude "+inc+"\nHost *\n  User u\n  IdentityFile a\n  IdentityFile b\n")
	_, e, err := evaluated(t, file, Destination{Alias: "web1"})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]Origin{
		"port":         {Field: "port", Value: "23", File: inc, Line: 3},
		"user":         {Field: "user", Value: "u", File: file, Line: 4},
		"identityfile": {Field: "identityfile", Value: "a", File: file, Line: 5},
	} {
		if got := e.origins[key]; got != want {
			t.Errorf("%s: %+v, want %+v", key, got, want)
		}
	}
	if e.read[file] == nil || e.read[inc] == nil {
		t.Errorf("looked at %v", e.read)
	}
}
