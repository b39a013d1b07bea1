package app

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/update/updatetest"
)

// Ensure the page can turn it on and off, that nothing is asked before, and that it
// is told why an answer was not one to rely on. All of it without a journal. What
// happens with a good answer is tested where it happens, in the engine.
func TestUpdates(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t) // whose authority this system does not know
	dir := t.TempDir()
	policy, err := json.Marshal(map[string]any{"updates": map[string]string{"key": strings.Split(p.Key, "\n")[1]}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "policy.json"), policy, 0o600); err != nil {
		t.Fatal(err)
	}
	a := New("v0.7.0", nil)
	a.shell.broken = job.ErrNewer
	a.shell.updates = engine.NewUpdates(engine.Config{ConfigDir: dir, Policy: filepath.Join(dir, "policy.json")}, engine.Program{Name: "window", Version: "v0.7.0"})
	if s := a.Updates.Status(); s.State != engine.UpdatesOff {
		t.Errorf("at first: %+v", s)
	}
	if _, err := a.Updates.Check(); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("asked while it is off: %v", err)
	}
	if err := a.Updates.Set(true, strings.Replace(p.URL, "https", "http", 1)); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("without TLS: %v", err)
	}
	if err := a.Updates.Set(true, p.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Updates.Check(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that nobody vouches for: %v", err)
	}
	if s := a.Updates.Status(); s.State != engine.UpdatesOn || s.Error == "" || s.Hint == "" || s.Checked == nil || s.Release != nil {
		t.Errorf("afterwards: %+v", s)
	}
	if err := a.Updates.Set(false, ""); err != nil || a.Updates.Status().State != engine.UpdatesOff || len(p.Asked()) != 0 {
		t.Errorf("turned off: %v, %d requests", err, len(p.Asked()))
	}
}
