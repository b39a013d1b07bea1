package remote

import (
	"slices"
	"sync"
)

// trail is what an attempt to connect has tried, for people.
type trail struct {
	mu      sync.Mutex
	steps   []Step
	way     []Waypoint
	hostKey string
}

// setOut begins a way, when it is known.
func (t *trail) setOut(way []step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.way = make([]Waypoint, len(way))
	for i, s := range way {
		t.way[i] = Waypoint{Name: s.hop.Name, Addr: s.options.User + "@" + s.hop.Addr}
	}
}

// said adds to what a server has said before it lets anybody in.
func (t *trail) said(hop, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.index(hop); i >= 0 {
		t.way[i].Banner = plainText(t.way[i].Banner + text)
	}
}

// through takes over what is known of the way to a jump host.
func (t *trail) through(s State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, s.Steps...)
	for _, w := range s.Way {
		if i := t.index(w.Name); i >= 0 {
			t.way[i].Banner = w.Banner
		}
	}
}

// index needs t.mu. It is -1 for a machine that is not on the way.
func (t *trail) index(hop string) int {
	return slices.IndexFunc(t.way, func(w Waypoint) bool { return w.Name == hop })
}

// came is the way as far as the attempt came; stopped names where it ended, and
// is empty when it did not. When ssh goes the whole way by itself, only the end
// of it is known.
func (t *trail) came(stopped string) []Waypoint {
	t.mu.Lock()
	defer t.mu.Unlock()
	way := slices.Clone(t.way)
	end := t.index(stopped)
	for i := range way {
		tried := slices.ContainsFunc(t.steps, func(s Step) bool { return s.Hop == way[i].Name && s.OK })
		switch {
		case i == end:
			way[i].Came = CameToStop
		case stopped == "" || end > i && tried:
			way[i].Came = CameThrough
		}
	}
	return way
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
