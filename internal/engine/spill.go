package engine

import (
	"context"
	"fmt"

	"vmorchestrator/internal/archive"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
)

// Spilled is what Spill emptied; see [journal.Spilled].
type Spilled = journal.Spilled

// Spill removes lines of the output of an ended job from this machine, for good;
// see [journal.Journal.Spill].
func (e *Engine) Spill(ctx context.Context, id job.ID, first, last uint64, why string) (Spilled, error) {
	return e.journal.Spill(ctx, id, first, last, e.config.Operator, why)
}

// SpillArchive removes them from the archive. Only its owner may: without a URL
// that is the configured login, with one another.
func (e *Engine) SpillArchive(ctx context.Context, id job.ID, first, last uint64, why, url string) (Spilled, error) {
	cfg, err := e.admin(url)
	if err != nil {
		return Spilled{}, err
	}
	a := archive.Open(cfg)
	defer a.Close()
	var done Spilled
	for from := uint32(0); ; {
		part, err := a.Part(ctx, id, from, pullPage)
		if err != nil {
			return done, err
		}
		for _, b := range part.Blocks {
			from = b.Number + 1
			done.Take(b, first, last)
		}
		if len(part.Blocks) == 0 || part.Sealed {
			break
		}
	}
	if done.Bytes == 0 {
		return done, fmt.Errorf("empty a part of job %s in the archive: %w: it has no lines %d to %d", id, job.ErrInvalid, first, last)
	}
	_, err = archive.Spill(ctx, cfg, id, done.First, done.Last, why)
	return done, err
}
