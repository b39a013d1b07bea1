package engine

import (
	"context"

	"vmorchestrator/internal/archive"
	"vmorchestrator/internal/job"
)

// ear is somebody who wants to hear what is new in the archive.
type ear struct {
	hears func(job.ID) // "" is that anything may be new; called with the lock, so it may not wait
}

// WatchTeam lets what is new in the archive go into the Changes, until stop. While
// nobody wants that, nobody listens there.
func (e *Engine) WatchTeam() (stop func()) { return e.hear(e.changes.addTeam) }

// hear lets somebody hear, until stop. Whoever hears of a database that is away, or
// not the same any more, hears again when it is there: that anything may be new.
func (e *Engine) hear(hears func(job.ID)) (stop func()) {
	this := &ear{hears}
	e.team.mu.Lock()
	defer e.team.mu.Unlock()
	if e.team.ears == nil {
		e.team.ears = map[*ear]struct{}{}
	}
	e.team.ears[this] = struct{}{}
	if e.team.unwatch != nil {
		e.team.archive.Rewatch() // it may be there by now
	} else {
		e.beginWatching()
	}
	return func() {
		e.team.mu.Lock()
		defer e.team.mu.Unlock()
		delete(e.team.ears, this)
		if len(e.team.ears) == 0 {
			e.endWatching()
		}
	}
}

// beginWatching starts the watch, if somebody wants it and it does not run. The
// caller has the lock.
func (e *Engine) beginWatching() {
	a := e.team.archive
	if len(e.team.ears) == 0 || e.team.unwatch != nil || e.team.left || e.team.trouble != nil || a.Status().State == archive.Off {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	e.team.unwatch = stop
	e.team.done.Add(1)
	go func() {
		defer e.team.done.Done()
		_ = a.Watch(ctx, e.heard) // whoever asks the archive is told what is wrong with it
	}()
}

// endWatching ends the watch without waiting for it; leave waits. The caller has
// the lock.
func (e *Engine) endWatching() {
	if e.team.unwatch != nil {
		e.team.unwatch()
		e.team.unwatch = nil
	}
}

// heard tells everybody who wants to hear.
func (e *Engine) heard(id job.ID) {
	e.team.mu.Lock()
	defer e.team.mu.Unlock()
	for ear := range e.team.ears {
		ear.hears(id)
	}
}
