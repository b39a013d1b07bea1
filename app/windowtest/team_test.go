//go:build window

package windowtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"vmorchestrator/internal/archive/archivetest"
)

// Ensure a colleague's job appears in the history of the team, and ends there,
// because the database tells of it: the page asks no more often than it is told.
func TestWindow_AColleaguesJobComesAndEnds(t *testing.T) {
	c := archivetest.New(t)
	database, bob := c.Database(t, ""), t.TempDir()
	colleague := func(args ...string) *exec.Cmd {
		cmd := exec.Command(vmo, args...)
		cmd.Env = append(os.Environ(), "VMO_DATA_DIR="+bob+"/journal", "XDG_CONFIG_HOME="+bob+"/config",
			"VMO_DATABASE_URL="+c.URL(archivetest.Admin, database), "DBUS_SESSION_BUS_ADDRESS=disabled:")
		cmd.Stderr = os.Stderr
		return cmd
	}
	for _, args := range [][]string{{"db", "init"}, {"db", "history", "all"}} {
		if err := colleague(args...).Run(); err != nil {
			t.Fatalf("vmo %v: %v", args, err)
		}
	}
	w := start(t, probeWindow, screen(t), t.TempDir(), project(t, 1), "VMO_DATABASE_URL="+c.URL(c.Login(t, "", "vmo_operator"), database))
	w.click(w.place(`[data-testid=history-button]`))
	ask[any](w, `
		const real = window.go.app.Archive.Jobs;
		window.asked = window.told = 0;
		window.go.app.Archive.Jobs = (...args) => { window.asked++; return real(...args) };
		window.runtime.EventsOn('team', () => window.told++)`)
	w.click(w.place(`[data-testid=whose-team]`))
	w.until("the page has asked and was told that the database is listened to", `window.asked > 0 && window.told > 0`)

	end := filepath.Join(bob, "end")
	job := colleague("exec", "--", "sh", "-c", `until [ -e "$0" ]; do sleep 0.05; done; echo all of it`, end)
	if err := job.Start(); err != nil {
		t.Fatal(err)
	}
	row := `document.querySelector('[data-testid=history-job]')`
	w.until("bob's job runs in the history", row+`?.textContent.includes('running')`)
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := job.Wait(); err != nil {
		t.Fatal(err)
	}
	w.until("bob's job has ended in the history", row+`?.textContent.includes('succeeded')`)
	n := ask[struct{ Asked, Told int }](w, `return { asked: window.asked, told: window.told }`)
	if n.Asked > n.Told+1 { // once when it was opened
		t.Errorf("the page has asked %d times and was told %d times that there is something new", n.Asked, n.Told)
	}
	t.Logf("the page was told %d times and has asked %d times", n.Told, n.Asked)
}
