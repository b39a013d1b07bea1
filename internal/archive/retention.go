package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vmorchestrator/internal/job"
)

// Policy says which output goes: that of jobs that were begun before a moment,
// and of the oldest until no more than so many jobs, or bytes, have any. What is
// zero does not matter. A job that has not ended is kept, and so is a pinned one.
type Policy struct {
	Before   time.Time
	MaxJobs  int
	MaxBytes uint64 // as they are stored
	Why      string // stands beside what was removed
}

// Retired is what a Policy removes.
type Retired struct {
	Jobs   []job.ID // oldest first
	Bytes  uint64   // that were stored
	Blocks int
	Pinned int // that would have gone otherwise
	Kept   int // jobs that still have output
}

// Retention removes output as a policy says; with dryRun it only tells what it
// would. What the jobs were, how they ended and their ledgers stay, with a row
// that says who removed the output, when and why, so that verify tells it from a
// record that was tampered with. Only a member of vmo_owner may.
func Retention(ctx context.Context, cfg Config, policy Policy, dryRun bool) (r Retired, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("remove old output from the archive: %w", err)
		}
	}()
	if policy.Before.IsZero() && policy.MaxJobs == 0 && policy.MaxBytes == 0 {
		return r, job.WithHint(fmt.Errorf("%w: nothing says what is old", job.ErrInvalid), "Say from which age on, or how many jobs or bytes are kept.")
	}
	a := Open(cfg)
	conn, err := a.connectAsOwner(ctx)
	if conn != nil {
		defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left to send
	}
	if err != nil {
		return r, err
	}
	if r, err = chosen(ctx, conn, policy); err != nil || dryRun || len(r.Jobs) == 0 {
		return r, a.explain(err)
	}
	ids := make([][16]byte, len(r.Jobs))
	for i, id := range r.Jobs {
		ids[i], _ = uuid(id)
	}
	_, err = conn.Exec(ctx, `SELECT vmo.retire($1::uuid[], $2)`, ids, text(policy.Why))
	return r, a.explain(err)
}

// chosen is what a policy removes now.
func chosen(ctx context.Context, conn *pgx.Conn, policy Policy) (r Retired, err error) {
	rows, err := conn.Query(ctx, `
		SELECT b.job_id, count(*), sum(coalesce(octet_length(b.data), 0)),
			EXISTS (SELECT FROM vmo.job_event e WHERE e.job_id = b.job_id AND e.kind = 'end'),
			coalesce((SELECT l.kind = 'pin' FROM vmo.ledger l WHERE l.job_id = b.job_id AND l.kind IN ('pin', 'unpin') ORDER BY l.received_at DESC, l.n DESC LIMIT 1), false)
		FROM vmo.block b GROUP BY b.job_id ORDER BY b.job_id`)
	if err != nil {
		return r, err
	}
	type stored struct {
		id            [16]byte
		blocks        int
		bytes         uint64
		ended, pinned bool
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s stored, err error) {
		return s, row.Scan(&s.id, &s.blocks, &s.bytes, &s.ended, &s.pinned)
	})
	if err != nil {
		return r, err
	}
	left, bytes := len(all), uint64(0)
	for _, s := range all {
		bytes += s.bytes
	}
	for _, s := range all {
		id := jobID(s.id)
		old := id.Time().Before(policy.Before) ||
			policy.MaxJobs > 0 && left > policy.MaxJobs || policy.MaxBytes > 0 && bytes > policy.MaxBytes
		switch {
		case !old || !s.ended:
			continue
		case s.pinned:
			r.Pinned++
			continue
		}
		left--
		bytes -= s.bytes
		r.Jobs, r.Blocks, r.Bytes = append(r.Jobs, id), r.Blocks+s.blocks, r.Bytes+s.bytes
	}
	r.Kept = left
	return r, nil
}

// Spill empties blocks of a job in the archive, such as those in which a secret
// was printed, and leaves a row that says who did it and why. Their digests stay,
// so the chain still verifies. Only a member of vmo_owner may.
func Spill(ctx context.Context, cfg Config, id job.ID, first, last uint32, why string) (emptied int, err error) {
	a := Open(cfg)
	conn, err := a.connectAsOwner(ctx)
	if conn != nil {
		defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left to send
	}
	u, ok := uuid(id)
	switch {
	case !ok:
		err = fmt.Errorf("%w: %q is not a job id", job.ErrInvalid, id)
	case err == nil:
		err = a.explain(conn.QueryRow(ctx, `SELECT vmo.spill($1::uuid, $2::bigint, $3::bigint, $4)`, u, int64(first), int64(last), text(why)).Scan(&emptied))
	}
	if err == nil && emptied == 0 {
		err = job.WithHint(errors.New("the archive has nothing in these blocks"), "Check the job and the numbers of its blocks.")
	}
	if err != nil {
		err = fmt.Errorf("empty blocks of job %s in the archive: %w", id, err)
	}
	return emptied, err
}
