package engine

import (
	"context"

	"vmorchestrator/internal/journal"
)

// Query says what to look for in the output of jobs; see [journal.Query].
type Query = journal.Query

// Hit is a line that matches; see [journal.Hit].
type Hit = journal.Hit

// Search calls found with every line of output that matches, newest job first,
// until it fails or the context ends; see [journal.Journal.Search].
func (e *Engine) Search(ctx context.Context, q Query, found func(Hit) error) error {
	return e.journal.Search(ctx, q, found)
}
