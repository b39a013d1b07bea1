package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vmorchestrator/internal/job"
)

// sweepEvery is how long a job can stay "running" after its owner has died.
const sweepEvery = 500 * time.Millisecond

// keep is the journal's goroutine. It forces output to the disk, ends the jobs
// of dead processes and notices what other processes do.
func (j *Journal) keep() {
	defer j.keeper.Done()
	sync := time.NewTicker(j.config.Sync)
	defer sync.Stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	others := j.watchOthers()
	defer others.close()
	for {
		select {
		case <-j.closing:
			j.flush()
			return
		case <-sync.C:
			j.flush()
			if j.ballastGone.Load() {
				j.layBallast()
			}
		case <-sweep.C:
			if j.readOnly == nil {
				// What fails now fails again in half a second; until then the jobs
				// it is about stay as they are.
				j.sweep(context.Background())
			}
			others.look()
		}
	}
}

// flush forces new output to the disk and brings the catalogue up to date.
func (j *Journal) flush() {
	j.mu.Lock()
	var dirty []*Record
	for _, r := range j.live {
		dirty = append(dirty, r)
	}
	j.mu.Unlock()
	var stale []job.Job
	for _, r := range dirty {
		if j.shipped.Load() {
			r.closeOpen()
		}
		r.sync()
		r.mu.Lock()
		if r.touched {
			r.touched = false
			stale = append(stale, r.job)
		}
		r.mu.Unlock()
	}
	if len(stale) > 0 {
		_ = j.cat.put(stale...) // a cache: the end of each job is written again
	}
}

// sync forces one segment to the disk. A failed fsync says that pages were
// dropped, and trying again would only hide it (https://wiki.postgresql.org/wiki/Fsync_Errors):
// it is said in the job, and stays there when it has ended.
func (r *Record) sync() {
	r.mu.Lock()
	dirty := r.dirty
	r.dirty = false
	r.mu.Unlock()
	if !dirty {
		return
	}
	if err := r.file.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		r.mu.Lock()
		r.doubt = fmt.Sprintf("the disk failed to keep its output: %v; after a power cut some of it may be missing", err)
		r.job.Detail = r.doubt
		r.mu.Unlock()
	}
}

// Shipped makes blocks of living jobs close at least every [Config.Sync], so that
// they can be shipped while their jobs run. It costs a mark for each.
func (j *Journal) Shipped(on bool) { j.shipped.Store(on) }

// closeOpen closes the open block, unless somebody is writing at the moment.
func (r *Record) closeOpen() {
	if !r.writing.TryLock() {
		return
	}
	defer r.writing.Unlock()
	if r.sealed || r.dropping || r.block.rawLen == 0 {
		return
	}
	r.closeBlock()
	_ = r.flush() // the mark waits in the buffer, and the next write tells
}

// sweep ends the jobs whose owner is gone, and remembers what went wrong.
func (j *Journal) sweep(ctx context.Context) {
	err := j.endLost(ctx)
	j.mu.Lock()
	j.trouble = err
	j.mu.Unlock()
}

