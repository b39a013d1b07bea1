package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"vmorchestrator/internal/job"
)

// Retention says which records may go: those of jobs that any of the rules
// means. Jobs that have not ended and those that are pinned stay.
type Retention struct {
	Before time.Time // begun before then; zero: no rule
	Jobs   int       // all but so many of the newest; 0: no rule
	Bytes  uint64    // the oldest, until all together take no more on the disk; 0: no rule
	Why    string    // for those who look for them

	// Archived, if it is not nil, tells whether a record that the statement seals
	// is safe elsewhere. One that is not stays.
	Archived func(ctx context.Context, sealed job.Statement) (bool, error)
}

// Pruned is what Prune removed, or would.
type Pruned struct {
	Jobs       []job.ID  `json:"jobs"`
	Bytes      uint64    `json:"bytes"` // on the disk
	Oldest     time.Time `json:"oldest,omitzero"`
	Newest     time.Time `json:"newest,omitzero"`
	Kept       int       `json:"kept"` // jobs that stay, those that have not ended apart
	KeptBytes  uint64    `json:"kept_bytes"`
	Pinned     int       `json:"pinned"`     // of those kept: would go if they were not pinned
	Unarchived int       `json:"unarchived"` // would go if they were in the archive
	Unreadable int       `json:"unreadable"` // would go if it could be told that they are whole
}

// pruneBatch is how many records one entry into the ledger covers.
const pruneBatch = 128

// Plan tells what Prune would remove.
func (j *Journal) Plan(ctx context.Context, r Retention) (Pruned, error) {
	plan, _, err := j.plan(ctx, r)
	if err != nil {
		err = fmt.Errorf("look for records that may go: %w", err)
	}
	return plan, err
}

// Prune removes records for good, oldest first, and says so in the ledger before:
// who, and why. What it returns was removed, even if it fails.
func (j *Journal) Prune(ctx context.Context, r Retention, by string) (Pruned, error) {
	done, err := j.prune(ctx, r, by)
	if err != nil {
		err = fmt.Errorf("remove records: %w", err)
	}
	return done, err
}

// shelved is a record that has ended, as it lies on the disk.
type shelved struct {
	id    job.ID
	bytes uint64
}

// shelf lists the records that have ended, oldest first.
func (j *Journal) shelf() (list []shelved, total uint64, err error) {
	err = j.walkShelf(func(id job.ID, path string) error {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		list = append(list, shelved{id, uint64(info.Size())})
		total += uint64(info.Size())
		return nil
	})
	slices.SortFunc(list, func(a, b shelved) int { return strings.Compare(string(a.id), string(b.id)) })
	return list, total, err
}

// plan chooses records, and returns them with what the ledger will say.
func (j *Journal) plan(ctx context.Context, r Retention) (Pruned, []job.Statement, error) {
	var p Pruned
	if r.Before.IsZero() && r.Jobs <= 0 && r.Bytes == 0 {
		return p, nil, job.WithHint(fmt.Errorf("%w: there is no rule", job.ErrInvalid), "Say what may go: by age, number or size.")
	}
	list, total, err := j.shelf()
	if err != nil {
		return p, nil, err
	}
	pinned, err := j.Pinned()
	if err != nil {
		return p, nil, err
	}
	p.Jobs = []job.ID{}
	var gone []job.Statement
	for i, s := range list {
		if ctx.Err() != nil {
			return p, nil, context.Cause(ctx)
		}
		old := !r.Before.IsZero() && s.id.Time().Before(r.Before)
		many := r.Jobs > 0 && len(list)-i > r.Jobs
		large := r.Bytes > 0 && total-p.Bytes > r.Bytes
		if !old && !many && !large {
			p.keep(s)
			continue
		}
		sealed, err := j.mayGo(ctx, r, s.id, pinned, &p)
		if err != nil {
			return p, nil, err
		}
		if sealed == nil {
			p.keep(s)
			continue
		}
		gone = append(gone, *sealed)
		p.take(s)
	}
	return p, gone, nil
}

