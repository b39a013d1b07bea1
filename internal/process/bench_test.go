//go:build unix

package process

import (
	"fmt"
	"io"
	"os/exec"
	"testing"

	"vmorchestrator/internal/job"
)

const benchSize = 256 << 20

// BenchmarkOutput measures 256 MiB from `head -c`, through our pipes and through
// cat, both into nothing.
func BenchmarkOutput(b *testing.B) {
	source := fmt.Sprintf("yes | head -c %d", benchSize)
	b.Run("process", func(b *testing.B) {
		b.SetBytes(benchSize)
		b.ReportAllocs()
		for b.Loop() {
			n := &counter{}
			p, err := Start(Config{ID: job.NewID(), Argv: []string{"/bin/sh", "-c", source}, Stdout: n})
			if err != nil {
				b.Fatal(err)
			}
			if e := p.Wait(); e.State != job.Succeeded || n.bytes != benchSize {
				b.Fatalf("got %d bytes, %+v", n.bytes, e)
			}
			b.ReportMetric(float64(n.writes), "writes/op")
		}
	})
	b.Run("cat", func(b *testing.B) {
		b.SetBytes(benchSize)
		for b.Loop() {
			if err := exec.Command("/bin/sh", "-c", source+" | cat >/dev/null").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("os/exec", func(b *testing.B) {
		b.SetBytes(benchSize)
		for b.Loop() {
			cmd := exec.Command("/bin/sh", "-c", source)
			cmd.Stdout = struct{ io.Writer }{io.Discard}
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

type counter struct{ bytes, writes int }

func (c *counter) Write(b []byte) (int, error) {
	c.bytes += len(b)
	c.writes++
	return len(b), nil
}

// BenchmarkStart measures a whole short job.
func BenchmarkStart(b *testing.B) {
	for _, tty := range []bool{false, true} {
		b.Run(fmt.Sprintf("tty=%t", tty), func(b *testing.B) {
			for b.Loop() {
				p, err := Start(Config{ID: job.NewID(), Argv: []string{"/bin/true"}, Stdout: io.Discard, TTY: tty})
				if err != nil {
					b.Fatal(err)
				}
				p.Wait()
			}
		})
	}
}
