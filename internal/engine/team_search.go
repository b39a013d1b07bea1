package engine

import (
	"context"
	"errors"

	"vmorchestrator/internal/job"
)

// SearchArchive searches the output of everybody's jobs, as Search does with those
// of this machine: newest job first. Output is compressed in the archive and has no
// index there, so what is not here yet is pulled first; filters keep that small.
func (e *Engine) SearchArchive(ctx context.Context, q Query, found func(Hit) error) error {
	search := func(id job.ID) error {
		only := q
		only.Job = id
		return e.journal.Search(ctx, only, func(h Hit) error {
			if q.Limit > 0 && h.Problem == "" {
				if q.Limit--; q.Limit == 0 {
					return errors.Join(found(h), errEnough)
				}
			}
			return found(h)
		})
	}
	err := e.eachTeamJob(ctx, q, func(j TeamJob) error {
		if j.Removed {
			return nil
		}
		if _, err := e.journal.Find(ctx, string(j.ID)); err != nil { // not one of this machine
			if _, err := e.Pull(ctx, j.ID); err != nil {
				if ctx.Err() != nil {
					return err
				}
				return found(Hit{Job: j.ID, Problem: err.Error()})
			}
		}
		return search(j.ID)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// errEnough ends a search at its limit.
var errEnough = errors.New("enough")

// eachTeamJob calls do with each job of the archive that a query means.
func (e *Engine) eachTeamJob(ctx context.Context, q Query, do func(TeamJob) error) error {
	if q.Job != "" {
		j, err := e.TeamFind(ctx, string(q.Job))
		if err != nil {
			return err
		}
		return do(j)
	}
	for before := job.ID(""); ; {
		jobs, err := e.TeamJobs(ctx, q.Jobs, before, 100)
		if err != nil || len(jobs) == 0 {
			return err
		}
		for _, j := range jobs {
			if err := do(j); err != nil {
				return err
			}
		}
		before = jobs[len(jobs)-1].ID
	}
}
