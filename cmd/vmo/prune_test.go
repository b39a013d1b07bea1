//go:build unix

package main

import (
	"strings"
	"testing"
)

// Ensure no record is removed from this machine that the archive does not have
// whole, and that one which it has is still there for everybody.
func TestPrune_WaitsForTheArchive(t *testing.T) {
	t.Parallel()
	h := newArchived(t)
	h.c.Shutdown()
	h.must("exec", "--", "seq", "1", "100000")
	want := h.sum("show", "@1")
	h.must("exec", "--", "echo", "the newest")
	prune := []string{"prune", "--keep", "1", "--yes"}
	if _, errs, code := h.vmo(prune...); code == 0 || !strings.Contains(errs, "--unarchived") {
		t.Errorf("without an answer of the archive: exit code %d: %s", code, errs)
	}
	h.c.Start(t)
	if _, errs, code := h.vmo(prune...); code != 0 || !strings.Contains(errs, "not in the database") {
		t.Errorf("before it is there: exit code %d: %s", code, errs)
	}
	if n := len(h.jobs()); n != 2 {
		t.Fatalf("%d jobs are left, want both", n)
	}
	id := string(h.jobs()[1].ID)
	h.shipped()
	h.must(prune...)
	if n := len(h.jobs()); n != 1 {
		t.Errorf("%d jobs are left, want one", n)
	}
	if got := h.sum("show", "--archive", id); got != want {
		t.Error("the archive gives back other bytes")
	}
	if got := h.sum("export", "--archive", "--format", "ansi", id); got != want {
		t.Error("exported from the archive it has other bytes")
	}
	h.shipped()
	h.intact()
}
