package engine

import (
	"context"
	"errors"
	"fmt"

	"vmorchestrator/internal/archive"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
)

// Pruning says which records of this machine may go; see [journal.Retention].
type Pruning = journal.Retention

// Pruned is what Prune removed, or would; see [journal.Pruned].
type Pruned = journal.Pruned

// Prune removes records from this machine, or only tells what it would remove.
// With an archive, what is not safe there stays, unless unarchived.
func (e *Engine) Prune(ctx context.Context, r Pruning, unarchived, dry bool) (Pruned, error) {
	if !unarchived {
		a, err := e.reachable()
		switch {
		case err == nil:
			r.Archived = func(ctx context.Context, sealed job.Statement) (bool, error) { return safe(ctx, a, sealed) }
		case !errors.Is(err, ErrNoArchive):
			return Pruned{}, err
		}
	}
	if dry {
		return e.journal.Plan(ctx, r)
	}
	return e.journal.Prune(ctx, r, e.config.Operator)
}

// safe asks the archive whether it has the whole of a record. It takes the end of
// one only after all its blocks.
func safe(ctx context.Context, a *archive.Archive, sealed job.Statement) (bool, error) {
	last := sealed.Blocks
	if last > 0 {
		last--
	}
	part, err := a.Part(ctx, sealed.Job, last, 1)
	switch {
	case errors.Is(err, job.ErrNotFound):
		return false, nil
	case err != nil:
		return false, job.WithHint(fmt.Errorf("ask the archive what it has: %w", err),
			"Try again when it is there, or remove records that it may not have, with --unarchived.")
	}
	return uint32(len(part.Blocks)) == min(1, sealed.Blocks) && journal.SealedDigest(part) == sealed.Digest, nil
}

// Pin keeps the record of a job when others are pruned; Unpin takes that back.
func (e *Engine) Pin(ctx context.Context, id job.ID, why string) error {
	return e.journal.Pin(ctx, id, e.config.Operator, why)
}

// Unpin lets the record of a job go when its time comes.
func (e *Engine) Unpin(ctx context.Context, id job.ID) error {
	return e.journal.Unpin(ctx, id, e.config.Operator)
}

// Pinned are the jobs that are pinned.
func (e *Engine) Pinned() (map[job.ID]bool, error) { return e.journal.Pinned() }
