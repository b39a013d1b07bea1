package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vmorchestrator/internal/archive"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
)

// TeamJob is a job of the archive: anybody's, this machine's too.
type TeamJob struct {
	job.Job
	Installation string    `json:"installation"`
	Mine         bool      `json:"mine"`  // of this machine
	Login        string    `json:"login"` // that shipped it, as the server knows it
	Laptop       string    `json:"laptop"`
	OwnerSeen    time.Time `json:"owner_seen" ts_type:"string"` // when its machine was connected last
	Offline      bool      `json:"offline"`                     // its machine has not been there for a while; what runs may have ended since
	Removed      bool      `json:"removed"`                     // its output was removed from the archive
}

func (e *Engine) teamJob(r archive.Row) TeamJob {
	return TeamJob{
		Job: r.Job, Installation: r.Installation, Mine: r.Installation == e.journal.ID(), Login: r.Login, Laptop: r.Laptop,
		OwnerSeen: r.OwnerSeen, Offline: r.OwnerAway > archive.AwayAfter, Removed: r.Removed,
	}
}

// TeamJobs returns up to limit jobs of the archive that are older than before,
// newest first; without before, from the newest.
func (e *Engine) TeamJobs(ctx context.Context, f job.Filter, before job.ID, limit int) ([]TeamJob, error) {
	a, err := e.reachable()
	if err != nil {
		return nil, err
	}
	rows, err := a.Jobs(ctx, f, before, limit)
	list := make([]TeamJob, 0, len(rows))
	for _, r := range rows {
		list = append(list, e.teamJob(r))
	}
	return list, err
}

// TeamCount is how many jobs of the archive a filter chooses, by their states.
func (e *Engine) TeamCount(ctx context.Context, f job.Filter) (Counts, error) {
	a, err := e.reachable()
	if err != nil {
		return nil, err
	}
	return a.Count(ctx, f)
}

// TeamFind returns the job of the archive that an id or the beginning of one means.
func (e *Engine) TeamFind(ctx context.Context, name string) (TeamJob, error) {
	name, err := linked(name)
	if err != nil {
		return TeamJob{}, err
	}
	a, err := e.reachable()
	if err != nil {
		return TeamJob{}, err
	}
	r, err := a.Job(ctx, name)
	return e.teamJob(r), err
}

// pullPage is how much is asked for at once, in bytes as they are stored.
const pullPage = 4 << 20

// Pull copies a record from the archive into this journal's replicas, as far as
// the archive has it, so that it is read as every other. It returns whether the
// record is complete.
func (e *Engine) Pull(ctx context.Context, id job.ID) (complete bool, err error) {
	complete, err = e.pull(ctx, id)
	if errors.Is(err, journal.ErrBusy) {
		return false, nil // another process pulls it, and what it has is read here
	}
	return complete, err
}

func (e *Engine) pull(ctx context.Context, id job.ID) (complete bool, err error) {
	a, err := e.reachable()
	if err != nil {
		return false, err
	}
	part, err := a.Part(ctx, id, 0, 1)
	if err != nil {
		return false, err
	}
	r, err := e.journal.Replica(part.Opening)
	if err != nil {
		return false, err
	}
	defer r.Close() //nolint:errcheck // a cache, and it gives the lock back
	for !r.Complete() {
		before := r.Next()
		if part, err = a.Part(ctx, id, before, pullPage); err != nil {
			return false, err
		}
		if err := r.Add(part); err != nil {
			return false, job.WithHint(err, "The archive has something else than was recorded. Verify it: vmo verify --archive "+string(id))
		}
		e.changes.add(id)
		if r.Next() == before {
			break // that is all for now
		}
	}
	return r.Complete(), nil
}

// TeamOutput pulls a record and returns a reader of what came, even if the job is
// one of this machine.
func (e *Engine) TeamOutput(ctx context.Context, id job.ID) (*Reader, error) {
	if _, err := e.Pull(ctx, id); err != nil {
		return nil, err
	}
	return e.journal.ReplicaReader(id)
}

