package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
)

// Filter says which jobs are meant; see [job.Filter].
type Filter = job.Filter

// Counts is how many jobs there are in each state; see [journal.Counts].
type Counts = journal.Counts

// Jobs lists the jobs that a filter means, newest first, from the one before
// which to start; empty means the newest.
func (e *Engine) Jobs(ctx context.Context, f Filter, before job.ID, limit int) ([]job.Job, error) {
	return e.journal.Jobs(ctx, f, before, limit)
}

// Count tells how many jobs a filter means.
func (e *Engine) Count(ctx context.Context, f Filter) (Counts, error) {
	return e.journal.Count(ctx, f)
}

// Stat is how the runs of a target on a host went; see [journal.Stat].
type Stat = journal.Stat

// Stats tells how the last runs of each target on each host went, of the jobs that
// a filter means.
func (e *Engine) Stats(ctx context.Context, f Filter, last int) ([]Stat, error) {
	return e.journal.Stats(ctx, f, last)
}

// Names is what there is to filter by; see [journal.Names].
type Names = journal.Names

// Names returns what stands in the list of jobs.
func (e *Engine) Names(ctx context.Context) (Names, error) { return e.journal.Names(ctx) }

// Short returns a beginning of an id that means no other job now.
func (e *Engine) Short(ctx context.Context, id job.ID) (string, error) {
	return e.journal.Short(ctx, id)
}

// Moment reads a time in the past as operators write it, or how long ago it was,
// in days too.
func Moment(text string, now time.Time) (time.Time, error) {
	if days, err := strconv.Atoi(strings.TrimSuffix(text, "d")); err == nil && strings.HasSuffix(text, "d") && days > 0 {
		return now.AddDate(0, 0, -days), nil
	}
	d, err := since(text, now)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", job.ErrInvalid, err)
	}
	return now.Add(-d), nil
}
