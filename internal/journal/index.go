package journal

import (
	"encoding/json"
	"errors"
	"sort"

	"vmorchestrator/internal/job"
)

// An index tells where in a segment the blocks are. A sealed segment carries
// it; of a living one, or one whose seal is damaged, it is made from the marks.
type index struct {
	marks []mark
	tail  int64 // file offset behind the last mark: loose frames from here on
	begin *job.Job
	start *startBody
	end   *job.Exit
	seal  *sealBody
}

// size of the window at the end of a living segment in which a mark must be: a
// block, the mark, and the longest chunk before it.
const tailWindow = 4 * (blockSize + maxChunk)

// readIndex makes the index of a segment of the given size.
func readIndex(f segment, seed uint32, size int64) (*index, error) {
	x := &index{tail: preludeSize}
	if body, marks, ok := readSeal(f, seed, size); ok {
		x.seal, x.marks = &body, marks
		x.tail = size
		return x, nil
	}
	if size > 2*tailWindow {
		x.fromTail(f, seed, size)
	}
	return x, x.extend(f, seed)
}

// fromTail finds the last mark near the end and follows the marks back. It
// changes nothing when the chain of marks is broken.
func (x *index) fromTail(f segment, seed uint32, size int64) {
	s := newScanner(f, seed, size-tailWindow)
	defer s.close()
	var last *mark
	var tail int64
	for {
		step, err := s.next()
		if err != nil {
			break
		}
		if m, ok := parseMark(step.payload); !step.damaged && step.kind == kindMark && ok {
			last, tail = &m, step.to
		}
	}
	if last == nil {
		return
	}
	marks := make([]mark, last.number+1)
	frame := make([]byte, headerSize+markSize)
	for m := *last; ; {
		marks[m.number] = m
		if m.number == 0 {
			break
		}
		if _, err := f.ReadAt(frame, int64(m.prev)); err != nil {
			return
		}
		h, payload, _, result := parseFrame(frame, seed)
		before, ok := parseMark(payload)
		if result != parseOK || h.kind != kindMark || !ok || before.number != m.number-1 {
			return
		}
		m = before
	}
	x.marks, x.tail = marks, tail
}

// extend reads on from the last mark it knows.
func (x *index) extend(f segment, seed uint32) error {
	s := newScanner(f, seed, x.tail)
	defer s.close()
	for {
		step, err := s.next()
		if errors.Is(err, errTail) {
			return nil
		}
		if err != nil {
			return err
		}
		x.add(step)
	}
}

// add takes note of a frame that is not output.
func (x *index) add(step found) {
	if step.damaged {
		return
	}
	switch step.kind {
	case kindBegin:
		x.begin = decode[job.Job](step.payload)
	case kindStart:
		x.start = decode[startBody](step.payload)
	case kindEnd:
		x.end = decode[job.Exit](step.payload)
	case kindMark:
		if m, ok := parseMark(step.payload); ok {
			// A mark that was lost leaves a hole in the numbers; the blocks around
			// it are found by their offsets all the same.
			x.marks = append(x.marks, m)
			x.tail = step.to
		}
	}
}

func decode[T any](payload []byte) *T {
	v := new(T)
	if json.Unmarshal(payload, v) != nil {
		return nil
	}
	return v
}

// A spot is a place in a segment at which a scan can start, and what the
// counters are there.
type spot struct {
	file   int64
	seq    uint64 // of the last chunk before
	offset uint64
	line   uint64
	at     int64
}

// spot returns the place before the first block for which past is true. Blocks
// are in order, so past must be false for some and true for all that follow.
func (x *index) spot(past func(*mark) bool) spot {
	n := sort.Search(len(x.marks), func(i int) bool { return past(&x.marks[i]) })
	if n < len(x.marks) {
		m := &x.marks[n]
		return spot{int64(m.fileOffset), m.firstSeq - 1, m.offset, m.firstLine, m.firstAt}
	}
	if n == 0 {
		return spot{file: preludeSize}
	}
	m := &x.marks[n-1]
	return spot{x.tail, m.lastSeq, m.endOffset(), m.endLine(), m.lastAt}
}
