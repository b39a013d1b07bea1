package inventory

import (
	"os"
	"time"
)

const (
	// answerTTL is how long an answer is kept that depends on more than files.
	answerTTL = 30 * time.Second

	maxAnswers = 4096
)

// answer is what Resolve found, and what it depends on.
type answer struct {
	options *Options
	state   state
}

// state is how the world was when a question was asked.
type state struct {
	at       time.Time
	volatile bool
	ssh      string
	files    map[string]os.FileInfo // nil: it was not there
}

// stateOf is what an evaluation has seen, with the program.
func (r *Resolver) stateOf(e *evaluator) state {
	s := state{at: time.Now(), volatile: e.volatile, ssh: r.SSH, files: e.read}
	if r.SSH != "" {
		s.files[r.SSH] = stat(r.SSH)
	}
	return s
}

func stat(path string) os.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

// holds reports whether everything is as it was.
func (s *state) holds(ssh string) bool {
	if ssh != s.ssh || s.volatile && time.Since(s.at) > answerTTL {
		return false
	}
	for path, before := range s.files {
		now := stat(path)
		if (now == nil) != (before == nil) {
			return false
		}
		if now != nil && (!os.SameFile(now, before) || !now.ModTime().Equal(before.ModTime()) || now.Size() != before.Size() || now.Mode() != before.Mode()) {
			return false
		}
	}
	return true
}

// cached is an answer that still holds.
func (r *Resolver) cached(d Destination) (*Options, bool) {
	r.mu.Lock()
	a, ok := r.known[d]
	r.mu.Unlock()
	if !ok || !a.state.holds(r.SSH) {
		return nil, false
	}
	return a.options, true
}

func (r *Resolver) keep(d Destination, o *Options, s state) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxAnswers {
		clear(r.known)
	}
	r.known[d] = answer{o, s}
}

// Forget drops every answer: the network has changed, or the environment.
func (r *Resolver) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.known)
}
