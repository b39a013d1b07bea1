package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"vmorchestrator/internal/job"
)

// alive stands in statements for the jobs without an end.
const alive = `:alive`

// sql is a statement for the tables that there are: the first versions have no list
// of the jobs without an end, and find them among all.
func (a *Archive) sql(text string) string {
	from := `(SELECT job_id FROM vmo.job b WHERE NOT EXISTS (SELECT FROM vmo.job_event c WHERE c.job_id = b.job_id AND c.kind = 'end'))`
	if a.listed.Load() {
		from = `vmo.alive`
	}
	return strings.ReplaceAll(text, alive, from)
}

// Count is how many jobs a filter chooses, by their states.
func (a *Archive) Count(ctx context.Context, f job.Filter) (map[job.State]int, error) {
	states := f.States
	f.States = nil
	where, args, err := conditions(f)
	if err != nil {
		return nil, err
	}
	const living = `
		SELECT l.job_id, CASE WHEN s.job_id IS NULL THEN 'pending' ELSE 'running' END AS state
		FROM ` + alive + ` l LEFT JOIN vmo.job_event s ON s.job_id = l.job_id AND s.kind = 'start'`
	// To join each job with its end takes half a second for a hundred thousand. Without
	// a filter the index of the ends knows; else most jobs have succeeded, and only the
	// others are looked up.
	sql := `SELECT state, count(*) FROM vmo.job_event WHERE kind = 'end' GROUP BY 1
		UNION ALL SELECT state, count(*) FROM (` + living + `) living GROUP BY 1`
	if len(where) > 0 {
		sql = fmt.Sprintf(`
			SELECT coalesce(o.state, 'succeeded'), count(*) FROM vmo.job j LEFT JOIN (
				SELECT job_id, state FROM vmo.job_event WHERE kind = 'end' AND state < 'succeeded'
				UNION ALL SELECT job_id, state FROM vmo.job_event WHERE kind = 'end' AND state > 'succeeded'
				UNION ALL %s
			) o ON o.job_id = j.job_id %s GROUP BY 1`, living, clause(where))
	}
	var counts map[job.State]int
	err = a.read(ctx, func(ctx context.Context, q querier) error {
		counts = map[job.State]int{}
		rows, err := q.Query(ctx, a.sql(sql), args...)
		if err != nil {
			return err
		}
		var state string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&state, &n}, func() error {
			if len(states) == 0 || slices.Contains(states, job.State(state)) {
				counts[job.State(state)] = n
			}
			return nil
		})
		return err
	})
	return counts, err
}
