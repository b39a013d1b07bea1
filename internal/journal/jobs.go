package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"vmorchestrator/internal/job"
)

// Begin makes the record of a job. When it returns, the job is on the disk.
// It is refused when the journal is read-only or its disk nearly full.
func (j *Journal) Begin(what job.Job) (*Record, error) {
	r, err := j.begin(what)
	if err != nil {
		return nil, fmt.Errorf("begin the record of %s: %w", what.Title(), err)
	}
	return r, nil
}

func (j *Journal) begin(what job.Job) (*Record, error) {
	if j.readOnly != nil {
		return nil, j.readOnly
	}
	if err := j.checkSpace(); err != nil {
		return nil, err
	}
	// Not visible to a sweep before it is locked and begun: see sweep.
	path := j.openPath(what.ID)
	temp := strings.TrimSuffix(path, segmentSuffix) + ".begin"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	r, err := j.beginIn(f, what)
	if err == nil {
		if err = os.Rename(temp, path); err == nil {
			err = syncDir(filepath.Dir(path))
		}
	}
	if err != nil {
		if full(err) {
			err = job.WithHint(fmt.Errorf("%w: %w", job.ErrDiskFull, err), "Free some space on the disk of "+j.dir+".")
		}
		return nil, errors.Join(err, f.Close(), os.Remove(temp))
	}
	// What cannot be written now is written with the seal, or by a sweep.
	r.listed = j.ledger.add(r.opened()) == nil
	j.ledger.sign.prepare()
	j.mu.Lock()
	j.live[what.ID] = r
	j.mu.Unlock()
	r.catalogue()
	j.hint(what.ID)
	return r, nil
}

func (j *Journal) beginIn(f *os.File, what job.Job) (*Record, error) {
	if err := lockFile(f); err != nil {
		return nil, err
	}
	var through file = f
	if j.config.wrap != nil {
		through = j.config.wrap(f)
	}
	return newRecord(j, through, time.Now(), what)
}

// finish moves a sealed segment to where it stays.
func (j *Journal) finish(r *Record, ended job.Job) (job.Job, error) {
	err := r.file.Sync()
	if err != nil {
		ended.Detail = also(ended.Detail, fmt.Sprintf("the disk failed to keep its end: %v; after a power cut it may be missing", err))
	}
	entries := []job.Statement{r.statement()}
	if !r.listed {
		entries = append([]job.Statement{r.opened()}, entries...)
	}
	// The ledger before the shelf: a sweep looks only at what is not there yet.
	noted := j.ledger.add(entries...)
	if noted == nil {
		noted = j.shelve(r.id)
	}
	err = errors.Join(err, noted)
	// The catalogue before the lock: nobody may find the job without an owner
	// and unfinished.
	j.list(ended)
	return ended, errors.Join(err, j.disown(r))
}

// giveUp leaves a record that cannot be completed to the next sweep.
func (j *Journal) giveUp(r *Record) { _ = j.disown(r) }

// disown gives the lock of a job back.
func (j *Journal) disown(r *Record) error {
	j.mu.Lock()
	delete(j.live, r.id)
	j.mu.Unlock()
	return r.file.Close()
}

// shelve moves the segment of an ended job from open to its day.
func (j *Journal) shelve(id job.ID) error {
	to := j.shelfPath(id)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if err := os.Rename(j.openPath(id), to); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(to)), syncDir(filepath.Join(j.dir, "open")))
}

const segmentSuffix = ".seg"

func (j *Journal) openPath(id job.ID) string {
	return filepath.Join(j.dir, "open", string(id)+segmentSuffix)
}

func (j *Journal) shelfPath(id job.ID) string {
	return filepath.Join(j.dir, "jobs", id.Time().Format("2006/01/02"), string(id)+segmentSuffix)
}

// openSegment opens the segment of a job wherever it is at the moment.
func (j *Journal) openSegment(id job.ID) (*os.File, error) {
	f, err := j.openOwn(id)
	if errors.Is(err, job.ErrNotFound) {
		if replica, err := os.Open(j.replicaPath(id)); err == nil {
			return replica, nil
		}
	}
	return f, err
}

// openOwn opens the segment of a job of this installation.
func (j *Journal) openOwn(id job.ID) (*os.File, error) {
	if _, err := job.ParseID(string(id)); err != nil {
		return nil, err
	}
	// It may move from the first to the second between the looks, so look twice.
	for _, path := range []string{j.openPath(id), j.shelfPath(id), j.openPath(id), j.shelfPath(id)} {
		f, err := os.Open(path)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("open the record of job %s: %w", id, err)
		}
	}
	return nil, job.WithHint(fmt.Errorf("the record of job %s: %w in %s", id, job.ErrNotFound, j.dir),
		"List the jobs that are there with: vmo jobs")
}

