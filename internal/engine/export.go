package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
)

// Format is how a record is exported; see [journal.Format].
type Format = journal.Format

// Bundle is the format that Import reads.
const Bundle = journal.Bundle

// Formats are all formats of Export.
func Formats() []Format { return journal.Formats }

// Export writes the record of a job; see [journal.Journal.Export]. That of a
// colleague may have been brought here; with its proof it comes from the archive.
func (e *Engine) Export(ctx context.Context, id job.ID, format Format, w io.Writer) error {
	if format == Bundle {
		if _, err := e.journal.Find(ctx, string(id)); errors.Is(err, job.ErrNotFound) {
			return e.exportTeam(ctx, id, w)
		}
	}
	return e.journal.Export(ctx, id, format, w)
}

// ExportTeam writes the record of anybody's job as the archive has it.
func (e *Engine) ExportTeam(ctx context.Context, what job.Job, format Format, w io.Writer) error {
	if format == Bundle {
		return e.exportTeam(ctx, what.ID, w)
	}
	r, err := e.TeamOutput(ctx, what.ID)
	if err != nil {
		return err
	}
	defer r.Close()
	return r.Export(ctx, what, format, w)
}

// exportTeam writes a record of the archive with what its ledger says of it.
func (e *Engine) exportTeam(ctx context.Context, id job.ID, w io.Writer) error {
	a, err := e.reachable()
	if err != nil {
		return err
	}
	row, err := a.Job(ctx, string(id))
	if err != nil {
		return err
	}
	if row.Removed {
		return job.WithHint(fmt.Errorf("export job %s: %w: its output was removed from the archive", id, job.ErrInvalid),
			"The machine that recorded it may still have it: "+row.Laptop)
	}
	if _, err := e.Pull(ctx, id); err != nil {
		return err
	}
	said, err := a.Said(ctx, row.Installation, id)
	if err != nil {
		return err
	}
	return e.journal.ExportReplica(ctx, id, row.Installation, said, w)
}

// Import takes in a record that another installation exported; see
// [journal.Journal.Import].
func (e *Engine) Import(ctx context.Context, r io.Reader) (job.Job, error) {
	return e.journal.Import(ctx, r, e.config.Operator)
}
