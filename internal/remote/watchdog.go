package remote

import (
	"context"
	"errors"
	"sync"
	"time"
)

var errTimeout = errors.New("no answer")

// watchdog bounds the time that a server takes, without the time that a person
// takes.
type watchdog struct {
	limit time.Duration

	mu     sync.Mutex
	timer  *time.Timer
	open   int // questions
	over   bool
	passed func()
}

func newWatchdog(limit time.Duration) *watchdog { return &watchdog{limit: limit} }

// guard begins the time after which passed is called.
func (w *watchdog) guard(passed func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed = passed
	w.timer = time.AfterFunc(w.limit, w.fire)
}

func (w *watchdog) fire() {
	w.mu.Lock()
	late := !w.over && w.open == 0
	w.mu.Unlock()
	if late {
		w.passed()
	}
}

func (w *watchdog) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	w.timer.Stop()
}

// resume begins the time anew.
func (w *watchdog) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open--; w.open == 0 && !w.over {
		w.timer.Reset(w.limit)
	}
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

// during returns the questions, with calls before and after each.
func (p Prompts) during(begin, end func()) Prompts {
	q := Prompts{Banner: p.Banner, waiting: func() func() {
		begin()
		return end
	}}
	if p.HostKey != nil {
		q.HostKey = func(ctx context.Context, h HostKeyQuestion) (bool, error) {
			begin()
			defer end()
			return p.HostKey(ctx, h)
		}
	}
	if p.Secret != nil {
		q.Secret = func(ctx context.Context, s SecretQuestion) (string, error) {
			begin()
			defer end()
			return p.Secret(ctx, s)
		}
	}
	if p.Challenge != nil {
		q.Challenge = func(ctx context.Context, c ChallengeQuestion) ([]string, error) {
			begin()
			defer end()
			return p.Challenge(ctx, c)
		}
	}
	return q
}
