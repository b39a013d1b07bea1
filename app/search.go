package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// SearchQuery says what to look for in the output of the jobs that a filter means.
type SearchQuery struct {
	Pattern    string     `json:"pattern"` // RE2, unless literal
	Literal    bool       `json:"literal"`
	IgnoreCase bool       `json:"ignore_case"`
	Context    int        `json:"context"` // lines before and behind
	Jobs       job.Filter `json:"jobs"`
	Team       bool       `json:"team"` // of everybody's jobs, as the archive has them
	Job        job.ID     `json:"job"`  // only of this one; empty: of all that the filter means
}

// searchPage is what a search has found since it was asked last.
type searchPage struct {
	Hits    []searchHit `json:"hits"`
	Jobs    []Job       `json:"jobs"` // whose hits are in no page before
	Done    bool        `json:"done"`
	Failure *Failure    `json:"failure"` // why it has ended early
}

// searchHit is a line that matches, or what could not be searched.
type searchHit struct {
	Job     job.ID   `json:"job"`
	Line    uint64   `json:"line"`
	At      float64  `json:"at"` // unix ms
	Stream  uint8    `json:"stream"`
	Lead    string   `json:"lead"` // the line before the match
	Match   string   `json:"match"`
	Rest    string   `json:"rest"`
	Before  []string `json:"before"`
	After   []string `json:"after"`
	Problem string   `json:"problem"`
}

const (
	mostContext = 20
	mostPattern = 10_000
	mostFound   = 200                    // hits of one page
	searchWait  = 500 * time.Millisecond // for the first of them; the page asks again
)

// searches has the searches of the page; there is one at a time through all jobs,
// and one through one job. A search goes on only as far as the page asks for what it
// finds.
type searches struct {
	shell *shell

	mu     sync.Mutex
	now    map[bool]*searching // true: through one job
	closed bool
}

// searching is one search. Its goroutine is waited for by end.
type searching struct {
	id     string
	cancel context.CancelFunc
	hits   chan engine.Hit // closed at the end; err is set before
	err    error

	pull sync.Mutex // one page at a time
	told map[job.ID]bool
}

// Search begins a search and ends the one before of its kind. What it finds comes by way of
// /journal/search.
func (b *Jobs) Search(q SearchQuery) (string, error) {
	e, err := b.shell.open()
	if err != nil {
		return "", err
	}
	if q.Pattern == "" || len(q.Pattern) > mostPattern {
		return "", fmt.Errorf("%w: a pattern of %d bytes", job.ErrInvalid, len(q.Pattern))
	}
	if q.Job != "" {
		if _, err := job.ParseID(string(q.Job)); err != nil {
			return "", err
		}
	}
	search := e.Search
	if q.Team {
		search = e.SearchArchive
	}
	return b.shell.searches.begin(search, engine.Query{
		Pattern: q.Pattern, Literal: q.Literal, IgnoreCase: q.IgnoreCase, Context: min(max(q.Context, 0), mostContext), Jobs: q.Jobs, Job: q.Job,
	})
}

// EndSearch ends a search that nobody looks at any more.
func (b *Jobs) EndSearch(id string) { b.shell.searches.end(id) }

func (s *searches) begin(search func(context.Context, engine.Query, func(engine.Hit) error) error, q engine.Query) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", engine.ErrClosed
	}
	s.stop(q.Job != "")
	ctx, cancel := context.WithCancel(s.shell.ctx)
	x := &searching{id: string(job.NewID()), cancel: cancel, hits: make(chan engine.Hit, mostFound), told: map[job.ID]bool{}}
	if s.now == nil {
		s.now = map[bool]*searching{}
	}
	s.now[q.Job != ""] = x
	go func() {
		defer close(x.hits)
		x.err = search(ctx, q, func(h engine.Hit) error {
			select {
			case x.hits <- h:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	return x.id, nil
}

func (s *searches) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one, x := range s.now {
		if x.id == id {
			s.stop(one)
		}
	}
}

func (s *searches) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.stop(true)
	s.stop(false)
}

// stop needs s.mu. It ends the search of a kind and waits for that.
func (s *searches) stop(one bool) {
	x := s.now[one]
	if x == nil {
		return
	}
	x.cancel()
	for range x.hits { //nolint:revive // nobody wants them
	}
	delete(s.now, one)
}

// get is the search with an id, if it has not been replaced or ended.
func (s *searches) get(id string) *searching {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.now {
		if x.id == id {
			return x
		}
	}
	return nil
}

// search returns what a search has found: what is there, else the first that comes
// within searchWait.
func (o *Output) search(ctx context.Context, q url.Values) (searchPage, error) {
	page := searchPage{Hits: []searchHit{}, Jobs: []Job{}}
	x := o.shell.searches.get(q.Get("id"))
	if x == nil {
		return page, job.WithHint(fmt.Errorf("the search: %w", job.ErrNotFound), "Another one was begun meanwhile, or it was ended. Search again.")
	}
	e, err := o.shell.open()
	if err != nil {
		return page, err
	}
	x.pull.Lock()
	defer x.pull.Unlock()
	wait := time.NewTimer(searchWait)
	defer wait.Stop()
	for len(page.Hits) < mostFound {
		var h engine.Hit
		var ok bool
		select {
		case h, ok = <-x.hits:
		default:
			if len(page.Hits) > 0 {
				return page, nil
			}
			select {
			case h, ok = <-x.hits:
			case <-wait.C:
				return page, nil
			case <-ctx.Done():
				return page, context.Cause(ctx)
			}
		}
		if !ok {
			page.Done = true
			if x.err != nil && !errors.Is(x.err, context.Canceled) {
				why := failure(x.err)
				page.Failure = &why
			}
			return page, nil
		}
		if !x.told[h.Job] {
			x.told[h.Job] = true
			j, err := e.Job(ctx, h.Job)
			if errors.Is(err, job.ErrNotFound) { // a colleague's, of which nothing could be copied
				var there engine.TeamJob
				there, err = e.TeamFind(ctx, string(h.Job))
				j = there.Job
			}
			if err != nil {
				return page, err
			}
			page.Jobs = append(page.Jobs, Job{j, e.Owns(j.ID)})
		}
		page.Hits = append(page.Hits, found(h))
	}
	return page, nil
}

// found is a hit as the page gets it. Bytes that are no text are replaced after
// the line was cut, so that the match is where it was found.
func found(h engine.Hit) searchHit {
	text := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
	from, to := min(max(h.From, 0), len(h.Text)), min(max(h.To, h.From, 0), len(h.Text))
	out := searchHit{
		Job: h.Job, Line: h.Line, At: float64(h.At.UnixMicro()) / 1000, Stream: uint8(h.Stream), Problem: h.Problem,
		Lead: text(h.Text[:from]), Match: text(h.Text[from:to]), Rest: text(h.Text[to:]), Before: []string{}, After: []string{},
	}
	for _, line := range h.Before {
		out.Before = append(out.Before, text(line))
	}
	for _, line := range h.After {
		out.After = append(out.After, text(line))
	}
	return out
}
