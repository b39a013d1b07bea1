package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"vmorchestrator/internal/job"
)

// unitSize is how much text is matched at once: large enough that a call costs
// nothing, small enough to stay in the processor's cache.
var unitSize = 256 << 10 // variable for tests

const (
	// longLine is when a line without an end is matched all the same, and
	// longOverlap what of it is matched again with what follows.
	longLine    = 1 << 20
	longOverlap = 64 << 10
	// batchSize is how many hits are delivered at once.
	batchSize = 512
)

// looker looks through pieces, one after the other. It keeps its buffers.
type looker struct {
	m matcher
	q Query

	scan    scanner
	ctx     context.Context
	x       *piece
	hits    []Hit // not delivered yet
	matched int   // hits of this piece

	text  []byte // what is not matched yet
	line  uint64 // number of its first line
	runs  []run  // which chunks it came in
	long  bool   // it begins within a line
	told  bool   // and that is a hit already
	skip  bool   // what comes is the end of a line that another piece has
	past  bool   // what comes is another piece's, but for the end of a line
	over  bool   // not even that
	weave weave
	woven []Hit // of the lines of text
}

// run is where in the text the bytes of a chunk begin.
type run struct {
	from   int
	at     int64
	stream job.Stream
}

// look looks through a piece and delivers what it finds.
func (l *looker) look(ctx context.Context, x *piece, open func() error) error {
	l.ctx, l.x, l.hits, l.matched = ctx, x, l.hits[:0], 0
	l.text, l.runs, l.woven, l.line = l.text[:0], l.runs[:0], l.woven[:0], x.start.line
	l.long, l.told, l.skip, l.past, l.over = false, false, !x.first, false, false
	l.weave.reset(x.first)
	if err := open(); err != nil {
		l.problem(err.Error())
		return l.flush()
	}
	l.scan.f, l.scan.seed = x.file, x.seed
	l.scan.seek(x.start.file)
	if err := l.frames(); err != nil {
		return err
	}
	return l.flush()
}

// flush delivers hits.
func (l *looker) flush() error {
	if len(l.hits) == 0 {
		return nil
	}
	batch := slices.Clone(l.hits)
	l.hits = l.hits[:0]
	select {
	case l.x.found <- batch:
		return nil
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
}

// full reports whether no more hits are wanted of this piece.
func (l *looker) full() bool { return l.q.Limit > 0 && !l.q.Count && l.matched >= l.q.Limit }

func (l *looker) problem(text string) {
	l.hits = append(l.hits, Hit{Job: l.x.job.ID, Line: l.line, Problem: text})
}

func (l *looker) frames() error {
	pos, hurt, warm := l.x.start, false, !l.x.first
	for n := 0; !l.over && !l.full(); n++ {
		if n%64 == 0 && l.ctx.Err() != nil {
			return context.Cause(l.ctx)
		}
		f, err := l.scan.next()
		if errors.Is(err, errTail) {
			break
		}
		if err != nil {
			l.problem(err.Error())
			break
		}
		if f.damaged {
			continue
		}
		if warm && f.to > l.x.begin { // of what is compressed, from is behind the block
			warm = false
		}
		if l.x.end > 0 && f.to > l.x.end && !l.past {
			l.past = true
			l.over = l.skip // not one line begins here
		}
		line, before := pos.line, pos.seq
		if missing := pos.count(f); missing > 0 {
			if f.block != nil {
				line = f.block.firstLine
			}
			if err := l.missing(f, before, missing, warm); err != nil {
				return err
			}
			hurt = true
		}
		if hurt && f.kind == kindMark && len(l.text) > 0 { // it knows the number again
			l.line = pos.line - uint64(countLines(l.text))
		}
		if f.kind.isChunk() && f.kind != kindEvent && len(f.payload) > 0 {
			if err := l.chunk(f, line, warm); err != nil {
				return err
			}
		}
	}
	if !l.over && !l.skip {
		for _, w := range l.weave.left() {
			l.interrupted(pos.at, pos.line, w)
		}
	}
	return l.rest()
}

// missing tells that chunks cannot be read. A line ends there.
func (l *looker) missing(f found, before, missing uint64, warm bool) error {
	if warm {
		l.weave.reset(false)
		return nil
	}
	if err := l.rest(); err != nil {
		return err
	}
	what := "are damaged on the disk and could not be searched"
	if f.kind == kindBlock {
		what = "were removed on purpose"
	}
	if !l.past {
		l.problem(fmt.Sprintf("chunks %d to %d %s", before+1, before+missing, what))
	}
	l.skip = false
	l.over = l.past
	l.weave.reset(true)
	return nil
}

// chunk takes output that begins in a line.
func (l *looker) chunk(f found, line uint64, warm bool) error {
	p := f.payload
	// What ends in a line is of the piece that has the line, which tells both once.
	if stream := job.Stream(f.kind); stream != job.TTY && !l.over {
		if w := l.weave.add(stream, p); w != nil && !warm && !l.skip {
			l.interrupted(f.at, line, *w)
		}
	}
	if warm || l.over {
		return nil
	}
	end := -1
	if l.skip || l.past {
		end = bytes.IndexByte(p, '\n')
	}
	if l.skip {
		if end < 0 {
			return nil
		}
		p, line, l.skip = p[end+1:], line+1, false
	}
	if l.past && end >= 0 {
		p = p[:end+1]
	}
	if len(l.text) == 0 {
		l.line = line
	}
	if !l.q.Count {
		l.runs = append(l.runs, run{len(l.text), f.at, job.Stream(f.kind)})
	}
	l.text = append(l.text, p...)
	if l.past && end >= 0 {
		l.over = true
		return l.rest()
	}
	if len(l.text) >= unitSize {
		return l.unit()
	}
	return nil
}
