package main

import (
	"strings"
	"testing"

	"vmorchestrator/internal/engine"
)

// Ensure tables that are older than this program are shown as such, with what to do.
func TestShowArchive_TellsOfOlderTables(t *testing.T) {
	t.Parallel()
	known, _ := engine.Versions()
	for version, advice := range map[int]bool{known: false, known - 1: true, known + 1: false} {
		var out strings.Builder
		if err := showArchive(&out, engine.ArchiveStatus{State: engine.ArchiveCurrent}, engine.DatabaseCheck{Schema: version}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "vmo db migrate") != advice {
			t.Errorf("tables of version %d, this program knows %d:\n%s", version, known, out.String())
		}
	}
}