// mayGo returns what seals a record, or nil if it stays, and counts why.
func (j *Journal) mayGo(ctx context.Context, r Retention, id job.ID, pinned map[job.ID]bool, p *Pruned) (*job.Statement, error) {
	if pinned[id] {
		p.Pinned++
		return nil, nil
	}
	sealed, err := j.sealStatement(id)
	if err != nil { // what cannot be read may be all that is left of it
		p.Unreadable++
		return nil, nil //nolint:nilerr // counted
	}
	if r.Archived != nil {
		safe, err := r.Archived(ctx, sealed)
		if err != nil {
			return nil, err
		}
		if !safe {
			p.Unarchived++
			return nil, nil
		}
	}
	return &sealed, nil
}

func (p *Pruned) keep(s shelved) {
	p.Kept++
	p.KeptBytes += s.bytes
}

func (p *Pruned) take(s shelved) {
	if len(p.Jobs) == 0 {
		p.Oldest = s.id.Time()
	}
	p.Newest = s.id.Time()
	p.Jobs = append(p.Jobs, s.id)
	p.Bytes += s.bytes
}

func (j *Journal) prune(ctx context.Context, r Retention, by string) (Pruned, error) {
	if j.readOnly != nil {
		return Pruned{}, j.readOnly
	}
	release, err := j.Lock("prune")
	if err != nil {
		return Pruned{}, err
	}
	defer release() //nolint:errcheck // the system does when this process ends
	plan, gone, err := j.plan(ctx, r)
	if err != nil {
		return Pruned{}, err
	}
	done := plan
	done.Jobs, done.Bytes, done.Oldest, done.Newest = []job.ID{}, 0, time.Time{}, time.Time{}
	defer j.hint("")
	var now pins
	for batch := range slices.Chunk(gone, pruneBatch) {
		if ctx.Err() != nil {
			return done, context.Cause(ctx)
		}
		if err := now.read(j); err != nil { // somebody may have pinned one meanwhile
			return done, err
		}
		batch = slices.DeleteFunc(batch, func(s job.Statement) bool { return now.of[s.Job] })
		if err := j.removeAll(ctx, batch, r.Why, by, &done); err != nil {
			return done, err
		}
	}
	return done, j.cat.tidy(ctx)
}

// removeAll removes records: first the ledger says so, then they go, then the
// list forgets them. Where it stops, the next prune or reindex goes on.
func (j *Journal) removeAll(ctx context.Context, batch []job.Statement, why, by string, done *Pruned) error {
	if len(batch) == 0 {
		return nil
	}
	entries := slices.Clone(batch)
	listed := make([]job.ID, len(batch))
	for i := range batch {
		listed[i] = batch[i].Job
	}
	host, err := j.cat.hosts(ctx, listed) // afterwards nobody knows it any more
	if err != nil {
		return err
	}
	for i := range entries {
		entries[i].Kind, entries[i].By, entries[i].Why = job.EntryRemove, by, why
		entries[i].Host = host[entries[i].Job]
	}
	if err := j.ledger.add(entries...); err != nil {
		return err
	}
	var ids []job.ID
	var failed error
	for _, s := range batch {
		path := j.shelfPath(s.Job)
		info, err := os.Stat(path)
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		_ = os.Remove(j.originPath(s.Job)) // most have none
		failed = errors.Join(failed, j.dropReplica(s.Job))
		ids = append(ids, s.Job)
		done.take(shelved{s.Job, uint64(info.Size())})
	}
	return errors.Join(failed, j.cat.remove(context.WithoutCancel(ctx), ids...))
}

// SealedDigest is the head of the chain of a record of which part holds the last
// block, and how it began and ended; empty if it does not hold them.
func SealedDigest(part job.Part) string {
	if part.End == nil {
		return ""
	}
	chain := sha256.Sum256(part.Opening.Begin)
	if n := len(part.Blocks); n > 0 {
		if part.Blocks[n-1].Data == nil {
			return ""
		}
		chain = part.Blocks[n-1].Chain
	}
	return head(chain, part.End.Body)
}
