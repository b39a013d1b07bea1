//go:build unix

package main

import (
	"strings"
	"testing"

	"vmorchestrator/internal/archive/archivetest"
)

// A colleague speaks of my job: it stands in his ledger, everybody reads it in the
// archive with who said it, and both ledgers are intact.
func TestNotes_OfAColleague(t *testing.T) {
	t.Parallel()
	mine := newArchived(t)
	mine.must("exec", "--", "echo", "mine")
	id := mine.newest().ID
	mine.must("note", "@1", "from me")
	mine.shipped()

	theirs := archived{house: newHouse(t), c: mine.c, database: mine.database}
	theirs.must("db", "use", mine.c.URL(archivetest.Admin, mine.database))
	theirs.must("db", "history", "all")
	theirs.must("label", "--archive", string(id), "odd", "look at it")
	theirs.must("note", "--archive", string(id), "from a colleague")
	if out := theirs.must("note", "--archive", string(id)); strings.Count(out, "\n") != 4 || !strings.HasSuffix(out, "from a colleague\n") {
		t.Errorf("before it was shipped:\n%s", out)
	}
	theirs.shipped()

	if out := mine.must("note", "--archive", string(id)); strings.Count(out, "\n") != 4 || !strings.Contains(out, ": from a colleague\n") || !strings.Contains(out, "  label ") {
		t.Errorf("what was said of my job:\n%s", out)
	}
	if out := mine.must("jobs", "--archive", "--label", "odd"); !strings.Contains(out, "look at it, odd, (2 notes)") {
		t.Errorf("jobs with the label:\n%s", out)
	}
	if out, errs, code := mine.vmo("show", "--archive", string(id)); code != 0 || out != "mine\n" || strings.Count(errs, "\n") != 3 || !strings.Contains(errs, "from a colleague") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if out := mine.must("audit", "--archive", "--since", "1h", "--json"); strings.Count(out, `"what":"job"`) != 1 || strings.Count(out, `"what":"label"`) != 2 ||
		strings.Count(out, `"what":"note"`) != 2 || strings.Count(out, `"text":"database: `) != 2 {
		t.Errorf("what was done:\n%s", out)
	}
	mine.must("label", "--archive", "--remove", string(id), "odd")
	mine.shipped()
	if out, _, _ := theirs.vmo("jobs", "--archive", "--label", "odd"); out != "" {
		t.Errorf("its label was taken off:\n%s", out)
	}
	mine.intact()
	theirs.intact()
}
