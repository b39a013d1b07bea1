package knownhosts_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vmorchestrator/internal/remote/knownhosts"
)

// sshKeygenHash is a file as ssh-keygen -H writes it.
func sshKeygenHash(t testing.TB, content string) string {
	t.Helper()
	file := write(t, content)
	if out, err := exec.CommandContext(t.Context(), program(t, "ssh-keygen"), "-H", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen -H: %v\n%s", err, out)
	}
	hashed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(hashed)
}

var foundLine = regexp.MustCompile(`(?m)^# Host .* found: line (\d+)`)

// sshKeygenFind is the numbers of the lines that ssh-keygen -F finds.
func sshKeygenFind(t testing.TB, file, name string) []string {
	t.Helper()
	out, _ := exec.CommandContext(t.Context(), program(t, "ssh-keygen"), "-F", name, "-f", file).CombinedOutput() // exits with 1 for none
	var lines []string
	for _, m := range foundLine.FindAllStringSubmatch(string(out), -1) {
		lines = append(lines, m[1])
	}
	return lines
}

func TestFind_FindsWhatSSHKeygenFinds(t *testing.T) {
	t.Parallel()
	const seed = 5
	random := rand.New(rand.NewPCG(seed, seed))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	key := text(newKey(t, "ed25519"))
	names := []string{"web1", "web2", "web11", "a.example.com", "b.a.example.com", "10.0.0.1", "10.0.0.12", "::1", "fe80::1", "db"}
	name := func() string {
		n := pick(names...)
		if random.IntN(3) == 0 {
			return "[" + n + "]:" + pick("2222", "22", "1")
		}
		return n
	}
	// ssh-keygen -H hashes no pattern, so those names are hashed from a file of their own.
	var toHash strings.Builder
	for range 60 {
		fmt.Fprintln(&toHash, name(), key)
	}
	hashed := strings.Split(sshKeygenHash(t, toHash.String()), "\n")
	pattern := func() string {
		n := []byte(name())
		for range random.IntN(3) {
			switch i := random.IntN(len(n)); random.IntN(4) {
			case 0:
				n[i] = '?'
			case 1:
				n[i] = '*'
			case 2:
				n = append(n[:i], '*')
			default:
				n = []byte(strings.ToUpper(string(n)))
			}
			if len(n) == 0 {
				break
			}
		}
		return pick("", "", "", "!") + string(n)
	}
	var b strings.Builder
	torn := map[string]bool{} // which ssh-keygen -F finds by the name; ssh uses them no more than we do
	for n := range 600 {
		var list []string
		for range 1 + random.IntN(3) {
			list = append(list, pattern())
		}
		line := pick("", "", "", "  ", "\t") + pick("", "", "", "@revoked ", "@cert-authority ", "@other ") + strings.Join(list, ",") + pick(" ", "\t", "  ") + key
		switch random.IntN(12) {
		case 0:
			line = hashed[random.IntN(60)]
		case 1:
			line = line[:random.IntN(len(line))]
			torn[fmt.Sprint(n+1)] = true
		case 2:
			line = "# " + line
		case 3:
			line += " comment with blanks"
		}
		b.WriteString(line + pick("\n", "\n", "\r\n"))
	}
	file := write(t, b.String())
	k := knownhosts.Files{User: []string{file}}.Read()
	hits := 0
	for _, n := range names {
		for _, query := range []string{n, "[" + n + "]:2222", "[" + n + "]:22", n + "x", "x" + n} {
			var lines []string
			for _, e := range k.Find(query) {
				lines = append(lines, fmt.Sprint(e.Line))
			}
			hits += len(lines)
			theirs := slices.DeleteFunc(sshKeygenFind(t, file, query), func(n string) bool { return torn[n] })
			if got, want := strings.Join(lines, " "), strings.Join(theirs, " "); got != want {
				t.Errorf("seed %d: %s is in the lines\n%s, ssh-keygen finds\n%s", seed, query, got, want)
			}
		}
	}
	if hits < 500 {
		t.Errorf("only %d matches: the corpus says little", hits)
	}
}