// Jobs returns up to limit jobs that the filter means and that are older than
// before, newest first; without before, from the newest. A job whose state has
// just changed may still be listed under the one before.
func (j *Journal) Jobs(ctx context.Context, f job.Filter, before job.ID, limit int) ([]job.Job, error) {
	j.hear(ctx)
	jobs, err := j.cat.list(ctx, f, before, limit)
	for i := range jobs {
		j.overlay(&jobs[i])
	}
	return jobs, errors.Join(err, j.mark(ctx, jobs))
}

// Counts is how many jobs there are in each state; states that none is in are
// left out.
type Counts map[job.State]int

// All is how many jobs there are.
func (c Counts) All() (n int) {
	for _, k := range c {
		n += k
	}
	return n
}

// Count returns how many jobs the filter means.
func (j *Journal) Count(ctx context.Context, f job.Filter) (Counts, error) {
	j.hear(ctx)
	return j.cat.count(ctx, f)
}

// Alive returns the jobs of all processes that have not ended.
func (j *Journal) Alive(ctx context.Context) ([]job.Job, error) {
	j.hear(ctx)
	jobs, err := j.cat.alive(ctx)
	for i := range jobs {
		j.overlay(&jobs[i])
	}
	return jobs, errors.Join(err, j.mark(ctx, jobs))
}

// overlay takes what is known better than by the catalogue: from the record, if
// it is ours, and of others what can be seen without asking their owners.
func (j *Journal) overlay(what *job.Job) {
	if r := j.record(what.ID); r != nil {
		*what = r.Job()
		return
	}
	if what.State.Final() {
		return
	}
	what.Stalled = j.waitsFor(what.ID)
	if j.orphaned(what.ID) { // it has just ended, and the list does not say so yet
		if truth, err := j.reread(what.ID); err == nil {
			*what = truth
		}
		return
	}
	if j.readOnly != nil && j.ownerGone(what.ID) {
		what.End(job.Exit{State: job.Lost, Cause: job.CauseOwner, At: time.Now(), Detail: lostDetail})
	}
}

// Job returns one job, also one of another installation of which there is a
// replica here.
func (j *Journal) Job(ctx context.Context, id job.ID) (job.Job, error) {
	if r := j.record(id); r != nil {
		return j.marked(ctx, r.Job())
	}
	what, err := j.Find(ctx, string(id))
	if errors.Is(err, job.ErrNotFound) {
		if r, failed := j.ReplicaReader(id); failed == nil {
			defer r.Close()
			if what, err = r.Job(); err == nil {
				return j.marked(ctx, what)
			}
		}
	}
	return what, err
}

// Find returns the job that a name means: its id, a unique prefix of it, or @n
// for the n-th newest.
func (j *Journal) Find(ctx context.Context, name string) (job.Job, error) {
	var jobs []job.Job
	var err error
	if n, ok := strings.CutPrefix(name, "@"); ok {
		i, atoi := strconv.Atoi(n)
		if atoi != nil || i < 1 {
			return job.Job{}, job.WithHint(fmt.Errorf("%w: %q is not a job", job.ErrInvalid, name), "@1 is the newest job, @2 the one before.")
		}
		jobs, err = j.cat.nth(ctx, i)
	} else if name == "" || strings.Trim(name, "0123456789abcdef-") != "" {
		return job.Job{}, job.WithHint(fmt.Errorf("%w: %q is not a job id", job.ErrInvalid, name),
			"Use an id from vmo jobs, the beginning of one, or @1 for the newest.")
	} else {
		jobs, err = j.cat.prefix(ctx, name)
	}
	switch {
	case err != nil:
		return job.Job{}, err
	case len(jobs) == 0:
		return job.Job{}, job.WithHint(fmt.Errorf("job %s: %w", name, job.ErrNotFound), "List the jobs that are there with: vmo jobs")
	case len(jobs) > 1:
		return job.Job{}, job.WithHint(fmt.Errorf("job %s: %w: several ids begin so", name, job.ErrAmbiguous), "Give more of the id.")
	}
	j.overlay(&jobs[0])
	return j.marked(ctx, jobs[0])
}

// Short returns a beginning of the id that means no other job now.
func (j *Journal) Short(ctx context.Context, id job.ID) (string, error) {
	before, behind, err := j.cat.neighbours(ctx, id)
	if err != nil {
		return "", err
	}
	n := min(8, len(id))
	for n < len(id) && (strings.HasPrefix(before, string(id[:n])) || strings.HasPrefix(behind, string(id[:n])) || id[n-1] == '-') {
		n++
	}
	return string(id[:n]), nil
}
