package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"vmorchestrator/internal/job"
)

// Result is what a verification comes to.
type Result string

// The results, from best to worst.
const (
	Intact   Result = "intact"   // everything is what it was when it was recorded
	Unknown  Result = "unknown"  // it cannot be told, such as when nothing was signed
	Tampered Result = "tampered" // something was changed, removed, moved or cut off
)

func (r Result) worse(than Result) bool {
	order := []Result{Intact, Unknown, Tampered}
	return slices.Index(order, r) > slices.Index(order, than)
}

// Verdict is the result for one record, or for the ledger if Job is empty.
type Verdict struct {
	Job      job.ID   `json:"job,omitempty"`
	Result   Result   `json:"result"`
	Findings []string `json:"findings,omitempty"` // what is wrong, in words
	State    string   `json:"state"`              // sealed, running, removed, imported, adopted or emptied in part
	Blocks   uint32   `json:"blocks"`
	Bytes    uint64   `json:"bytes"` // of output that was hashed
}

func (v *Verdict) find(r Result, format string, args ...any) {
	if r.worse(v.Result) {
		v.Result = r
	}
	v.Findings = append(v.Findings, fmt.Sprintf(format, args...))
}

// Evidence is what a verification looks at: a journal, or the archive.
type Evidence struct {
	Installation string
	Entries      func(after uint64, limit int) ([]job.Entry, error) // the ledger
	Parts        func(id job.ID) (PartReader, error)                // a record; job.ErrNotFound if it is gone
	Records      func(do func(id job.ID) error) error               // what is there, whatever the ledger says; may be nil
	Alive        func(id job.ID) bool                               // whether somebody still writes it

	// Lags says that records come here later than their ledger, as into the
	// archive: one that is not there, or has no end, may still come.
	Lags bool
	// Gone tells what was removed here by others than the installation; may be nil.
	Gone func(id job.ID) ([]Gone, error)

	// What others remember of the ledger: it must still hold these entries.
	Witnesses []Witness
	// Key is the public key that is trusted, as in a job.EntryKey; empty: those that
	// the ledger introduces.
	Key string
}

// Gone is output that was removed: blocks First to Last, or Whole.
type Gone struct {
	First, Last uint32
	Whole       bool
	Words       string // by whom, when and why
}

// Witness is an entry of a ledger that somebody else remembers.
type Witness struct {
	Who  string // such as "the archive"
	N    uint64
	Hash [32]byte
}

// PartReader reads the parts of a record. Blocks may be compressed or not.
type PartReader interface {
	Part(from uint32, limit int) (job.Part, error)
	Close() error
}

// Verify checks the ledger, and every record that pick chooses against it, byte
// for byte, and reports a verdict on each. It fails only when it cannot read at
// all; what it finds is in the verdicts.
func Verify(ctx context.Context, e Evidence, pick func(job.ID) bool, report func(Verdict) error) error {
	l, err := readLedger(ctx, e)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := report(l.verdict); err != nil {
		return err
	}
	for _, id := range l.order {
		if !pick(id) {
			continue
		}
		l.jobs[id].kept = e.Lags && id.Time().Before(l.shared)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := report(verifyRecord(e, id, l.jobs[id])); err != nil {
			return err
		}
	}
	if e.Records == nil {
		return nil
	}
	return e.Records(func(id job.ID) error {
		if _, known := l.jobs[id]; known || !pick(id) {
			return ctx.Err()
		}
		v := Verdict{Job: id, Result: Intact, State: "unlisted"}
		v.find(Tampered, "the ledger does not know this record: it was put here, or the ledger was cut")
		return report(v)
	})
}

// Evidence is what a verification of this journal looks at.
func (j *Journal) Evidence() Evidence {
	return Evidence{
		Installation: j.id,
		Entries:      j.Entries,
		Parts: func(id job.ID) (PartReader, error) {
			p, err := j.Parts(id)
			if err != nil {
				return nil, err
			}
			p.raw = true // compressing it only to hash it would be a waste
			return p, nil
		},
		Records: func(do func(job.ID) error) error {
			return j.walkShelf(func(id job.ID, _ string) error { return do(id) })
		},
		Alive: func(id job.ID) bool { return j.record(id) != nil || !j.ownerGone(id) && j.isOpen(id) },
	}
}

func (j *Journal) isOpen(id job.ID) bool {
	_, err := os.Stat(j.openPath(id))
	return err == nil
}

// expected is what the ledger says about one record.
type expected struct {
	begin   string // digest of how it begins; empty if the ledger is younger
	seal    *job.Statement
	removed *job.Statement
	spilled []job.Statement
	gone    []Gone
	kept    bool // it was never to be shipped
	double  bool // sealed twice, differently
}

// account is a ledger that was read.
type account struct {
	verdict Verdict
	shared  time.Time // records begun before are not shipped
	jobs    map[job.ID]*expected
	order   []job.ID
}

func readLedger(ctx context.Context, e Evidence) (*account, error) {
	a := &account{verdict: Verdict{Result: Intact, State: "ledger"}, jobs: map[job.ID]*expected{}}
	c := checker{e: e, v: &a.verdict, keys: map[string][]byte{}}
	for after := uint64(0); ; {
		entries, err := e.Entries(after, 1000)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if s, ok := c.check(entry); ok {
				a.take(s)
			}
		}
		after += uint64(len(entries))
		if len(entries) == 0 {
			break
		}
	}
	c.finish()
	return a, nil
}

func (a *account) take(s job.Statement) {
	if s.Kind == job.EntryShare {
		a.shared = s.From
	}
	if s.Job == "" {
		return
	}
	x := a.jobs[s.Job]
	if x == nil {
		x = &expected{}
		a.jobs[s.Job] = x
		a.order = append(a.order, s.Job)
	}
	switch {
	case s.Kind == job.EntryBegin:
		x.begin = s.Digest
	case sealing(s.Kind):
		x.double = x.double || x.seal != nil && x.seal.Digest != s.Digest
		x.seal, x.removed = &s, nil
	case s.Kind == job.EntryRemove:
		x.removed = &s
	case s.Kind == job.EntrySpill:
		x.spilled = append(x.spilled, s)
	}
}
