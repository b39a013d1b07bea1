package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
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

func verifyRecord(e Evidence, id job.ID, x *expected) Verdict {
	v := Verdict{Job: id, Result: Intact, State: "sealed"}
	if x.double {
		v.find(Tampered, "the ledger seals this record twice, with different contents")
	}
	if x.removed != nil {
		v.State = "removed"
		v.Findings = append(v.Findings, strings.TrimSuffix(fmt.Sprintf("removed by %s on %s: %s", x.removed.By, x.removed.At.Local().Format("2006-01-02 15:04"), x.removed.Why), ": "))
		return v
	}
	if e.Gone != nil {
		var err error
		if x.gone, err = e.Gone(id); err != nil {
			v.find(Unknown, "%v", err)
			return v
		}
		for _, g := range x.gone {
			v.Findings = append(v.Findings, g.Words)
			if g.Whole {
				v.State = "removed"
				return v
			}
		}
	}
	r, err := e.Parts(id)
	if err == nil {
		defer r.Close()
		w := recordCheck{v: &v, x: x, lags: e.Lags}
		if err = w.read(r); err == nil {
			w.close(e.Alive != nil && e.Alive(id))
			return v
		}
	}
	switch {
	case !errors.Is(err, job.ErrNotFound):
		v.find(Unknown, "%v", err)
	case x.kept:
		v.State = "not shared"
	case e.Lags:
		v.find(Unknown, "the record is not here: it has not come yet, or it was removed")
	default:
		v.find(Tampered, "the record is gone, and the ledger does not say that it was removed")
	}
	return v
}

// recordCheck walks through one record.
type recordCheck struct {
	v     *Verdict
	x     *expected
	lags  bool
	chain [32]byte
	next  uint32
	last  job.Block
	part  job.Part // the last one
}

const verifyPage = 4 << 20

func (w *recordCheck) read(r PartReader) error {
	for first := true; ; first = false {
		part, err := r.Part(w.next, verifyPage)
		if err != nil {
			return err
		}
		if first {
			w.open(part.Opening)
		}
		for _, b := range part.Blocks {
			w.block(b)
		}
		w.part = part
		w.part.Blocks = nil
		if part.Sealed || len(part.Blocks) == 0 {
			return nil
		}
	}
}

func (w *recordCheck) open(o job.Opening) {
	if got := digestOf(o.Begin); w.x.begin != "" && got != w.x.begin {
		w.v.find(Tampered, "edited: how it began is not what was recorded")
	}
	w.chain = sha256.Sum256(o.Begin)
}

func (w *recordCheck) block(b job.Block) {
	if b.Number != w.next {
		w.v.find(Tampered, "removed or reordered: block %d stands where block %d must be", b.Number, w.next)
	}
	m := markOf(b)
	m.link(w.chain)
	if m.chain != b.Chain {
		w.v.find(Tampered, "edited, removed or reordered: block %d does not fit to the block before it", b.Number)
	}
	w.next, w.chain, w.last = b.Number+1, b.Chain, b
	if b.Data == nil {
		w.empty(b)
		return
	}
	raws := b.Data
	if len(raws) != int(b.RawLen) || sha256.Sum256(raws) != b.Digest {
		var err error
		if raws, err = decompress(b.Data, b.RawLen); err != nil || sha256.Sum256(raws) != b.Digest {
			w.v.find(Tampered, "edited: the output in block %d (lines %d to %d) is not what was recorded", b.Number, b.FirstLine+1, b.FirstLine+uint64(b.Lines)+1)
			return
		}
	}
	if !fits(raws, b) {
		w.v.find(Tampered, "edited: what block %d says about its output is not true", b.Number)
	}
	w.v.Blocks++
	w.v.Bytes += uint64(b.Bytes)
}

// empty is a block whose output is not there.
func (w *recordCheck) empty(b job.Block) {
	for _, s := range w.x.spilled {
		if s.First <= b.Number && b.Number <= s.Last {
			w.v.State = "emptied in part"
			return
		}
	}
	for _, g := range w.x.gone {
		if g.First <= b.Number && b.Number <= g.Last {
			w.v.State = "emptied in part"
			return
		}
	}
	w.v.find(Tampered, "the output in block %d (lines %d to %d) is damaged or was removed, and the ledger does not say so", b.Number, b.FirstLine+1, b.FirstLine+uint64(b.Lines)+1)
}

// fits reports whether the frames of a block are what its mark says of them.
func fits(raws []byte, b job.Block) bool {
	got := job.Block{FirstSeq: b.FirstSeq, FirstAt: b.FirstAt}
	seq := b.FirstSeq
	for first := true; len(raws) > 0; first = false {
		h, ok := parseHeader(pad(raws))
		if !ok || !h.kind.isChunk() || headerSize+int(h.len) > len(raws) || h.seq != seq || first && h.at != b.FirstAt {
			return false
		}
		payload := raws[headerSize : headerSize+int(h.len)]
		if h.kind != kindEvent {
			got.Bytes += h.len
			got.Lines += uint32(countLines(payload))
		}
		got.LastSeq, got.LastAt = h.seq, h.at
		raws = raws[headerSize+int(h.len):]
		seq++
	}
	return got.Bytes == b.Bytes && got.Lines == b.Lines && got.LastSeq == b.LastSeq && got.LastAt == b.LastAt
}

// pad makes what is too short for a header fail as one.
func pad(b []byte) []byte {
	if len(b) < headerSize {
		return make([]byte, headerSize)
	}
	return b
}

// close compares the end of the record with its seal.
func (w *recordCheck) close(alive bool) {
	s := w.x.seal
	if s == nil {
		if alive {
			w.v.State = "running"
			return
		}
		w.v.State = "unsealed"
		if w.part.Sealed {
			w.v.find(Tampered, "unsealed: the record has ended, and the ledger does not seal it")
			return
		}
		w.v.find(Unknown, "unsealed: nobody writes this record any more, and it has no end")
		return
	}
	switch s.Kind {
	case job.EntryAdopt:
		w.v.State = "adopted"
	case job.EntryImport:
		w.v.State = "imported"
	}
	if w.lags && w.part.End == nil {
		w.v.State = "incomplete"
		w.v.find(Unknown, "its end is not here: it has not come yet, or it was removed; %d of %d blocks are", w.next, s.Blocks)
		return
	}
	if w.next != s.Blocks {
		w.v.find(Tampered, "truncated: it has %d blocks, sealed were %d", w.next, s.Blocks)
	}
	if got := w.last.Offset + uint64(w.last.Bytes); w.next > 0 && (got != s.Bytes || w.last.LastSeq != s.Chunks) {
		w.v.find(Tampered, "truncated: it has %d bytes in %d chunks, sealed were %d in %d", got, w.last.LastSeq, s.Bytes, s.Chunks)
	}
	var start, end []byte
	if w.part.Start != nil {
		start = w.part.Start.Body
	}
	if w.part.End != nil {
		end = w.part.End.Body
	}
	if digestOf(start) != s.Start {
		w.v.find(Tampered, "edited: when and as what it started is not what was sealed")
	}
	switch {
	case end == nil:
		w.v.find(Tampered, "truncated: how it ended is missing")
	case head(w.chain, end) != s.Digest:
		w.v.find(Tampered, "edited: how it ended, or what comes before, is not what was sealed (%s)", short(s.Digest))
	}
}

func short(digest string) string { return digest[:min(12, len(digest))] }

func hexOf(h [32]byte) string { return hex.EncodeToString(h[:]) }
