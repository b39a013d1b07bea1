package journal

import (
	"bytes"
	"time"
)

func countLines(p []byte) int { return bytes.Count(p, newline) }

// Place is a place in a record: page on with Seq, show lines from Line.
type Place struct {
	Seq    uint64 `json:"seq"`    // of the last chunk before the place
	Line   uint64 `json:"line"`   // newlines before it
	Offset uint64 `json:"offset"` // bytes of output before it
}

// SeekByte finds the chunk that holds the byte at offset of the output.
func (r *Reader) SeekByte(offset uint64) (Place, error) {
	return r.find(
		func(m *mark) bool { return m.endOffset() > offset },
		func(s *spot) bool { return s.offset > offset })
}

// SeekLine finds the chunk in which line n begins, counted from 0.
func (r *Reader) SeekLine(n uint64) (Place, error) {
	if n == 0 {
		return Place{}, nil
	}
	return r.find(
		func(m *mark) bool { return m.endLine() >= n },
		func(s *spot) bool { return s.line >= n })
}

// SeekTime finds the place behind the last chunk that is not later than t.
func (r *Reader) SeekTime(t time.Time) (Place, error) {
	at := int64(t.Sub(r.begun))
	return r.find(
		func(m *mark) bool { return m.lastAt > at },
		func(s *spot) bool { return s.at > at })
}

// Tail finds the place from which about n bytes of output remain.
func (r *Reader) Tail(n uint64) (Place, error) {
	what, err := r.Job()
	if err != nil || what.Bytes <= n {
		return Place{}, err
	}
	return r.SeekByte(what.Bytes - n)
}

// find returns the place before the first chunk whose end is past something.
func (r *Reader) find(past func(*mark) bool, reached func(*spot) bool) (Place, error) {
	if err := r.seek(past); err != nil {
		return Place{}, err
	}
	for {
		before := r.spot
		s, err := r.step()
		if err != nil { // the end: behind everything
			return r.leave(before), nil
		}
		if s.kind.isChunk() && reached(&r.spot) {
			return r.leave(before), nil
		}
	}
}

// leave returns a place and lets the next Page start from its block.
func (r *Reader) leave(s spot) Place {
	r.spot.seq = ^uint64(0) // no chunk has this number, so Page seeks
	return Place{Seq: s.seq, Line: s.line, Offset: s.offset}
}