func (j *Journal) endLost(ctx context.Context) error {
	entries, err := os.ReadDir(filepath.Join(j.dir, "open"))
	if err != nil {
		return fmt.Errorf("look for lost jobs: %w", err)
	}
	open := map[job.ID]bool{}
	var failed []error
	for _, e := range entries {
		name, isSegment := strings.CutSuffix(e.Name(), segmentSuffix)
		id, err := job.ParseID(name)
		if !isSegment || err != nil {
			j.tidy(e)
			continue
		}
		open[id] = true
		if j.record(id) != nil {
			continue
		}
		if err := j.recover(id); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(append(failed, j.reconcile(ctx, open))...)
}

// tidy removes the beginning of a record that never became one: its process
// died before the job was begun, and no command was started for it. And it
// removes the mark of a wait whose job has ended.
func (j *Journal) tidy(e fs.DirEntry) {
	if id, ok := strings.CutSuffix(e.Name(), stalledSuffix); ok && j.orphaned(job.ID(id)) {
		j.markStalled(job.ID(id), "")
		return
	}
	if !strings.HasSuffix(e.Name(), ".begin") {
		return
	}
	path := filepath.Join(j.dir, "open", e.Name())
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && time.Since(info.ModTime()) > time.Minute && lockFile(f) == nil {
		_ = os.Remove(path)
	}
}

// recover ends a job if nobody owns it any more.
func (j *Journal) recover(id job.ID) error {
	f, err := os.OpenFile(j.openPath(id), os.O_RDWR|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its owner has just ended it
	}
	if err != nil {
		return fmt.Errorf("look for the owner of job %s: %w", id, err)
	}
	defer f.Close()
	if err := lockFile(f); err != nil {
		if errors.Is(err, errLocked) {
			return nil // alive
		}
		return fmt.Errorf("look for the owner of job %s: %w", id, err)
	}
	if !sameFile(f, j.openPath(id)) {
		return nil // ended between the open and the lock
	}
	ended, err := j.seal(id, f)
	if err != nil {
		return fmt.Errorf("end the lost job %s: %w", id, err)
	}
	if err = j.note(id); err == nil {
		err = j.shelve(id)
	}
	if err != nil {
		return fmt.Errorf("end the lost job %s: %w", id, err)
	}
	j.list(ended)
	j.hint(id)
	return nil
}

func sameFile(f *os.File, path string) bool {
	here, err1 := f.Stat()
	there, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(here, there)
}

// reconcile repairs catalogue rows that say a job is alive when it is not: its
// owner died between the end of the record and the catalogue.
func (j *Journal) reconcile(ctx context.Context, open map[job.ID]bool) error {
	alive, err := j.cat.alive(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, what := range alive {
		if open[what.ID] || j.record(what.ID) != nil {
			continue
		}
		truth, err := j.reread(what.ID)
		if errors.Is(err, job.ErrNotFound) {
			what.End(job.Exit{State: job.Lost, Cause: job.CauseJournal, At: time.Now(), Detail: "its record is not in the journal any more"})
			truth, err = what, nil
		}
		if err == nil && truth.State.Final() { // else it was begun between the two looks
			err = j.cat.put(truth)
			j.hint(what.ID)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// reread returns a job as its segment tells it.
func (j *Journal) reread(id job.ID) (job.Job, error) {
	r, err := j.Reader(id)
	if err != nil {
		return job.Job{}, err
	}
	defer r.Close()
	what, err := r.Job()
	if err == nil && what.State.Final() {
		what.Origin = j.origin(id).Installation
	}
	return what, err
}

// others notices what other processes do to the journal.
type others struct {
	j     *Journal
	conn  *sql.Conn
	last  int64
	sizes map[string]int64
}

func (j *Journal) watchOthers() *others {
	o := &others{j: j, sizes: map[string]int64{}}
	o.conn, _ = j.cat.db.Conn(context.Background()) // without it a poll of the list still shows everything
	return o
}

// look hints at jobs of other processes that have new output, and at changes of
// the list.
func (o *others) look() {
	if o.conn != nil {
		if v, err := o.j.cat.version(context.Background(), o.conn); err == nil && v != o.last {
			o.last = v
			o.j.hint("")
		}
	}
	entries, err := os.ReadDir(filepath.Join(o.j.dir, "open"))
	if err != nil {
		return
	}
	seen := make(map[string]int64, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		seen[e.Name()] = info.Size()
		name, _, _ := strings.Cut(e.Name(), ".")
		id := job.ID(name)
		if last, ok := o.sizes[e.Name()]; (!ok || last != info.Size()) && o.j.record(id) == nil {
			o.j.hint(id)
		}
	}
	o.sizes = seen
}

func (o *others) close() {
	if o.conn != nil {
		o.conn.Close()
	}
}

// pollEvery is how often a reader looks at the job of another process.
const pollEvery = 15 * time.Millisecond

// changed returns a function that waits until the record of a job may have
// changed since this call.
func (j *Journal) changed(id job.ID) func(context.Context) error {
	if r := j.record(id); r != nil {
		ch := r.wait()
		return func(ctx context.Context) error {
			select {
			case <-ch:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return func(ctx context.Context) error { return pause(ctx, pollEvery) }
}
