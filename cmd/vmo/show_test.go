//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"vmorchestrator/internal/job"
)

// Ensure a line that is named behind a job, or by a link, is where the output begins,
// in a record of one piece and in one of many blocks; and that no other line is shown
// in the place of one that is not there.
func TestShow_FromALine(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must("exec", "--", "sh", "-c", `printf 'one\ntwo\n\nfour\nfi'; printf 've\nsix'`)
	h.must("exec", "--", "sh", "-c", `seq -f 'line %.0f of the whole' 60000`)
	link := strings.TrimSpace(h.must("link", "@2#2"))
	for name, want := range map[string]string{
		"@2#1": "one\ntwo\n\nfour\nfive\nsix", "@2#3": "\nfour\nfive\nsix", "@2#5": "five\nsix", "@2#6": "six",
		link: "two\n\nfour\nfive\nsix", strings.TrimSuffix(link, "#2"): "one\ntwo\n\nfour\nfive\nsix",
	} {
		if got := h.must("show", name); got != want {
			t.Errorf("show %s: %q, want %q", name, got, want)
		}
	}
	whole := h.must("show", "@1")
	for _, n := range []string{"2", "31337", "60000"} {
		want := whole[strings.Index(whole, "line "+n+" of"):]
		if got, errs, code := h.vmo("show", "@1#"+n); code != 0 || got != want || errs != "" {
			t.Errorf("show @1#%s: exit code %d, %d bytes, want %d; %q", n, code, len(got), len(want), errs)
		}
	}
	if stamped := h.must("show", "--timestamps", "@2#5"); strings.Count(stamped, "Z ") != 2 || !strings.HasSuffix(stamped, "Z six") {
		t.Errorf("with times: %q", stamped)
	}
	var all strings.Builder
	for d := json.NewDecoder(strings.NewReader(h.must("show", "--json", "@2#5"))); d.More(); {
		var c job.Chunk
		if err := d.Decode(&c); err != nil {
			t.Fatal(err)
		}
		all.Write(c.Data)
	}
	if all.String() != "five\nsix" {
		t.Errorf("in JSON: %q", all.String())
	}
	// What was removed is not counted wrongly: what is shown begins behind the hole.
	h.must("spill", "@1", "--lines", "30000-30000", "--why", "a try")
	for n, least := range map[string]int{"30000": 30000, "59000": 59000} {
		got, errs, code := h.vmo("show", "@1#"+n)
		var first int
		if missing := strings.Contains(errs, "line 30000 is missing"); code != 0 || missing != (n == "30000") {
			t.Errorf("show @1#%s after the spill: exit code %d, %q", n, code, errs)
		}
		_, rest, _ := strings.Cut(got, "\n") // the first may have lost its beginning
		if _, err := fmt.Sscanf(rest, "line %d of", &first); err != nil || first < least || first > least+5000 || !strings.HasSuffix(whole, got) {
			t.Errorf("show @1#%s after the spill begins with line %d (%v)", n, first, err)
		}
	}
	for name, says := range map[string]string{"@2#7": "has 6 lines", "@2#0": "the first is 1", "@2#x": "not the number of a line", strings.Replace(link, "#2", "#99", 1): "has 6 lines"} {
		if out, errs, code := h.vmo("show", name); code == 0 || out != "" || !strings.Contains(errs, says) {
			t.Errorf("show %s: exit code %d, %q, %q", name, code, out, errs)
		}
	}
}
