package journal

import (
	"bytes"
	"fmt"
	"time"

	"vmorchestrator/internal/job"
)

// Lines is a window of a record, cut at newlines. Streams are not told apart in
// the counting: a line is what stands between two newlines of the output in the
// order in which it arrived, as a terminal would show it.
type Lines struct {
	From  uint64 // number of the first line, from 0
	Total uint64 // lines so far; one that has no newline yet counts
	Seq   uint64 // of the last chunk so far
	Lines []Line
}

// Line is one line without its newline. Parts are the pieces of the streams it
// came from; bytes in the middle of a very long one are left out.
type Line struct {
	Number uint64
	At     time.Time // of its first byte
	Parts  []Part
	Cut    uint64    // bytes left out, before the last part
	Note   *job.Note // an event that stands in or before this line
}

// Part is a piece of a line from one stream.
type Part struct {
	Stream job.Stream
	Text   []byte
}

// A line of more than two of these is shown by its two ends: a gigabyte without
// a newline must not need a gigabyte of memory.
const lineEnd = 4 << 10

// Lines returns count lines from number from on, or, if from is negative, the
// last -from lines.
func (r *Reader) Lines(from int64, count int) (Lines, error) {
	x, err := r.indexed()
	if err != nil {
		return Lines{}, fmt.Errorf("read the record of job %s: %w", r.id, err)
	}
	end := r.extent(x)
	out := Lines{Total: end.line, Seq: end.seq}
	if end.open {
		out.Total++
	}
	if from < 0 {
		count = min(count, int(min(-from, 1<<20)))
		from = max(0, int64(out.Total)+from)
	}
	out.From = min(uint64(from), out.Total)
	b := lineBuilder{r: r, from: out.From, most: min(count, int(out.Total-out.From))}
	if b.most > 0 {
		b.read(x)
	}
	out.Lines = b.lines
	return out, nil
}

// extent is where a record ends at the moment.
type extent struct {
	spot
	open bool // the last line has no newline
}

func (r *Reader) extent(x *index) extent {
	if r.extentSize == r.size && r.size > 0 {
		return r.extentAt
	}
	e := extent{spot: spot{file: preludeSize}}
	if n := len(x.marks); n > 0 {
		e.spot = x.spot(func(m *mark) bool { return m.number >= x.marks[n-1].number })
		e.open = true // unless the last block says otherwise
	}
	s := r.lineScanner(e.file)
	for {
		f, err := s.next()
		if err != nil {
			break
		}
		if f.damaged {
			continue
		}
		e.count(f)
		if f.kind.isChunk() && f.kind != kindEvent && len(f.payload) > 0 {
			e.open = f.payload[len(f.payload)-1] != '\n'
		}
	}
	r.extentAt, r.extentSize = e, r.size
	return e
}

func (r *Reader) lineScanner(off int64) *scanner {
	if r.lines == nil {
		r.lines = newScanner(r.f, r.seed, off)
	}
	r.lines.seek(off)
	return r.lines
}

// lineBuilder cuts chunks into lines.
type lineBuilder struct {
	r     *Reader
	from  uint64
	most  int
	lines []Line

	pos   spot
	line  Line
	size  uint64 // bytes of the line so far
	tail  []byte // its last bytes, once it is long
	tailS job.Stream
	note  *job.Note
}

func (b *lineBuilder) read(x *index) {
	if b.from > 0 {
		b.pos = x.spot(func(m *mark) bool { return m.endLine() >= b.from })
	} else {
		b.pos = spot{file: preludeSize}
	}
	s := b.r.lineScanner(b.pos.file)
	for len(b.lines) < b.most {
		f, err := s.next()
		if err != nil {
			break
		}
		if f.damaged {
			continue
		}
		line := b.pos.line
		if missing := b.pos.count(f); missing > 0 {
			b.note = &job.Note{Kind: job.NoteDamage, Text: fmt.Sprintf("%d chunks before this line are damaged on the disk and cannot be read", missing)}
			if f.kind == kindBlock {
				b.note = &job.Note{Kind: job.NoteRemoved, Text: fmt.Sprintf("%d chunks before this line were removed on purpose", missing)}
			}
			if f.block != nil {
				line = f.block.firstLine
			}
		}
		if f.kind == kindEvent {
			b.event(f)
			continue
		}
		if f.kind.isChunk() {
			b.add(f, line)
		} else if f.kind == kindMark && b.size > 1<<20 {
			b.skip(x, s)
		}
	}
	if b.size > 0 && len(b.lines) < b.most && b.pos.line >= b.from {
		b.finish()
	}
}

func (b *lineBuilder) event(f found) {
	n := decode[job.Note](f.payload)
	if n != nil && (n.Kind == job.NoteGap || n.Kind == job.NoteDamage || n.Kind == job.NoteRemoved) {
		b.note = n
	}
}

// add takes the bytes of a chunk that begins in the given line.
func (b *lineBuilder) add(f found, line uint64) {
	p := f.payload
	for line < b.from { // lines before the window
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			return
		}
		p, line = p[i+1:], line+1
	}
	for len(p) > 0 && len(b.lines) < b.most {
		if b.size == 0 {
			b.line = Line{Number: line, At: after(b.r.begun, f.at)}
		}
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			b.text(job.Stream(f.kind), p)
			return
		}
		b.text(job.Stream(f.kind), p[:i])
		b.finish()
		p, line = p[i+1:], line+1
	}
}

func (b *lineBuilder) text(s job.Stream, p []byte) {
	room := max(0, lineEnd-int(min(b.size, lineEnd)))
	b.size += uint64(len(p))
	if n := min(room, len(p)); n > 0 {
		if k := len(b.line.Parts); k > 0 && b.line.Parts[k-1].Stream == s {
			b.line.Parts[k-1].Text = append(b.line.Parts[k-1].Text, p[:n]...)
		} else {
			b.line.Parts = append(b.line.Parts, Part{s, bytes.Clone(p[:n])})
		}
		p = p[n:]
	}
	if len(p) == 0 {
		return
	}
	if len(p) > lineEnd {
		p = p[len(p)-lineEnd:]
	}
	b.tail = append(b.tail, p...)
	if over := len(b.tail) - lineEnd; over > 0 {
		b.tail = append(b.tail[:0], b.tail[over:]...)
	}
	b.tailS = s
}

func (b *lineBuilder) finish() {
	if b.size > lineEnd {
		b.line.Cut = b.size - lineEnd - uint64(len(b.tail))
		b.line.Parts = append(b.line.Parts, Part{b.tailS, bytes.Clone(b.tail)})
	}
	b.line.Note = b.note
	b.lines = append(b.lines, b.line)
	b.line, b.size, b.tail, b.note = Line{}, 0, b.tail[:0], nil
}

// skip leaps over blocks of a very long line that hold no end of it.
func (b *lineBuilder) skip(x *index, s *scanner) {
	to := x.spot(func(m *mark) bool { return m.endLine() > b.pos.line })
	if to.offset > b.pos.offset {
		b.size += to.offset - b.pos.offset
		b.tail = b.tail[:0]
		b.pos = to
		s.seek(to.file)
	}
}
