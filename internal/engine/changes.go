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
