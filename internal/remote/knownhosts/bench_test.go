package knownhosts_test

import (
	"fmt"
	"testing"

	"vmorchestrator/internal/remote/knownhosts"
)

// What one connection costs with a file of five thousand hosts.
func BenchmarkCheck(b *testing.B) {
	key := newKey(b, "ed25519")
	for _, hash := range []bool{false, true} {
		content := ""
		line := text(newKey(b, "ed25519"))
		for i := range 5000 {
			content += fmt.Sprintf("host%d,10.0.%d.%d %s\n", i, i/256, i%256, line)
		}
		if hash {
			content = sshKeygenHash(b, content)
		}
		file := write(b, content)
		q := knownhosts.Query{Host: "web1", Port: 2222}
		b.Run(fmt.Sprintf("hashed %v", hash), func(b *testing.B) {
			for b.Loop() {
				k := knownhosts.Files{User: []string{file}}.Read()
				k.Algorithms(q, []string{"ssh-ed25519"})
				if _, err := k.Check(q, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
