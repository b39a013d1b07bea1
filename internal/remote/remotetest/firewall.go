package remotetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Firewall drops packets without a word to either side.
type Firewall struct {
	t   testing.TB
	dir string // its two pipes
}

// firewallDir names the pipes to the test that runs in the namespace.
const firewallDir = "VMO_TEST_FIREWALL"

// Firewalled runs a test in a network of its own that has a firewall: the test
// binary runs once more for it, in a network namespace. As root that takes nothing
// else; other users need the right to make a user namespace, and have their own
// number in a second one inside it.
func Firewalled(t *testing.T, test func(t *testing.T, f *Firewall)) {
	t.Helper()
	if dir := os.Getenv(firewallDir); dir != "" {
		test(t, &Firewall{t, dir})
		return
	}
	Program(t, "nft")
	Program(t, "ip")
	dir := t.TempDir()
	enter, again := []string{"unshare", "--net"}, []string{}
	if os.Getuid() != 0 {
		enter = append(enter, "--map-root-user")
		again = []string{"unshare", "--user", "--map-user=" + strconv.Itoa(os.Getuid()), "--map-group=" + strconv.Itoa(os.Getgid())}
	}
	if out, err := exec.Command(enter[0], append(enter[1:], "true")...).CombinedOutput(); err != nil {
		t.Fatalf("make a network namespace: %v: %s\n%s", err, out, namespaces)
	}
	argv := append(append(enter, "sh", "-c", firewallScript, "sh", dir), again...)
	argv = append(argv, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), firewallDir+"="+dir, "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in the namespace: %v\n%s", err, out)
	}
}

// firewallScript does what the test in the namespace asks for: that one may have
// no right to it.
const firewallScript = `set -e
dir=$1; shift
ip link set lo up
nft add table inet vmo
nft add chain inet vmo in '{ type filter hook input priority 0; }'
mkfifo "$dir/ask" "$dir/answer"
while read -r what port <"$dir/ask"; do
	case $what in
	drop) said=$(nft "add rule inet vmo in tcp dport $port drop; add rule inet vmo in tcp sport $port drop" 2>&1) && said=ok ;;
	lift) said=$(nft flush chain inet vmo in 2>&1) && said=ok ;;
	esac
	printf '%s' "$said" >"$dir/answer"
done &
code=0
"$@" || code=$?
kill $!
exit $code
`

// Drop drops every packet to and from a port from now on, also of connections
// that there are.
func (f *Firewall) Drop(port int) { f.ask(fmt.Sprintf("drop %d", port)) }

// Lift lets everything through again.
func (f *Firewall) Lift() { f.ask("lift") }

func (f *Firewall) ask(what string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, "ask"), []byte(what+"\n"), 0); err != nil {
		f.t.Fatal(err)
	}
	if answer, err := os.ReadFile(filepath.Join(f.dir, "answer")); err != nil || string(answer) != "ok" {
		f.t.Fatalf("the firewall says %q, %v", answer, err)
	}
}
