package app

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"vmorchestrator/internal/job"
)

// pages pulls a search to its end, or until it has given enough hits.
func pages(t *testing.T, a *App, id string, enough int) (all searchPage) {
	t.Helper()
	for !all.Done && len(all.Hits) < enough {
		r := httptest.NewRequest(http.MethodGet, "http://wails.localhost/journal/search?id="+id, nil)
		w := httptest.NewRecorder()
		a.Output.Middleware(http.NotFoundHandler()).ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
		var page searchPage
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		if len(page.Hits) > mostFound {
			t.Errorf("a page of %d hits", len(page.Hits))
		}
		all.Hits, all.Jobs = append(all.Hits, page.Hits...), append(all.Jobs, page.Jobs...)
		all.Done, all.Failure = page.Done, page.Failure
	}
	return all
}

// Ensure a search finds what the jobs that the filter means have printed, and names
// each job once.
func TestSearch_FindsInTheJobsOfTheFilter(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	first := ran(t, e, "printf", `alpha\nThe \033[1mquick\033[0m fox\nomega\n`)
	other := ran(t, e, "printf", `quick\nquick \377 quick\n`)
	id, err := a.Jobs.Search(SearchQuery{Pattern: "QUICK", Literal: true, IgnoreCase: true, Context: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := pages(t, a, id, 1000)
	if len(got.Hits) != 3 || len(got.Jobs) != 2 || got.Jobs[0].ID != other.ID || got.Jobs[1].ID != first.ID || got.Failure != nil {
		t.Fatalf("%+v", got)
	}
	h := got.Hits[2]
	if h.Line != 1 || h.Lead != "The " || h.Match != "quick" || h.Rest != " fox" || len(h.Before) != 1 || h.Before[0] != "alpha" || len(h.After) != 1 || h.After[0] != "omega" {
		t.Errorf("%+v", h)
	}
	id, err = a.Jobs.Search(SearchQuery{Pattern: "quick", Literal: true, Jobs: job.Filter{Text: "fox"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := pages(t, a, id, 1000); len(got.Hits) != 1 || got.Hits[0].Job != first.ID {
		t.Errorf("with a filter: %+v", got)
	}
}

// Ensure finding in one job finds nothing else, and does not end the search through
// all of them.
func TestSearch_InOneJobGoesBesideThatInAll(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	one := ran(t, e, "printf", `fox\ndog\nfox\n`)
	ran(t, e, "printf", `fox\n`)
	all, err := a.Jobs.Search(SearchQuery{Pattern: "fox", Literal: true})
	if err != nil {
		t.Fatal(err)
	}
	in, err := a.Jobs.Search(SearchQuery{Pattern: "fox", Literal: true, Job: one.ID})
	if err != nil {
		t.Fatal(err)
	}
	if got := pages(t, a, in, 1000); len(got.Hits) != 2 || got.Hits[0].Line != 0 || got.Hits[1].Line != 2 || got.Hits[1].Job != one.ID {
		t.Errorf("in one job: %+v", got)
	}
	if got := pages(t, a, all, 1000); len(got.Hits) != 3 || got.Failure != nil {
		t.Errorf("in all jobs: %+v", got)
	}
	if _, err := a.Jobs.Search(SearchQuery{Pattern: "fox", Job: "../../x"}); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("a job that is none: %v", err)
	}
}

// Ensure a search goes on only as far as it is asked for, gives everything in its
// order, and ends when another one begins or the window closes.
func TestSearch_IsPulled(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	const lines = 3000
	ran(t, e, "seq", strconv.Itoa(lines))
	id, err := a.Jobs.Search(SearchQuery{Pattern: `\d`})
	if err != nil {
		t.Fatal(err)
	}
	got := pages(t, a, id, 1e9)
	for i, h := range got.Hits {
		if h.Line != uint64(i) {
			t.Fatalf("hit %d is of line %d", i, h.Line)
		}
	}
	if len(got.Hits) != lines {
		t.Errorf("%d hits of %d", len(got.Hits), lines)
	}
	for range 3 { // each ends the one before, which nobody pulled to its end
		if id, err = a.Jobs.Search(SearchQuery{Pattern: `\d`}); err != nil {
			t.Fatal(err)
		}
		if got := pages(t, a, id, 1); got.Done {
			t.Error("it was not held up")
		}
	}
	last := id
	if id, err = a.Jobs.Search(SearchQuery{Pattern: `\d`}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Output.search(t.Context(), map[string][]string{"id": {last}}); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("the one before: %v", err)
	}
	a.Jobs.EndSearch(last) // does nothing to its successor
	if got := pages(t, a, id, 1); len(got.Hits) == 0 {
		t.Error("the newest has ended")
	}
	a.Jobs.EndSearch(id)
	if _, err := a.Output.search(t.Context(), map[string][]string{"id": {id}}); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("an ended one: %v", err)
	}
	if _, err := a.Jobs.Search(SearchQuery{Pattern: `\d`}); err != nil { // is there when the window closes
		t.Fatal(err)
	}
}

// Ensure what cannot be searched for says so, with what to do.
func TestSearch_SaysWhyNot(t *testing.T) {
	t.Parallel()
	a, _ := served(t)
	if _, err := a.Jobs.Search(SearchQuery{}); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("nothing: %v", err)
	}
	id, err := a.Jobs.Search(SearchQuery{Pattern: "a(b"})
	if err == nil {
		if got := pages(t, a, id, 1); got.Failure == nil || got.Failure.Code != "invalid" {
			t.Errorf("%+v", got)
		}
	}
}
