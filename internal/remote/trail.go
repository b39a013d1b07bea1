package remote

import (
	"slices"
	"sync"
)

// trail is what an attempt to connect has tried, for people.
type trail struct {
	mu      sync.Mutex
	steps   []Step
	hostKey string
}

func (t *trail) add(hop, what, detail string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, Step{Hop: hop, What: what, Detail: detail, OK: ok})
}

func (t *trail) append(steps []Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, steps...)
}

func (t *trail) all() []Step {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.steps)
}
