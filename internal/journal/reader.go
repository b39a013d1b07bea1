package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"vmorchestrator/internal/job"
)

// Reader reads the record of one job, living or ended, from any process. It
// pages in order ([Reader.Page]), by line ([Reader.Lines]) and finds the place
// of a byte, a line or a moment. What it returns has passed its checksum;
// damage appears as an event in its place and never hides what is behind it.
//
// A Reader may be used by one goroutine at a time. It owns no goroutine.
type Reader struct {
	j     *Journal
	id    job.ID
	f     *os.File
	seed  uint32
	begun time.Time
	index *index
	size  int64 // of the segment when the index was made

	scan   *scanner
	spot   spot // where scan stands
	sealed bool // the scan has seen the seal
	arena  []byte
	lines  *scanner

	extentAt   extent
	extentSize int64
}

// Reader returns a reader for a job. It fails with job.ErrNotFound when there is
// no record of it, and with job.ErrNewer when a newer version wrote it.
func (j *Journal) Reader(id job.ID) (*Reader, error) {
	f, err := j.openSegment(id)
	if err != nil {
		return nil, err
	}
	return j.read(id, f)
}

// ReplicaReader returns a reader for the replica of a record, whatever this
// journal itself has of the job.
func (j *Journal) ReplicaReader(id job.ID) (*Reader, error) {
	if _, err := job.ParseID(string(id)); err != nil {
		return nil, err
	}
	f, err := os.Open(j.replicaPath(id))
	if err != nil {
		return nil, fmt.Errorf("open the copy of the record of job %s: %w", id, err)
	}
	return j.read(id, f)
}

func (j *Journal) read(id job.ID, f *os.File) (*Reader, error) {
	r := &Reader{j: j, id: id, f: f, begun: id.Time()}
	if err := r.init(); err != nil {
		return nil, errors.Join(fmt.Errorf("read the record of job %s: %w", id, err), f.Close())
	}
	return r, nil
}

func (r *Reader) init() error {
	seed, err := parsePrelude(r.f)
	if err != nil {
		return err
	}
	r.seed = seed
	r.scan = newScanner(r.f, seed, preludeSize)
	r.spot.file = preludeSize
	step, err := r.scan.next()
	if err == nil && !step.damaged && step.kind == kindBegin {
		if b := decode[job.Job](step.payload); b != nil {
			r.begun = b.QueuedAt
		}
	} else if x, err := r.indexed(); err == nil && x.seal != nil {
		r.begun = x.seal.Job.QueuedAt
	}
	r.scan.seek(preludeSize)
	return nil
}

// Close gives the file back.
func (r *Reader) Close() error {
	r.scan.close()
	if r.lines != nil {
		r.lines.close()
	}
	return r.f.Close()
}

// PID is the number of the job's process, on its host; 0 if it never had one or
// the record does not say.
func (r *Reader) PID() int {
	s := newScanner(r.f, r.seed, preludeSize)
	defer s.close()
	for range 4 { // the start stands right behind the beginning
		step, err := s.next()
		if err != nil {
			return 0
		}
		if step.kind == kindStart && !step.damaged {
			if b := decode[startBody](step.payload); b != nil {
				return b.PID
			}
		}
	}
	return 0
}

// Page returns the chunks behind sequence number after, in order: at least one
// if there is one, and then up to about limit bytes of output. No chunks means
// that there are none yet, or, once Ended, that there will be none. The result
// is valid until the next call.
func (r *Reader) Page(after uint64, limit int) ([]job.Chunk, error) {
	if after != r.spot.seq {
		if err := r.seek(func(m *mark) bool { return m.lastSeq > after }); err != nil {
			return nil, err
		}
	}
	var page []job.Chunk
	r.arena = r.arena[:0]
	for len(r.arena) < limit && len(page) < maxPage {
		step, err := r.step()
		if errors.Is(err, errTail) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the record of job %s: %w", r.id, err)
		}
		if step.missing > 0 && step.seq-1 > after || step.missing > 0 && !step.kind.isChunk() && step.seq > after {
			page = append(page, r.damage(step))
		}
		if step.kind.isChunk() && step.seq > after {
			page = append(page, r.chunk(step.found))
		}
	}
	return page, nil
}

// maxPage bounds a page of many tiny chunks.
const maxPage = 16 << 10

// Ended reports whether Page has come to the end of a record that is complete.
func (r *Reader) Ended() bool { return r.sealed }

// step is a frame with the chunks that are missing before it.
type step struct {
	found
	missing uint64
}

// step reads the next frame and keeps the counters right across damage: marks
// and the headers of all other frames say where they should stand.
func (r *Reader) step() (step, error) {
	for {
		f, err := r.scan.next()
		if err != nil {
			return step{}, err
		}
		if f.damaged {
			continue
		}
		r.sealed = r.sealed || f.kind == kindSeal
		r.spot.file = f.to
		return step{f, r.spot.count(f)}, nil
	}
}

