package engine

import (
	"sync"

	"vmorchestrator/internal/job"
)

// Changes collects hints: which jobs have something new. A hint carries no
// data; whoever takes it asks for what it wants to know. Hints about one job
// become one, so a reader that is slow misses nothing and costs nothing.
type Changes struct {
	mu   sync.Mutex
	jobs map[job.ID]struct{}
	ring chan struct{}

	team map[job.ID]struct{} // of the archive

	hosts, prompts, archive bool
}

func newChanges() *Changes {
	return &Changes{jobs: map[job.ID]struct{}{}, team: map[job.ID]struct{}{}, ring: make(chan struct{}, 1)}
}

// add takes a hint. The empty id means that any job may have changed.
func (c *Changes) add(id job.ID) { c.note(c.jobs, id) }

// mostTeam bounds what is remembered of the archive, where anybody may speak of any
// number of jobs.
const mostTeam = 1000

// addTeam takes the hint that the archive has something new of a job, or with the
// empty id of any.
func (c *Changes) addTeam(id job.ID) {
	c.mu.Lock()
	if len(c.team) >= mostTeam {
		clear(c.team)
		id = ""
	}
	c.mu.Unlock()
	c.note(c.team, id)
}

func (c *Changes) note(of map[job.ID]struct{}, id job.ID) {
	c.mu.Lock()
	of[id] = struct{}{}
	c.mu.Unlock()
	select {
	case c.ring <- struct{}{}:
	default: // a hint: the bell rings already
	}
}

// addHosts takes the hint that a connection stands differently.
func (c *Changes) addHosts() { c.set(&c.hosts) }

// addPrompts takes the hint that a question came or went.
func (c *Changes) addPrompts() { c.set(&c.prompts) }

// addArchive takes the hint that the archive stands differently.
func (c *Changes) addArchive() { c.set(&c.archive) }

func (c *Changes) set(what *bool) {
	c.mu.Lock()
	*what = true
	c.mu.Unlock()
	select {
	case c.ring <- struct{}{}:
	default: // a hint: the bell rings already
	}
}

// TakeHosts reports whether connections stand differently since the last call.
func (c *Changes) TakeHosts() bool { return c.take(&c.hosts) }

// TakePrompts reports whether questions came or went since the last call.
func (c *Changes) TakePrompts() bool { return c.take(&c.prompts) }

// TakeArchive reports whether the archive stands differently since the last call.
func (c *Changes) TakeArchive() bool { return c.take(&c.archive) }

func (c *Changes) take(what *bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := *what
	*what = false
	return was
}

// Ring is ready when there is something to Take. It serves one reader.
func (c *Changes) Ring() <-chan struct{} { return c.ring }

// Take returns the jobs that changed since the last call, and whether the list
// of jobs may have.
func (c *Changes) Take() (jobs []job.ID, list bool) { return c.noted(c.jobs) }

// TakeTeam returns the jobs of which the archive got something since the last call,
// and whether it may have of any. It is empty unless WatchTeam.
func (c *Changes) TakeTeam() (jobs []job.ID, all bool) { return c.noted(c.team) }

func (c *Changes) noted(of map[job.ID]struct{}) (jobs []job.ID, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, all = of[""]
	delete(of, "")
	for id := range of {
		jobs = append(jobs, id)
	}
	clear(of)
	return jobs, all
}
