package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"vmorchestrator/internal/job"
)

// What happens when a segment cannot be written is decided here and nowhere
// else. New jobs are refused ([Journal.Begin]). A running job is never killed
// for it: its writes wait, so its pipe fills and its process waits too. The
// operator may free space, and the job goes on by itself; or go on unrecorded,
// which becomes a marked gap in the record; or stop the job, whose last output
// then becomes such a gap.
//
// The ballast is a file that is given up at that moment, so that the frames
// that close a record still fit on a full disk.
const (
	ballastSize = 4 << 20
	stallCheck  = 200 * time.Millisecond

	// reserveForGap keeps a job that goes on unrecorded from hopping in and out
	// of its gap on the last free kilobytes.
	reserveForGap = 1 << 20
)

// errClosing ends a wait that nobody will end any more.
var errClosing = errors.New("the journal was closed while the output waited to be recorded")

// stall waits until it makes sense to try again.
func (r *Record) stall(cause error) error {
	goOn := r.stalled(describe(cause))
	defer r.stalled("")
	tick := time.NewTicker(stallCheck)
	defer tick.Stop()
	for {
		select {
		case <-goOn:
			if r.ending {
				return cause
			}
			r.dropping, r.retried = true, time.Now()
			r.j.releaseBallast()
			_ = r.flush() // if it still fails the frames wait in memory, for resume or Finish
			return nil
		case <-tick.C:
			if !full(cause) || r.ending || r.j.roomFor(int64(len(r.buf))) {
				return nil
			}
		case <-r.j.closing:
			return errClosing
		}
	}
}

// stalled says in the job why its output waits, or with "" that it does no more.
// What it returns is closed when the output shall not wait.
func (r *Record) stalled(why string) <-chan struct{} {
	r.mu.Lock()
	goOn := make(chan struct{})
	r.job.Stalled, r.goOn = why, goOn
	switch {
	case why == "":
		r.goOn = nil
	case r.hurried:
		close(goOn)
		r.goOn = nil
	}
	r.mu.Unlock()
	r.j.markStalled(r.id, why)
	r.publish()
	r.catalogue()
	return goOn
}

// Unrecorded lets a job whose output waits for the journal go on without being
// recorded, until there is space again. How much is missing, and where, is in
// the record. It does nothing to any other job.
func (r *Record) Unrecorded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.goOn != nil {
		close(r.goOn)
		r.goOn = nil
	}
}

// DoNotWait is Unrecorded now and whenever the journal cannot be written from
// now on: for a job that is being stopped, which must not wait for anything.
func (r *Record) DoNotWait() {
	r.mu.Lock()
	r.hurried = true
	r.mu.Unlock()
	r.Unrecorded()
}

// markStalled tells other processes that the output of a job waits. The
// catalogue is on the disk that is full; the name of an empty file mostly fits.
func (j *Journal) markStalled(id job.ID, why string) {
	path := j.stalledPath(id)
	if why == "" {
		_ = os.Remove(path)
		return
	}
	_ = os.WriteFile(path, []byte(why), 0o600) // best effort: the job waits all the same
}

// waitsFor reads what markStalled wrote.
func (j *Journal) waitsFor(id job.ID) string {
	why, err := os.ReadFile(j.stalledPath(id))
	if err == nil && len(why) == 0 {
		return noSpace
	}
	return string(why)
}

const stalledSuffix = ".stalled"

func (j *Journal) stalledPath(id job.ID) string {
	return filepath.Join(j.dir, "open", string(id)+stalledSuffix)
}

func (r *Record) drop(p []byte) {
	r.gap += uint64(len(p))
	r.dropped += uint64(len(p))
	r.publish()
}

// resume ends a gap if there is space again.
func (r *Record) resume() bool {
	if time.Since(r.retried) < stallCheck {
		return false
	}
	r.retried = time.Now()
	if !r.j.roomFor(int64(len(r.buf))+reserveForGap) || r.flush() != nil {
		return false
	}
	r.closeGap()
	return true
}

// closeGap marks where output is missing, and how much.
func (r *Record) closeGap() {
	r.dropping = false
	if r.gap == 0 {
		return
	}
	note, err := json.Marshal(job.Note{
		Kind: job.NoteGap, Bytes: r.gap,
		Text: fmt.Sprintf("%d bytes of output were not recorded: the operator went on without space for the journal", r.gap),
	})
	if err != nil {
		panic("journal: a note cannot be written as JSON: " + err.Error())
	}
	r.gap = 0
	r.chunk(kindEvent, r.now(), note)
}

const noSpace = "no space left on the disk of the journal"

func describe(err error) string {
	if full(err) {
		return noSpace
	}
	return "the journal cannot be written: " + err.Error()
}

func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, errQuota)
}

// reserve is the free space below which no new job is begun: 2 % of the file
// system, at most 256 MiB.
func reserve(total int64) int64 { return min(total/50, 256<<20) }

// checkSpace refuses new jobs on a disk that is about to be full.
func (j *Journal) checkSpace() error {
	free, total, err := diskSpace(j.dir)
	if err != nil {
		return nil //nolint:nilerr // a file system that does not tell is not full
	}
	if need := reserve(total); free < need {
		return job.WithHint(fmt.Errorf("%w: %s has %d MiB free, a new job needs %d MiB",
			job.ErrDiskFull, j.dir, free>>20, max(1, need>>20)),
			"Free some space on that disk, or choose another folder with --data-dir.")
	}
	return nil
}

// roomFor reports whether n more bytes fit without touching what the ballast
// was given up for.
func (j *Journal) roomFor(n int64) bool {
	free, _, err := diskSpace(j.dir)
	if err != nil {
		return true
	}
	if _, err := os.Stat(j.ballastPath()); errors.Is(err, fs.ErrNotExist) {
		n += ballastSize
	}
	return free >= n+(64<<10)
}

func (j *Journal) ballastPath() string { return filepath.Join(j.dir, "ballast") }

// releaseBallast reports whether it gave space back.
func (j *Journal) releaseBallast() bool {
	j.ballastGone.Store(true)
	return os.Remove(j.ballastPath()) == nil
}

// layBallast sets the ballast aside while there is plenty of space. It is best
// effort: a journal without one works, but may end a record as lost.
func (j *Journal) layBallast() {
	free, total, err := diskSpace(j.dir)
	if err != nil || free < reserve(total)+2*ballastSize {
		return
	}
	f, err := os.OpenFile(j.ballastPath(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return // there already
	}
	// Zeros, written for real: a hole would give nothing back when released.
	_, err = f.Write(make([]byte, ballastSize))
	if errors.Join(err, f.Close()) != nil {
		j.releaseBallast()
		return
	}
	j.ballastGone.Store(false)
}
