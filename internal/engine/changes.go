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

	hosts, prompts, archive bool
}

func newChanges() *Changes {
	return &Changes{jobs: map[job.ID]struct{}{}, ring: make(chan struct{}, 1)}
}

// add takes a hint. The empty id means that any job may have changed.
func (c *Changes) add(id job.ID) {
	c.mu.Lock()
	c.jobs[id] = struct{}{}
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
func (c *Changes) Take() (jobs []job.ID, list bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, list = c.jobs[""]
	delete(c.jobs, "")
	for id := range c.jobs {
		jobs = append(jobs, id)
	}
	clear(c.jobs)
	return jobs, list
}
