package engine

import (
	"context"
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

// Import takes in a record that another installation exported; see
// [journal.Journal.Import].
func (e *Engine) Import(ctx context.Context, r io.Reader) (job.Job, error) {
	return e.journal.Import(ctx, r, e.config.Operator)
}
