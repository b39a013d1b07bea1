package app

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Ensure Diagnostics tells of the engine that runs, and its report is written in
// place of the file that the dialog has asked about.
func TestDiagnostics(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	checks, err := a.Diagnostics.Checks()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, c := range checks {
		names[c.Name] = c.Found
	}
	for _, name := range []string{"window", "system", "PATH", "SSH_AUTH_SOCK", "make", "ssh", "agent", "keychain", "journal", "storage", "ledger", "signing key", "database", "settings", "registry"} {
		if names[name] == "" {
			t.Errorf("nothing is said about %s: %q", name, names)
		}
	}
	path := filepath.Join(t.TempDir(), "report.tar.gz")
	if err := os.WriteFile(path, []byte("an older one"), 0o600); err != nil {
		t.Fatal(err)
	}
	saved, err := a.Diagnostics.write(path)
	if err != nil || saved.Path != path || !slices.Contains(saved.Parts, "doctor.json") {
		t.Errorf("saved as %+v, %v", saved, err)
	}
	if data, err := os.ReadFile(path); err != nil || len(data) < 200 || data[0] != 0x1f || data[1] != 0x8b {
		t.Errorf("%d bytes that are no gzip, %v", len(data), err)
	}
	if _, err := a.Diagnostics.write(filepath.Join(path, "below a file")); err == nil || job.HintOf(err) == "" {
		t.Errorf("where nothing can be written: %v", err)
	}
	if e.Status().ReadOnly != nil {
		t.Error("the journal was not left as it was")
	}
}

// Ensure it says what is wrong when there is no journal, which is when it is needed.
func TestDiagnostics_WithoutAJournal(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("VMO_DATA_DIR", dir)
	if err := os.WriteFile(filepath.Join(dir, "journal.json"), []byte(`{"format":99,"id":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	a := New("test", nil)
	a.shell.broken = job.ErrNewer
	checks, err := a.Diagnostics.Checks()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(checks, func(c engine.Check) bool { return c.Name == "journal" })
	if i < 0 || checks[i].OK || checks[i].Optional || checks[i].Next == "" {
		t.Errorf("the journal: %+v", checks)
	}
	if report, err := a.Diagnostics.Report(); err != nil || len(report.Parts) < 4 {
		t.Errorf("the report: %+v, %v", report, err)
	}
}
