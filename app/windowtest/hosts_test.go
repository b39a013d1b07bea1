//go:build window

package windowtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

// Ensure kill -9 of the window leaves on a host exactly what the records say after
// the next start: a job is named with its process, so is one that was to be kept;
// what was to stop and a terminal are gone; and that cancelling ends what is named.
func TestWindow_KilledNamesWhatIsLeftOnTheHost(t *testing.T) {
	s := remotetest.Start(t, remotetest.Config{})
	t.Setenv("VMO_SSH_CONFIG", s.ConfigFile)
	display, dir, home := screen(t), project(t, 1), t.TempDir()
	w := start(t, probeWindow, display, home, dir)
	w.until("the targets are there", `document.querySelector("`+strings.ReplaceAll(runButton("hello"), `"`, `'`)+`")`)
	exec := func(line, mode, link string) job.ID {
		t.Helper()
		return ask[[]struct{ ID job.ID }](w, fmt.Sprintf(`return window.go.app.Jobs.Exec({hosts: ['web1'], line: %q, dir: '', mode: '%s', link: '%s', cols: 80, rows: 24})`, line, mode, link))[0].ID
	}
	const line = "sleep 1000 & echo ready; wait"
	lost, kept := exec(line, "stream", ""), exec(line, "stream", "keep")
	stopped, terminal := exec("setsid "+line, "stream", "stop"), exec(line, "terminal", "")
	for _, id := range []job.ID{lost, kept, stopped, terminal} {
		for end := time.Now().Add(time.Minute); !strings.Contains(string(w.journal("show", string(id))), "ready"); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("job %s does not begin", id)
			}
		}
	}
	running := func(id job.ID) []int { return remotetest.Carrying("VMO_RUN=" + string(id)) }

	w.kill(syscall.SIGKILL)
	again := start(t, probeWindow, display, home, dir)
	again.until("the jobs are shown as lost", `[...document.querySelectorAll('[data-testid=history-row]')].filter(r => r.textContent.includes('lost')).length === 4`)
	for _, id := range []job.ID{stopped, terminal} {
		for end := time.Now().Add(time.Minute); len(running(id)) > 0; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("job %s goes on: %v", id, running(id))
			}
		}
	}
	if len(running(lost)) == 0 || len(running(kept)) == 0 {
		t.Errorf("on the host run %v and %v", running(lost), running(kept))
	}
	for d := json.NewDecoder(strings.NewReader(string(again.journal("jobs", "--json")))); d.More(); {
		var j job.Job
		if err := d.Decode(&j); err != nil {
			t.Fatal(err)
		}
		var named []int
		for _, p := range j.Survivors {
			named = append(named, p.PID)
		}
		left := running(j.ID)
		if j.State != job.Lost || j.Cause != job.CauseOwner || (len(named) > 0) != (len(left) > 0) || len(named) > 0 && !slices.Contains(left, named[0]) {
			t.Errorf("the record of %v says %+v; %v run", j.Argv, j, left)
		}
		if len(named) == 0 {
			continue
		}
		if said := string(again.journal("cancel", string(j.ID))); len(running(j.ID)) > 0 {
			t.Errorf("cancel says %q, and %v run", said, running(j.ID))
		}
	}
}
