//go:build unix

package app

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Ensure the page says something of a job, and that lists, filters and the list of
// what was done have it at once.
func TestRemarks_OfAJobOfThisMachine(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	id := string(ran(t, e, "true").ID)
	if err := errors.Join(
		a.Jobs.Note(id, "looks good\nat last"), a.Jobs.Label(id, []string{"good", "bad"}, false), a.Jobs.Label(id, []string{"bad"}, true), a.Jobs.Pin(id, true),
	); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a control sequence": a.Jobs.Note(id, "\x1b[2J"), "a comma": a.Jobs.Label(id, []string{"a,b"}, false), "no job": a.Jobs.Note("../../x", "hello"),
	} {
		if !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := job.Marks{Pinned: true, Labels: []string{"good"}, Notes: 1}
	list, err := a.Jobs.List(Query{Limit: 10, Filter: job.Filter{Labels: []string{"good"}}})
	if err != nil || len(list) != 1 || cmp.Diff(want, list[0].Marks) != "" {
		t.Errorf("List: %+v, %v", list, err)
	}
	if j, err := a.Jobs.Get(id); err != nil || cmp.Diff(want, j.Marks) != "" {
		t.Errorf("Get: %+v, %v", j.Marks, err)
	}
	if said, err := a.Jobs.Said(id); err != nil || said.Team || said.Problem != "" || len(said.Remarks) != 5 || said.Remarks[0].Text != "looks good\nat last" {
		t.Errorf("Said: %+v, %v", said, err)
	}
	done, err := a.Jobs.Acts(ActsQuery{Limit: 50, Filter: job.Filter{Since: time.Now().Add(-time.Hour)}})
	if err != nil || done.More || !slices.ContainsFunc(done.Acts, func(x engine.Act) bool { return x.What == "job" && string(x.Job) == id }) ||
		!slices.ContainsFunc(done.Acts, func(x engine.Act) bool { return x.What == "note" && string(x.Job) == id }) {
		t.Errorf("Acts: %+v, %v", done, err)
	}
	if _, err := a.Jobs.Acts(ActsQuery{Limit: 50, Team: true}); err == nil {
		t.Error("the team did something, without a database")
	}
}

// Ensure what a colleague says of my job comes to my page, with who said it, and
// that it is not there when the database is not.
func TestRemarks_OfAColleague(t *testing.T) {
	t.Parallel()
	c := archivetest.Shared(t)
	database := c.Database(t, "")
	page := func(operator string) (*App, *engine.Engine) {
		a, e := servedBy(t, engine.Config{Operator: operator})
		if operator == "ann@laptop" {
			if err := e.InitDatabase(t.Context(), c.URL(archivetest.Admin, database)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(a.Archive.Use(c.URL(c.Login(t, "", "vmo_operator"), database)), a.Archive.Share("")); err != nil {
			t.Fatal(err)
		}
		e.Ship()
		return a, e
	}
	ann, annEngine := page("ann@laptop")
	id := string(ran(t, annEngine, "true").ID)
	bob, _ := page("bob@desk")
	if err := ann.Archive.Watch(true); err != nil {
		t.Fatal(err)
	}
	soon(t, "ann's job in bob's history", func() bool {
		list, err := bob.Archive.Jobs(Query{Limit: 10})
		return err == nil && len(list) == 1
	})
	if err := errors.Join(bob.Jobs.Note(id, "look at this"), bob.Jobs.Label(id, []string{"odd"}, false)); err != nil {
		t.Fatal(err)
	}
	if said, err := bob.Jobs.Said(id); err != nil || !said.Team || len(said.Remarks) != 2 {
		t.Errorf("bob, at once: %+v, %v", said, err)
	}
	if err := bob.Jobs.Pin(id, true); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("bob pins what is not on his disk: %v", err)
	}
	told(t, annEngine, "bob's label in ann's history", func() bool {
		list, err := ann.Archive.Jobs(Query{Limit: 10, Filter: job.Filter{Labels: []string{"odd"}}})
		if err != nil {
			t.Fatal(err)
		}
		return len(list) == 1
	})
	said, err := ann.Jobs.Said(id)
	if err != nil || !said.Team || len(said.Remarks) != 2 || said.Remarks[0].By != "bob@desk" || said.Remarks[0].Login == "" {
		t.Errorf("ann: %+v, %v", said, err)
	}
	if done, err := ann.Jobs.Acts(ActsQuery{Limit: 50, Team: true}); err != nil || !slices.ContainsFunc(done.Acts, func(x engine.Act) bool { return x.What == "note" && x.By == "bob@desk" }) {
		t.Errorf("ann sees what bob did: %+v, %v", done, err)
	}
	if err := ann.Jobs.Label(id, []string{"odd"}, true); err != nil { // it is bob's, and may be taken off
		t.Fatal(err)
	}
	soon(t, "the label is gone for bob", func() bool {
		list, err := bob.Archive.Jobs(Query{Limit: 10, Filter: job.Filter{Labels: []string{"odd"}}})
		return err == nil && len(list) == 0
	})
	if err := errors.Join(ann.Archive.Watch(false), ann.Archive.Use("")); err != nil {
		t.Fatal(err)
	}
	if said, err := ann.Jobs.Said(id); err != nil || said.Team || said.Problem != "" || len(said.Remarks) != 1 {
		t.Errorf("without the database ann knows what she said: %+v, %v", said, err)
	}
}