// count moves the counters over a frame and returns how many chunks are missing
// before it.
func (p *spot) count(f found) (missing uint64) {
	before := f.seq
	if f.kind.isChunk() {
		before--
	}
	if before > p.seq {
		missing = before - p.seq
	}
	if m := f.block; m != nil {
		p.offset, p.line = m.offset, m.firstLine
	}
	p.seq, p.at = f.seq, f.at
	switch {
	case f.kind == kindMark || f.kind == kindBlock:
		if m, ok := parseMark(f.payload); ok {
			p.offset, p.line = m.endOffset(), m.endLine()
		}
	case f.kind.isChunk() && f.kind != kindEvent:
		p.offset += uint64(len(f.payload))
		p.line += uint64(countLines(f.payload))
	}
	return missing
}

func (r *Reader) chunk(f found) job.Chunk {
	start := len(r.arena)
	r.arena = append(r.arena, f.payload...)
	c := job.Chunk{Seq: f.seq, Stream: job.Stream(f.kind), At: after(r.begun, f.at), Data: r.arena[start:len(r.arena):len(r.arena)]}
	if f.kind == kindEvent {
		c.Note = decode[job.Note](c.Data)
		c.Data = nil
	}
	return c
}

// damage is the event that stands where chunks cannot be read any more.
func (r *Reader) damage(s step) job.Chunk {
	last := s.seq
	if s.kind.isChunk() {
		last--
	}
	note := job.Note{Kind: job.NoteDamage, Until: last,
		Text: fmt.Sprintf("chunks %d to %d are damaged on the disk and cannot be read", last-s.missing+1, last)}
	if s.kind == kindBlock {
		note.Kind = job.NoteRemoved
		note.Text = fmt.Sprintf("chunks %d to %d were removed on purpose; the ledger says by whom", last-s.missing+1, last)
	}
	return job.Chunk{Seq: last, Stream: job.Event, At: after(r.begun, s.at), Note: &note}
}

// seek moves the scan before the first block for which past is true.
func (r *Reader) seek(past func(*mark) bool) error {
	x, err := r.indexed()
	if err != nil {
		return fmt.Errorf("read the record of job %s: %w", r.id, err)
	}
	r.spot = x.spot(past)
	r.sealed = false
	r.scan.seek(r.spot.file)
	return nil
}

// indexed returns the index, brought up to date.
func (r *Reader) indexed() (*index, error) {
	info, err := r.f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case r.index != nil && r.size == info.Size():
		return r.index, nil
	case r.index == nil:
		r.index, err = readIndex(r.f, r.seed, info.Size())
	default:
		err = r.index.extend(r.f, r.seed)
	}
	r.size = info.Size()
	return r.index, err
}

// Job is the job as its segment tells it, without the catalogue.
func (r *Reader) Job() (job.Job, error) {
	what, err := r.told()
	what.Marks = job.Marks{} // a record has none, whatever stands in it
	return what, err
}

func (r *Reader) told() (job.Job, error) {
	x, err := r.indexed()
	if err != nil {
		return job.Job{}, err
	}
	if x.seal != nil {
		return x.seal.Job, nil
	}
	var what job.Job
	if x.begin == nil { // the index was made from the end: the beginning is short
		var head index
		s := newScanner(r.f, r.seed, preludeSize)
		defer s.close()
		for range 3 {
			step, err := s.next()
			if err != nil {
				break
			}
			head.add(step)
		}
		x.begin, x.start = head.begin, head.start
	}
	if x.begin != nil {
		what = *x.begin
	} else {
		what = job.Job{ID: r.id, State: job.Pending, QueuedAt: r.begun, Detail: "the beginning of its record is damaged"}
	}
	if x.start != nil {
		what.State, what.StartedAt = job.Running, &x.start.At
	}
	if err := r.seek(func(*mark) bool { return false }); err != nil { // behind the last block
		return what, err
	}
	for {
		if _, err := r.step(); err != nil {
			break
		}
	}
	what.Chunks, what.Bytes, what.Lines = r.spot.seq, r.spot.offset, r.spot.line
	if x.end != nil {
		what.End(*x.end)
	}
	return what, nil
}

// What comes after a silence is shown at once. What comes without end is shown in
// pieces of followPage or every followPace: a look at every single write would
// take the processor from the command that is writing.
const (
	followPage = 128 << 10
	followPace = 4 * time.Millisecond
)

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Follow calls show with every page behind after, first what is there, then
// what comes, until the record is complete, show fails or the context ends. It
// works for jobs of other processes as well.
func (r *Reader) Follow(ctx context.Context, after uint64, show func([]job.Chunk) error) error {
	var shown time.Time
	for {
		changed := r.j.changed(r.id)
		page, err := r.Page(after, followPage)
		if err != nil {
			return err
		}
		if len(page) > 0 {
			if err := show(page); err != nil {
				return err
			}
			after = page[len(page)-1].Seq
			now := time.Now()
			if len(r.arena) < followPage && now.Sub(shown) < followPace {
				if err := pause(ctx, followPace); err != nil {
					return err
				}
				now = time.Now()
			}
			shown = now
			continue
		}
		if r.Ended() || r.j.readOnly != nil && r.j.ownerGone(r.id) {
			return nil
		}
		if err := changed(ctx); err != nil {
			return err
		}
	}
}
