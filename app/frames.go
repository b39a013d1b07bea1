package app

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

const (
	defaultOutput = 256 << 10
	mostOutput    = 1 << 20
	// merge joins chunks of one stream that came so shortly after each other
	// that no eye can tell.
	merge = 8 * time.Millisecond
)

// frames answers with chunks behind each asked place, fairly shared.
func (o *Output) frames(q url.Values) ([]byte, error) {
	limit, err := number(q, "max", defaultOutput, mostOutput)
	if err != nil {
		return nil, err
	}
	tail, err := number(q, "tail", 0, 1<<40)
	if err != nil {
		return nil, err
	}
	until, err := number(q, "until", 0, 1<<50)
	if err != nil {
		return nil, err
	}
	asked := q["q"]
	if len(asked) == 0 || len(asked) > 64 {
		return nil, fmt.Errorf("%w: %d jobs asked for at once", job.ErrInvalid, len(asked))
	}
	var out []byte
	for i, one := range asked {
		id, after, ok := strings.Cut(one, ".")
		seq, err := strconv.ParseUint(after, 10, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("%w: q=%q", job.ErrInvalid, one)
		}
		f := framer{out: out, index: uint16(i), open: -1}
		if until > 0 {
			f.until = time.UnixMilli(int64(until)).Add(time.Millisecond)
		}
		err = o.readers.with(job.ID(id), func(r *engine.Reader) error {
			return f.read(r, seq, limit/len(asked), tail)
		})
		if err != nil {
			return nil, err
		}
		out = f.out
	}
	return out, nil
}

// framer writes chunks in the form that the page reads: see frameHeader.
type framer struct {
	out   []byte
	index uint16
	until time.Time

	open int // where the frame that may still grow begins; -1 for none
	last job.Chunk
}

const frameHeader = 32

func (f *framer) read(r *engine.Reader, after uint64, limit, tail int) error {
	if tail > 0 {
		from, err := r.Tail(uint64(tail))
		if err != nil {
			return err
		}
		if from.Seq > after {
			note, err := json.Marshal(map[string]any{"kind": "skipped", "bytes": from.Offset})
			if err != nil {
				return err
			}
			f.frame(job.Event, from.Seq, from.Seq, time.Time{}, note)
			f.open = -1
			after = from.Seq
		}
	}
	// A page of tiny chunks is short; an answer must not be, or the page would
	// take it for all there is.
	for end := len(f.out) + max(limit, 4<<10); len(f.out) < end; {
		page, err := r.Page(after, end-len(f.out))
		if err != nil || len(page) == 0 {
			return err
		}
		for _, c := range page {
			if !f.until.IsZero() && c.At.After(f.until) {
				return nil
			}
			if err := f.chunk(c); err != nil {
				return err
			}
			after = c.Seq
		}
	}
	return nil
}

func (f *framer) chunk(c job.Chunk) error {
	if c.Note != nil {
		note, err := json.Marshal(c.Note)
		if err != nil {
			return err
		}
		f.frame(job.Event, c.Seq, c.Seq, c.At, note)
		f.open = -1
		return nil
	}
	if f.open >= 0 && f.last.Stream == c.Stream && c.At.Sub(f.last.At) < merge {
		f.out = append(f.out, c.Data...)
		binary.LittleEndian.PutUint32(f.out[f.open+4:], uint32(len(f.out)-f.open-frameHeader))
		binary.LittleEndian.PutUint64(f.out[f.open+16:], c.Seq)
		return nil
	}
	f.frame(c.Stream, c.Seq, c.Seq, c.At, c.Data)
	return nil
}

func (f *framer) frame(s job.Stream, first, last uint64, at time.Time, data []byte) {
	f.open, f.last = len(f.out), job.Chunk{Stream: s, At: at}
	f.out = binary.LittleEndian.AppendUint16(f.out, f.index)
	f.out = append(f.out, byte(s), 0)
	f.out = binary.LittleEndian.AppendUint32(f.out, uint32(len(data)))
	f.out = binary.LittleEndian.AppendUint64(f.out, first)
	f.out = binary.LittleEndian.AppendUint64(f.out, last)
	f.out = binary.LittleEndian.AppendUint64(f.out, milliseconds(at))
	f.out = append(f.out, data...)
}

// milliseconds is a moment as JavaScript has it, a float64 since 1970, in the
// bits that DataView.getFloat64 reads.
func milliseconds(at time.Time) uint64 {
	if at.IsZero() {
		return 0
	}
	return math.Float64bits(float64(at.UnixMicro()) / 1000)
}
