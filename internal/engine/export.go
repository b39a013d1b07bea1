package engine

import (
	"context"
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

// Export writes the record of a job; see [journal.Journal.Export].
func (e *Engine) Export(ctx context.Context, id job.ID, format Format, w io.Writer) error {
	return e.journal.Export(ctx, id, format, w)
}

// ExportTeam writes the record of anybody's job as the archive has it, in every
// format but Bundle: that comes from where it was recorded.
func (e *Engine) ExportTeam(ctx context.Context, what job.Job, format Format, w io.Writer) error {
	if format == Bundle {
		return job.WithHint(fmt.Errorf("%w: the archive has no %s of its own", job.ErrInvalid, format), "Export it on the machine that recorded it.")
	}
	r, err := e.TeamOutput(ctx, what.ID)
	if err != nil {
		return err
	}
	defer r.Close()
	return r.Export(ctx, what, format, w)
}

// Import takes in a record that another installation exported; see
// [journal.Journal.Import].
func (e *Engine) Import(ctx context.Context, r io.Reader) (job.Job, error) {
	return e.journal.Import(ctx, r, e.config.Operator)
}
