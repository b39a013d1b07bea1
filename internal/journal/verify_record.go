package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"vmorchestrator/internal/job"
)

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
