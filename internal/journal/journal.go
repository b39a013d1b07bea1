// Package journal writes everything down first: what was asked, every byte of
// output, how it ended. The window, replay, search and the archive are readers
// of it, so they cannot disagree.
//
// A journal is a folder:
//
//	journal.json      its identity and format
//	open/ID.seg       one append-only segment for each job that has not ended
//	jobs/Y/M/D/ID.seg the sealed segments of those that have; beside an imported
//	                  one ID.origin, see bundle.go
//	catalogue-2.db    a list of jobs in SQLite, a cache made from the segments
//	ledger            what was begun, sealed and removed: a signed chain, see ledger.go
//	replicas/ID.seg   copies of records of other installations, a cache
//	requests/         what other processes ask of the owner of a job
//	ballast           space given up when the disk is full, see stall.go
//
// Promises. A job is on the disk before [Journal.Begin] returns, so before its
// process exists. A chunk is in its segment, in order, numbered without gaps,
// with stream and time, before any reader can see it and before the write of it
// returns: the death of this process loses nothing, a power cut at most the
// last second of output ([Config.Sync]). The end of a job is on the disk before
// [Record.Finish] returns. Every frame has a checksum; damage costs at most its
// block, is shown in its place, and never touches another job.
//
// Several processes share a journal. Each owns the jobs it began by a lock on
// their segments, which the system releases when it dies; the next sweep of any
// other process, at most [sweepEvery] later, ends such jobs as lost.
//
// Goroutines: [Open] starts one keeper (fsync, sweep, catalogue); [Journal.Close]
// waits for it.
package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"vmorchestrator/internal/job"
)

// FormatVersion is that of the folder. A journal with a higher one is refused.
const FormatVersion = 1

// Config says where the journal is. Only Dir is required.
type Config struct {
	Dir string

	// Sync is how often output is forced to the disk; zero means 1 s.
	Sync time.Duration

	// Changed is told that something about a job is new: output, state. The id is
	// empty when it is not known which job. It must return at once and may be
	// called from any goroutine, very often.
	Changed func(id job.ID)

	// Descendants finds what is left of a job whose owner died, to name it in its
	// record. The pid is that of its process, 0 if it had none. Nil finds none.
	Descendants func(j job.Job, pid int) []job.Survivor

	// Key fetches the key that signs the ledger of an installation; it must end
	// with its context. Nil: nothing is signed.
	Key func(ctx context.Context, installation string) (Key, error)

	wrap func(file) file // tests put a failing disk between
}

// Journal is an open journal.
type Journal struct {
	dir      string
	id       string
	config   Config
	cat      *catalogue
	ledger   *ledger // nil if the journal cannot be written
	readOnly error   // why nothing can be written; nil usually
	scratch  string

	mu      sync.Mutex
	live    map[job.ID]*Record
	trouble error // of the last sweep

	ballastGone atomic.Bool // it was given up, and is to be laid anew
	shipped     atomic.Bool // see Shipped
	entries     entriesAt
	heard       atomic.Int64 // so much of the ledger is in the catalogue, as far as it is of interest there

	closing chan struct{}
	keeper  sync.WaitGroup
	shut    sync.Once
}

type identity struct {
	Format int    `json:"format"`
	ID     string `json:"id"` // of this installation
}

// Open opens the journal in config.Dir and makes it if there is none. Jobs whose
// owner has died are lost from then on. A folder that cannot be written is
// opened for reading; [Journal.ReadOnly] says so. A journal of a newer version
// is left untouched and fails with job.ErrNewer.
func Open(ctx context.Context, config Config) (*Journal, error) {
	if config.Sync == 0 {
		config.Sync = time.Second
	}
	if config.Changed == nil {
		config.Changed = func(job.ID) {}
	}
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	j := &Journal{dir: dir, config: config, live: map[job.ID]*Record{}, closing: make(chan struct{})}
	if err := j.open(ctx); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

func (j *Journal) open(ctx context.Context) error {
	if err := j.identify(); err != nil {
		return err
	}
	if j.readOnly == nil {
		if err := j.folders(); err != nil {
			j.readOnly = job.WithHint(fmt.Errorf("%w: %w", job.ErrReadOnly, err),
				"Make "+j.dir+" writable, or choose another folder with --data-dir.")
		}
	}
	if err := j.openCatalogue(ctx); err != nil {
		return err
	}
	if j.readOnly == nil {
		var err error
		if j.ledger, err = openLedger(j.dir, j.id, j.config.Key); err != nil {
			return err
		}
		if err := j.adopt(); err != nil {
			return err
		}
		j.layBallast()
		// One record that cannot be ended, on a full disk or because it is
		// damaged, must not keep anybody from all others; Health tells of it.
		j.sweep(ctx)
	}
	j.keeper.Add(1)
	go j.keep()
	return nil
}

// identify reads or makes journal.json.
func (j *Journal) identify() error {
	path := filepath.Join(j.dir, "journal.json")
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return j.found(path)
	case err != nil:
		return job.WithHint(fmt.Errorf("open the journal in %s: %w", j.dir, err),
			"Check who owns that folder, or choose another with --data-dir.")
	}
	var who identity
	if err := json.Unmarshal(data, &who); err != nil || who.ID == "" {
		return job.WithHint(fmt.Errorf("open the journal: %s is damaged: %q", path, cut(data)),
			"Delete that file if the folder is the journal's: it is made anew and every job stays.")
	}
	if who.Format > FormatVersion {
		return job.WithHint(fmt.Errorf("open the journal in %s: its format is %d, this program knows up to %d: %w; nothing was changed",
			j.dir, who.Format, FormatVersion, job.ErrNewer), "Update this program, or choose another folder with --data-dir.")
	}
	j.id = who.ID
	return nil
}