// pullAgain is when a pull is tried again that failed, or that another process was
// at: of that no notice tells.
const pullAgain = time.Second

// PullOn pulls a record, and goes on while its job runs and whenever the archive has
// something new of it, until the record is complete or the context ends.
func (e *Engine) PullOn(ctx context.Context, id job.ID) error {
	ring := make(chan struct{}, 1)
	stop := e.hear(func(of job.ID) {
		if of != id && of != "" {
			return
		}
		select {
		case ring <- struct{}{}:
		default: // the bell rings already
		}
	})
	defer stop()
	for first := true; ; first = false {
		complete, err := e.pull(ctx, id)
		busy := errors.Is(err, journal.ErrBusy)
		// A server that is away for a while is not the end, unless it was from the beginning.
		if complete || err != nil && !busy && (first || errors.Is(err, journal.ErrUnfit)) {
			return err
		}
		var again <-chan time.Time
		if err != nil {
			again = time.After(pullAgain)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ring:
		case <-again:
		}
	}
}

// VerifyArchive checks what the archive holds, of one installation after the
// other, as Verify does with what this machine holds; without jobs, all. Of this
// machine it must be what this machine remembers.
func (e *Engine) VerifyArchive(ctx context.Context, jobs []job.ID, report func(Verdict) error) error {
	a, err := e.reachable()
	if err != nil {
		return err
	}
	of := map[string][]job.ID{}
	for _, id := range jobs {
		row, err := a.Job(ctx, string(id))
		if err != nil {
			return err
		}
		of[row.Installation] = append(of[row.Installation], id)
	}
	all, err := a.Installations(ctx)
	if err != nil {
		return err
	}
	for _, i := range all {
		if len(jobs) > 0 && len(of[i.ID]) == 0 {
			continue
		}
		evidence := journal.Evidence{
			Installation: i.ID,
			Entries:      func(after uint64, limit int) ([]job.Entry, error) { return a.Entries(ctx, i.ID, after, limit) },
			Parts:        func(id job.ID) (journal.PartReader, error) { return pulled{ctx, a, id}, nil },
			Alive:        func(job.ID) bool { return i.Away < archive.AwayAfter },
			Lags:         true,
			Gone:         func(id job.ID) ([]journal.Gone, error) { return removedThere(ctx, a, id) },
		}
		if i.ID == e.journal.ID() {
			evidence.Witnesses = e.witnesses()
			if evidence.Key, err = e.config.trustedKey(ctx, i.ID); err != nil {
				return err
			}
		}
		if err := verify(ctx, evidence, of[i.ID], report); err != nil {
			return fmt.Errorf("verify what %s shipped: %w", i.Laptop, err)
		}
	}
	return nil
}

// removedThere is what the owner of the archive removed of a record.
func removedThere(ctx context.Context, a *archive.Archive, id job.ID) ([]journal.Gone, error) {
	removals, err := a.Removals(ctx, id)
	var out []journal.Gone
	for _, r := range removals {
		out = append(out, journal.Gone{
			First: r.First, Last: r.Last, Whole: r.Kind == "retention",
			Words: fmt.Sprintf("removed from the archive (%s) by %s on %s: %s", r.Kind, r.By, r.At.Local().Format("2006-01-02 15:04"), r.Why),
		})
	}
	return out, err
}

// witnesses are what this machine knows of its own ledger.
func (e *Engine) witnesses() []journal.Witness {
	e.witness(e.archived().Status()) // what it is known to have by now
	return e.remembered("this machine")
}

// pulled reads a record of the archive in parts.
type pulled struct {
	ctx context.Context //nolint:containedctx // of the verification that reads
	a   *archive.Archive
	id  job.ID
}

func (p pulled) Part(from uint32, limit int) (job.Part, error) {
	return p.a.Part(p.ctx, p.id, from, limit)
}
func (p pulled) Close() error { return nil }
