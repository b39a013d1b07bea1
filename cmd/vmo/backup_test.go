//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vmorchestrator/internal/archive/archivetest"
)

// The database is backed up and restored into a new server as docs/database.md says:
// what was there verifies, what came after the backup comes again from the journals,
// and what protects the tables is there too.
func TestArchive_IsRestoredFromABackup(t *testing.T) {
	t.Parallel()
	h := newArchived(t)
	h.must("exec", "--", "play", "noise", "3000000", "4096")
	before := string(h.newest().ID)
	h.shipped()
	want := h.sum("show", "--archive", before)

	roles, err := h.c.Client("dbname=postgres", "pg_dumpall", "--roles-only")
	if err != nil {
		t.Fatal(err)
	}
	dump, err := h.c.Client(h.database, "pg_dump", "-Fc", "-Z", "0")
	if err != nil {
		t.Fatal(err)
	}
	h.must("exec", "--", "echo", "after the backup")
	after := string(h.newest().ID)
	h.shipped()
	h.c.Shutdown()

	fresh := archivetest.New(t)
	// Outside of the server's own folder, which belongs to whoever it runs as.
	dir, err := os.MkdirTemp("", "vmodump")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"roles.sql": roles, "vmo.dump": dump} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The role of the one who restores is there already; every other one is not.
	if out, err := fresh.Client("postgres", "psql", "-q", "-f", filepath.Join(dir, "roles.sql")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	fresh.Exec(t, "postgres", "CREATE DATABASE vmo")
	if out, err := fresh.Client("vmo", "pg_restore", "--exit-on-error", filepath.Join(dir, "vmo.dump")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	h.must("db", "use", fresh.URL(archivetest.Admin, "vmo"))
	h.must("db", "history", "all") // another server, as far as this machine knows
	if got := h.sum("show", "--archive", before); got != want {
		t.Error("the restored database gives back something else")
	}
	if out, _, code := h.vmo("show", "--archive", after); code == 0 {
		t.Errorf("the restored database has what came after the backup: %q", out)
	}
	h.shipped()
	if got := h.must("show", "--archive", after); got != "after the backup\n" {
		t.Errorf("what came after the backup is now %q", got)
	}
	h.intact()
	_, err = fresh.Client("vmo", "psql", "-c", "DELETE FROM vmo.block")
	if err == nil || !strings.Contains(err.Error(), "vmo.") {
		t.Errorf("rows of the restored database can be deleted, or not for the reason that is meant: %v", err)
	}
}
