package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"vmorchestrator/internal/job"
)

// list returns up to limit jobs that the filter means and that are older than
// before, newest first. It never counts rows to find its place, so that a page
// deep in a long history costs what the first costs.
func (c *catalogue) list(ctx context.Context, f job.Filter, before job.ID, limit int) ([]job.Job, error) {
	end := int64(math.MaxInt64)
	if before != "" {
		end = place(before)
		row := c.db.QueryRowContext(ctx, `SELECT coalesce((SELECT n FROM body WHERE id = ?), ?)`, string(before), end)
		if err := row.Scan(&end); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
	}
	condition, args := where(f)
	return c.query(ctx, `SELECT json FROM (SELECT n FROM job WHERE `+condition+` AND n < ? ORDER BY n DESC LIMIT ?)
		JOIN body USING (n) ORDER BY n DESC`, append(args, end, limit)...)
}

// count returns how many jobs the filter means, for each state that any has. The
// index has them together, with all that a filter asks for.
func (c *catalogue) count(ctx context.Context, f job.Filter) (Counts, error) {
	condition, args := where(f)
	rows, err := c.db.QueryContext(ctx, `SELECT state, count(*) FROM job INDEXED BY job_count WHERE `+condition+` GROUP BY state`, args...)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	defer rows.Close()
	counts := Counts{}
	for rows.Next() {
		var state job.State
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		counts[state] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return counts, nil
}

// alive returns the jobs that have not ended, as far as the catalogue knows.
func (c *catalogue) alive(ctx context.Context) ([]job.Job, error) {
	return c.query(ctx, `SELECT json FROM job JOIN body USING (n) WHERE state IN ('pending', 'running') ORDER BY n`)
}

// prefix returns up to two jobs whose id begins so.
func (c *catalogue) prefix(ctx context.Context, p string) ([]job.Job, error) {
	return c.query(ctx, `SELECT json FROM body WHERE id >= ? AND id < ? ORDER BY id LIMIT 2`, p, p+"~")
}

// nth returns the n-th newest job, from 1, as a slice of one or none.
func (c *catalogue) nth(ctx context.Context, n int) ([]job.Job, error) {
	return c.query(ctx, `SELECT json FROM body ORDER BY n DESC LIMIT 1 OFFSET ?`, n-1)
}

// neighbours returns the ids before and behind one, in their order.
func (c *catalogue) neighbours(ctx context.Context, id job.ID) (before, behind string, err error) {
	err = c.db.QueryRowContext(ctx, `SELECT coalesce((SELECT max(id) FROM body WHERE id < ?1), ''), coalesce((SELECT min(id) FROM body WHERE id > ?1), '')`,
		string(id)).Scan(&before, &behind)
	if err != nil {
		return "", "", fmt.Errorf("read the catalogue: %w", err)
	}
	return before, behind, nil
}

func (c *catalogue) query(ctx context.Context, query string, args ...any) ([]job.Job, error) {
	rows, err := c.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	defer rows.Close()
	var jobs []job.Job
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		var j job.Job
		if err := json.Unmarshal(body, &j); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		jobs = append(jobs, j)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return jobs, nil
}
