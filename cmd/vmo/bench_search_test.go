//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// search looks for the same in a journal and, with grep, in a file of the same
// bytes, in turn: as they were recorded, and compressed.
func (b *bench) search() {
	if _, err := exec.LookPath("grep"); err != nil {
		b.t.Fatal("grep is missing: not compared with it")
	}
	if out, err := b.h.command(b.vmo, "exec", "--", "cat", b.src).Output(); err != nil {
		b.t.Fatalf("record: %v %.100s", err, out)
	}
	for _, state := range []string{"as recorded", "compressed"} {
		if state == "compressed" {
			if out, err := b.h.command(b.vmo, "compact").CombinedOutput(); err != nil {
				b.t.Fatalf("compact: %v %s", err, out)
			}
		}
		for _, q := range []struct {
			name, pattern string
			flags         []string
		}{
			{"a literal", "worker-7 request handled in 13 ms", []string{"-F"}},
			{"a regex", `worker-1[0-3] request handled in 9[0-9] ms path=.*77$`, nil},
			{"a regex, whatever the case", `WORKER-(3|5) .* in 4[0-9] MS path`, []string{"-i"}},
			{"a regex without a literal", `[0-9]{7}1$`, nil},
		} {
			grep := append([]string{"-c", "-E"}, append(q.flags, q.pattern, b.src)...)
			if slices.Contains(q.flags, "-F") {
				grep[1] = "-F"
			}
			b.compare(q.name+", "+state, grep, append([]string{"search", "--count"}, append(q.flags, "--", q.pattern)...))
		}
	}
}

func (b *bench) compare(what string, grep, search []string) {
	var tools [2][]time.Duration
	for range *benchRuns {
		var counts [2]string
		for i, argv := range [][]string{append([]string{"grep"}, grep...), append([]string{b.vmo}, search...)} {
			cmd := b.h.command(argv[0], argv[1:]...)
			began := time.Now()
			out, err := cmd.Output()
			if err != nil {
				b.t.Fatalf("%q: %v", argv, err)
			}
			tools[i] = append(tools[i], time.Since(began))
			out = bytes.TrimSpace(out)
			counts[i] = string(out[bytes.LastIndexByte(out, ':')+1:])
		}
		if counts[0] != counts[1] {
			b.t.Fatalf("%s: grep counts %s, vmo %s", what, counts[0], counts[1])
		}
	}
	for _, took := range tools {
		slices.Sort(took)
	}
	g, v := tools[0][len(tools[0])/2], tools[1][len(tools[1])/2]
	ratio := v.Seconds() / g.Seconds()
	b.row("vmo search to grep -c, "+what, fmt.Sprintf("%.2f× (%.2f s, %.2f s)", ratio, v.Seconds(), g.Seconds()), "≤ 3×",
		ratio > 3 && !strings.Contains(what, "without a literal"))
}