func cut(data []byte) []byte { return data[:min(len(data), 60)] }

// found makes a new journal.
func (j *Journal) found(path string) error {
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return job.WithHint(fmt.Errorf("make the journal in %s: %w", j.dir, err),
			"Check who owns that folder, or choose another with --data-dir.")
	}
	j.id = uuid.NewString()
	data, err := json.Marshal(identity{Format: FormatVersion, ID: j.id})
	if err != nil {
		return fmt.Errorf("make the journal: %w", err)
	}
	// Linked into place whole: two processes that start at once agree on one.
	temp := path + "." + uuid.NewString()
	if err := writeSynced(temp, append(data, '\n')); err != nil {
		return job.WithHint(fmt.Errorf("make the journal in %s: %w", j.dir, err),
			"Check who owns that folder and whether its disk is full, or choose another with --data-dir.")
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); errors.Is(err, fs.ErrExist) {
		return j.identify()
	} else if err != nil {
		if err := os.Rename(temp, path); err != nil { // a file system without links
			return fmt.Errorf("make the journal in %s: %w", j.dir, err)
		}
	}
	return syncDir(j.dir)
}

// folders makes what is missing. It fails when the folder cannot be written.
func (j *Journal) folders() error {
	for _, name := range []string{"open", "jobs", "requests"} {
		if err := os.MkdirAll(filepath.Join(j.dir, name), 0o700); err != nil {
			return err
		}
	}
	if err := os.Chmod(j.dir, 0o700); err != nil {
		return err
	}
	return writable(j.dir)
}

// writable tells a read-only file system and a folder without permission apart
// from a full disk, which is no reason not to open.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		if full(err) {
			return nil
		}
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// openCatalogue opens the cache, and makes it anew if it is missing or broken.
func (j *Journal) openCatalogue(ctx context.Context) error {
	path := filepath.Join(j.dir, catalogueName)
	_, statErr := os.Stat(path)
	missing := errors.Is(statErr, fs.ErrNotExist)
	if j.readOnly != nil {
		return j.scratchCatalogue(ctx, path, missing)
	}
	cat, err := openCatalogue(path)
	if err == nil {
		if _, err = cat.list(ctx, job.Filter{}, "", 1); err != nil {
			err = errors.Join(err, cat.close())
		}
	}
	if err != nil {
		switch {
		case busy(err):
			return job.WithHint(fmt.Errorf("open the journal in %s: %w", j.dir, err), "Try again: another process writes its list of jobs.")
		case !j.roomFor(0): // not broken: SQLite needs some space even to read
			return j.scratchCatalogue(ctx, path, missing)
		}
		if err := setAside(path); err != nil {
			return err
		}
		if cat, err = openCatalogue(path); err != nil {
			return err
		}
		missing = true
	}
	j.cat = cat
	if missing || !cat.complete(ctx) || j.stale() {
		_, err := j.Reindex(ctx)
		if err != nil && !j.roomFor(0) {
			return errors.Join(cat.close(), j.scratchCatalogue(ctx, path, true))
		}
		return err
	}
	return nil
}

// scratchCatalogue works on a copy of the catalogue elsewhere, for a journal that
// cannot be written.
func (j *Journal) scratchCatalogue(ctx context.Context, path string, missing bool) error {
	scratch, err := os.MkdirTemp("", "vmo-catalogue-")
	if err != nil {
		return fmt.Errorf("copy the catalogue of a journal that cannot be written: %w", err)
	}
	j.scratch = scratch
	if !missing && !j.stale() {
		if j.cat, err = openCatalogueCopy(path, scratch); err == nil {
			if _, err = j.cat.list(ctx, job.Filter{}, "", 1); err == nil && j.cat.complete(ctx) {
				return nil
			}
			if err := j.cat.close(); err != nil {
				return err
			}
			j.cat = nil
		}
	}
	if j.cat, err = openCatalogue(filepath.Join(scratch, "rebuilt.db")); err != nil {
		return err
	}
	_, err = j.Reindex(ctx)
	return err
}

// staleName is a file that is there when the catalogue may lack a job that is in
// the journal.
const staleName = "catalogue-stale"

func (j *Journal) stale() bool {
	_, err := os.Stat(filepath.Join(j.dir, staleName))
	return err == nil
}

// list writes an ended job into the catalogue, or sees to it that the next one
// who opens the journal does.
func (j *Journal) list(ended job.Job) {
	if err := j.cat.put(ended); err == nil && (j.scratch == "" || j.readOnly != nil) {
		return
	}
	_ = os.WriteFile(filepath.Join(j.dir, staleName), nil, 0o600) // else vmo reindex finds it
}

// ReadOnly tells why nothing can be recorded, or nil if it can.
func (j *Journal) ReadOnly() error { return j.readOnly }

// Dir is the folder of the journal.
func (j *Journal) Dir() string { return j.dir }

// ID names this installation.
func (j *Journal) ID() string { return j.id }

// Close waits for the keeper and gives everything back. Records that have not
// been finished are lost; whoever owns them finishes them first.
func (j *Journal) Close() error {
	var err error
	j.shut.Do(func() {
		close(j.closing)
		j.keeper.Wait()
		if j.cat != nil {
			err = j.cat.close()
		}
		if j.ledger != nil {
			err = errors.Join(err, j.ledger.close())
		}
		if j.scratch != "" {
			err = errors.Join(err, os.RemoveAll(j.scratch))
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, r := range j.live {
			err = errors.Join(err, r.file.Close())
		}
	})
	return err
}

func (j *Journal) hint(id job.ID) { j.config.Changed(id) }

// record returns the record of a job that this process owns.
func (j *Journal) record(id job.ID) *Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.live[id]
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
