package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"vmorchestrator/internal/job"
)

// Stat is how the runs of a target on a host went.
//
// Its rate is that of those that came to an end by themselves or by their timeout:
// who cancelled one, or lost it, has not learnt whether it would have succeeded.
// How long they took is told of those that succeeded: one that fails at once says
// nothing about how long the others take.
type Stat struct {
	Project   string    `json:"project"`
	Target    string    `json:"target"`
	Host      string    `json:"host"` // "" is this machine
	Runs      int       `json:"runs"` // all that have ended
	Succeeded int       `json:"succeeded"`
	Failed    int       `json:"failed"` // those that were not started, too
	TimedOut  int       `json:"timed_out"`
	Cancelled int       `json:"cancelled"`
	Lost      int       `json:"lost"`
	Rate      *float64  `json:"rate"`   // 0 to 1; null if there is none that counts
	P50       *int64    `json:"p50_ms"` // half of those that succeeded took no longer; null without one
	P95       *int64    `json:"p95_ms"`
	Newest    time.Time `json:"newest" ts_type:"string"` // when the newest was begun

	took []int64
}

// Stats tells how the last runs of each target on each host went, of the jobs that
// a filter means, whatever states it names. The one that ran last comes first.
func (j *Journal) Stats(ctx context.Context, f job.Filter, last int) ([]Stat, error) {
	j.hear(ctx)
	return j.cat.stats(ctx, f, last)
}

func (c *catalogue) stats(ctx context.Context, f job.Filter, last int) ([]Stat, error) {
	f.States = nil
	condition, args := where(f)
	rows, err := c.db.QueryContext(ctx, `SELECT json FROM (
			SELECT n, row_number() OVER (PARTITION BY project, target, host ORDER BY n DESC) AS k
			FROM job WHERE `+condition+` AND target <> '' AND state NOT IN ('pending', 'running')
		) JOIN body USING (n) WHERE k <= ? ORDER BY n DESC`, append(args, last)...)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	defer rows.Close()
	type key struct{ project, target, host string }
	at := map[key]int{}
	list := []Stat{}
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		var x ran
		if err := json.Unmarshal(body, &x); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		k := key{x.Project, x.Target, x.Host}
		i, known := at[k]
		if !known {
			i, at[k] = len(list), len(list)
			list = append(list, Stat{Project: x.Project, Target: x.Target, Host: x.Host, Newest: x.QueuedAt})
		}
		list[i].take(x)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	for i := range list {
		list[i].finish()
	}
	return list, nil
}

// ran is what counts of a job.
type ran struct {
	Project    string     `json:"project"`
	Target     string     `json:"target"`
	Host       string     `json:"host"`
	State      job.State  `json:"state"`
	QueuedAt   time.Time  `json:"queued_at"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

func (s *Stat) take(x ran) {
	s.Runs++
	switch x.State {
	case job.Succeeded:
		s.Succeeded++
		if x.StartedAt != nil && x.FinishedAt != nil {
			s.took = append(s.took, max(0, x.FinishedAt.Sub(*x.StartedAt).Milliseconds()))
		}
	case job.Failed:
		s.Failed++
	case job.TimedOut:
		s.TimedOut++
	case job.Cancelled:
		s.Cancelled++
	case job.Lost:
		s.Lost++
	}
}

func (s *Stat) finish() {
	if counted := s.Succeeded + s.Failed + s.TimedOut; counted > 0 {
		rate := float64(s.Succeeded) / float64(counted)
		s.Rate = &rate
	}
	slices.Sort(s.took)
	s.P50, s.P95, s.took = percentile(s.took, 0.5), percentile(s.took, 0.95), nil
}

// percentile is the smallest of sorted values that a share of them does not exceed.
func percentile(sorted []int64, share float64) *int64 {
	if len(sorted) == 0 {
		return nil
	}
	v := sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
	return &v
}
