//go:build unix

package app

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// soon fails unless something comes true.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came: " + what)
		}
	}
}

// told asks, as the page does, whenever an event says that the archive has news.
func told(t *testing.T, e *engine.Engine, what string, is func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		if n := news(e); (n.More || len(n.Jobs) > 0) && is() {
			return
		}
		select {
		case <-e.Changes().Ring():
		case <-limit:
			t.Fatal("no event told of " + what)
		}
	}
}

// shown is what the page's log shows of a job.
func shown(t *testing.T, a *App, id job.ID) (text string, complete bool) {
	t.Helper()
	r := get(t, a, "/journal/lines?from=0&count=100&job="+string(id))
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s, %v", r.StatusCode, body, err)
	}
	var page linesPage
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatal(err)
	}
	for _, line := range page.Lines {
		for _, part := range line.Parts {
			text += part.Text
		}
		text += "|"
	}
	return text, page.Complete
}

// Ensure a database is tried, used and asked about from the page, that what was
// recorded goes there, and that a colleague's page follows a living job of it.
func TestArchive_FromOnePageToAnother(t *testing.T) {
	t.Parallel()
	c := archivetest.Shared(t)
	database := c.Database(t, "")
	ann, annEngine := servedBy(t, engine.Config{Operator: "ann@laptop"})
	if s, err := ann.Archive.Status(); err != nil || s.State != engine.ArchiveOff {
		t.Fatalf("without a database: %+v, %v", s, err)
	}
	if err := annEngine.InitDatabase(t.Context(), c.URL(archivetest.Admin, database)); err != nil {
		t.Fatal(err)
	}
	url := c.URL(c.Login(t, "", "vmo_operator"), database)
	if check, err := ann.Archive.Test(url); err != nil || check.Postgres == "" || !check.Writable {
		t.Fatalf("Test: %+v, %v", check, err)
	}
	if err := ann.Archive.Use(url); err != nil {
		t.Fatal(err)
	}
	annEngine.Ship()
	if s, err := ann.Archive.Status(); err != nil || s.State != engine.ArchiveAsks {
		t.Errorf("used: %+v, %v", s, err)
	}
	if named, err := ann.Archive.Database(); err != nil || named != url {
		t.Errorf("Database: %q, %v", named, err)
	}
	if err := ann.Archive.Share("yesterday"); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("Share: %v", err)
	}
	if err := ann.Archive.Share(""); err != nil {
		t.Fatal(err)
	}
	more := t.TempDir() + "/more"
	_, jobs, err := annEngine.Start(engine.Launch{Spec: job.Spec{Argv: []string{"sh", "-c", `echo first; until [ -e "$0" ]; do sleep 0.05; done; echo last`, more}, Dir: t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	id := jobs[0].ID

	bob, bobEngine := servedBy(t, engine.Config{Operator: "bob@desk", Database: c.URL(c.Login(t, "", "vmo_operator"), database)})
	if err := bob.Archive.Watch(true); err != nil {
		t.Fatal(err)
	}
	told(t, bobEngine, "ann's job in bob's history", func() bool {
		list, err := bob.Archive.Jobs(Query{Limit: 10, Filter: job.Filter{States: []job.State{job.Running}}})
		if err != nil {
			t.Fatal(err)
		}
		return len(list) == 1 && list[0].ID == id && !list[0].Mine && list[0].Laptop == "ann@laptop"
	})
	if n, err := bob.Archive.Count(job.Filter{}); err != nil || len(n) != 1 || n["running"] != 1 {
		t.Errorf("Count: %v, %v", n, err)
	}
	soon(t, "its first line", func() bool {
		if _, err := bob.Archive.Open(string(id)); err != nil {
			t.Fatal(err)
		}
		text, complete := shown(t, bob, id)
		return text == "first|" && !complete
	})
	if err := os.WriteFile(more, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	soon(t, "its end, without asking again", func() bool {
		text, complete := shown(t, bob, id)
		return complete && strings.HasSuffix(text, "last|")
	})
	if j, err := bob.Jobs.Get(string(id)); err != nil || j.State != job.Succeeded || j.Owned {
		t.Errorf("Get: %+v, %v", j, err)
	}
	bob.Archive.Leave(string(id))
	told(t, bobEngine, "its end in bob's history", func() bool {
		list, err := bob.Archive.Jobs(Query{Limit: 10, Filter: job.Filter{States: []job.State{job.Succeeded}}})
		return err == nil && len(list) == 1
	})
	if err := bob.Archive.Watch(false); err != nil {
		t.Fatal(err)
	}
	soon(t, "everything of ann's in the database", func() bool {
		s, err := ann.Archive.Status()
		return err == nil && s.State == engine.ArchiveCurrent && s.LagKnown && s.LagJobs == 0
	})
	verdicts, err := bob.Jobs.Verify(string(id))
	if err != nil || len(verdicts) != 2 || verdicts[0].Result != engine.Intact || verdicts[1].Job != id || verdicts[1].Result != engine.Intact {
		t.Errorf("bob verifies ann's job: %+v, %v", verdicts, err)
	}
	for team, hits := range map[bool]int{true: 1, false: 0} {
		search, err := bob.Jobs.Search(SearchQuery{Pattern: "^last$", Team: team})
		if err != nil {
			t.Fatal(err)
		}
		if got := pages(t, bob, search, 1000); len(got.Hits) != hits || got.Failure != nil || hits > 0 && got.Jobs[0].ID != id {
			t.Errorf("bob searches, of everybody's jobs %v: %+v", team, got)
		}
	}
	if err := ann.Archive.Use(""); err != nil {
		t.Fatal(err)
	}
	if s, err := ann.Archive.Status(); err != nil || s.State != engine.ArchiveOff {
		t.Errorf("given up: %+v, %v", s, err)
	}
}
