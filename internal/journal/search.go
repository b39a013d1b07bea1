package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"vmorchestrator/internal/job"
)

// Query says what to look for, and in which jobs.
type Query struct {
	Pattern    string     `json:"pattern"` // in the syntax of RE2
	Literal    bool       `json:"literal"` // as it is
	IgnoreCase bool       `json:"ignore_case"`
	Context    int        `json:"context"` // lines before and behind
	Limit      int        `json:"limit"`   // hits; zero: all
	Count      bool       `json:"count"`   // one hit for each job that has any, with their number
	Jobs       job.Filter `json:"jobs"`
	Job        job.ID     `json:"job"` // only this one
}

// Hit is a line that matches. Text is what was matched: without escape
// sequences, of a very long line only what stands around the match. One with a
// Problem tells what could not be searched instead.
type Hit struct {
	Job     job.ID     `json:"job"`
	Line    uint64     `json:"line"` // as in Lines, from 0
	At      time.Time  `json:"at,omitzero" ts_type:"string"`
	Stream  job.Stream `json:"stream,omitempty" ts_type:"string"`
	Text    string     `json:"text,omitempty"`
	From    int        `json:"from"` // where in Text the match is, in bytes
	To      int        `json:"to"`
	Before  []string   `json:"before,omitempty"`
	After   []string   `json:"after,omitempty"`
	Count   uint64     `json:"count,omitempty"`
	Problem string     `json:"problem,omitempty"`
}

// Search calls found with every line of output that matches, until it fails or
// the context ends: newest job first, lines in their order. Jobs that run are
// searched up to now.
//
// A line is what [Reader.Lines] calls one, with its number: streams are not told
// apart. If one stream was interrupted by the other within its line, by less than
// 64 KiB, the whole of it is matched as well, and a hit that only it gives has
// the number of the line in which it ends. Of a line longer than 1 MiB pieces are matched, which
// overlap by 64 KiB.
//
// What is damaged is reported in its place and hides nothing else.
func (j *Journal) Search(ctx context.Context, q Query, found func(Hit) error) error {
	p, err := newPattern(q.Pattern, q.Literal, q.IgnoreCase)
	if err != nil {
		return err
	}
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	s := &search{j: j, q: q, p: p, work: make(chan *piece), order: make(chan *piece, 4*runtime.GOMAXPROCS(0))}
	var all sync.WaitGroup
	all.Go(func() { s.err = s.divide(ctx) })
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() { s.search(ctx) })
	}
	err = s.deliver(found, cancel)
	cancel()
	for x := range s.order { // what was begun and nobody wants
		x.drain()
	}
	all.Wait()
	if err == nil && outer.Err() != nil {
		err = context.Cause(outer)
	}
	if err == nil && !errors.Is(s.err, context.Canceled) { // by us, at the limit
		err = s.err
	}
	return err
}

// search is one search. One goroutine divides the jobs into pieces, as many as
// there are processors look through them, the caller's delivers in order.
type search struct {
	j     *Journal
	q     Query
	p     *pattern
	work  chan *piece
	order chan *piece
	err   error // of divide
}

// piece is a part of a record: whole, or some of its blocks. It has the lines
// that begin in it; the first of a record also the first line.
type piece struct {
	job   job.Job
	file  *shared // nil: opened by who searches it
	seed  uint32
	start spot  // where it is read from
	begin int64 // file offset of its first block
	end   int64 // file offset behind its last; 0: the end of the record
	first bool
	last  bool // of its job

	found chan []Hit // closed at the end; what follows is set then
	count uint64
	err   error
}

// shared is a segment that several pieces are of.
type shared struct {
	*os.File
	users atomic.Int32
}

// drain waits until nobody works on a piece.
func (x *piece) drain() {
	for range x.found { //nolint:revive // nobody wants them
	}
	x.release()
}

func (x *piece) release() {
	if x.file != nil && x.file.users.Add(-1) == 0 {
		x.file.Close()
	}
	x.file = nil
}

var ( // variable for tests
	// smallJob is output that one goroutine looks through alone.
	smallJob uint64 = 8 << 20
	// pieceBlocks is how many blocks a piece of a larger one has: 4 MiB.
	pieceBlocks = 64
)

// divide makes the pieces, newest job first.
func (s *search) divide(ctx context.Context) error {
	defer close(s.order)
	defer close(s.work)
	if s.q.Job != "" {
		what, err := s.j.Job(ctx, s.q.Job)
		if err != nil {
			return err
		}
		return s.job(ctx, what)
	}
	for before := job.ID(""); ; {
		jobs, err := s.j.Jobs(ctx, s.q.Jobs, before, 200)
		if err != nil || len(jobs) == 0 {
			return err
		}
		for _, what := range jobs {
			if err := s.job(ctx, what); err != nil {
				return err
			}
		}
		before = jobs[len(jobs)-1].ID
	}
}

func (s *search) job(ctx context.Context, what job.Job) error {
	whole := &piece{job: what, start: spot{file: preludeSize}, first: true, last: true}
	if what.Bytes <= smallJob {
		if what.Bytes == 0 && what.State.Final() {
			return nil
		}
		return s.hand(ctx, whole)
	}
	r, err := s.j.Reader(what.ID)
	if err != nil {
		return s.hand(ctx, whole) // who opens it again tells why it cannot be searched
	}
	defer r.scan.close()
	x, err := r.indexed()
	if err != nil {
		return errors.Join(s.hand(ctx, whole), r.f.Close())
	}
	file := &shared{File: r.f}
	file.users.Store(1)
	defer (&piece{file: file}).release()
	for _, p := range pieces(x) {
		p.job, p.file, p.seed = what, file, r.seed
		file.users.Add(1)
		if err := s.hand(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// pieces divides a record. What no line begins in is left out.
func pieces(x *index) []*piece {
	var out []*piece
	for i := 0; i < len(x.marks); i += pieceBlocks {
		lines := uint32(0)
		for _, m := range x.marks[i:min(i+pieceBlocks, len(x.marks))] {
			lines += m.lines
		}
		if i > 0 && lines == 0 && counted(x.marks, i) {
			continue
		}
		p := &piece{start: spot{file: preludeSize}, begin: int64(x.marks[i].fileOffset), first: i == 0}
		if i > 0 { // from the block before on, to know what of an interrupted line stands there
			m := &x.marks[i-1]
			p.start = spot{int64(m.fileOffset), m.firstSeq - 1, m.offset, m.firstLine, m.firstAt}
		}
		if i+pieceBlocks < len(x.marks) {
			p.end = int64(x.marks[i+pieceBlocks].fileOffset)
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		out = append(out, &piece{start: spot{file: preludeSize}, first: true})
	}
	out[len(out)-1].last = true
	return out
}

// counted reports whether the marks from i on tell of every line up to the next
// piece: none of them is missing, and what is behind the last mark is not theirs.
func counted(marks []mark, i int) bool {
	next := i + pieceBlocks
	return next < len(marks) && marks[next].number-marks[i].number == uint32(pieceBlocks)
}

// hand gives a piece to whoever is free, and its place in the order.
func (s *search) hand(ctx context.Context, x *piece) error {
	x.found = make(chan []Hit)
	select {
	case s.order <- x:
	case <-ctx.Done():
		x.release()
		return context.Cause(ctx)
	}
	select {
	case s.work <- x:
	case <-ctx.Done():
		x.err = context.Cause(ctx)
		close(x.found)
		return context.Cause(ctx)
	}
	return nil
}

// search looks through pieces until there are no more.
func (s *search) search(ctx context.Context) {
	l := looker{m: matcher{pattern: s.p}, q: s.q}
	defer l.scan.close()
	for x := range s.work {
		x.err = l.look(ctx, x, func() error { return s.open(x) })
		close(x.found)
	}
}

// open opens the record of a piece that is a whole one.
func (s *search) open(x *piece) (err error) {
	if x.file != nil {
		return nil
	}
	f, err := s.j.openSegment(x.job.ID)
	if err != nil {
		return err
	}
	x.file = &shared{File: f}
	x.file.users.Store(1)
	x.seed, err = parsePrelude(f)
	return err
}

// deliver hands out what was found, in order. What is not wanted any more it
// cancels.
func (s *search) deliver(found func(Hit) error, cancel func()) error {
	around := around{j: s.j, lines: s.q.Context}
	defer around.close()
	d := delivery{q: s.q, around: &around, found: found}
	for x := range s.order {
		err := d.piece(x)
		if err != nil {
			cancel()
		}
		x.drain()
		if err == nil {
			err = x.err
		}
		if err == nil && x.last {
			err = d.end(x)
		}
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errEnough ends a search at its limit.
var errEnough = errors.New("enough")

type delivery struct {
	q      Query
	around *around
	found  func(Hit) error
	hits   int
	count  uint64 // in the job so far
}

func (d *delivery) piece(x *piece) error {
	for hits := range x.found {
		for _, h := range hits {
			if err := d.give(h); err != nil {
				return err
			}
		}
	}
	d.count += x.count
	return nil
}

// end gives the number of hits of a job.
func (d *delivery) end(x *piece) error {
	count := d.count
	d.count = 0
	if !d.q.Count || count == 0 {
		return nil
	}
	return d.give(Hit{Job: x.job.ID, Count: count})
}

func (d *delivery) give(h Hit) error {
	if h.Problem == "" {
		d.hits++
		d.around.add(&h)
	}
	if err := d.found(h); err != nil {
		return err
	}
	if d.hits == d.q.Limit {
		return errEnough
	}
	return nil
}

// around adds the lines around a hit.
type around struct {
	j     *Journal
	lines int
	r     *Reader
}

func (a *around) add(h *Hit) {
	if a.lines <= 0 || h.Count > 0 {
		return
	}
	if a.r == nil || a.r.id != h.Job {
		a.close()
		a.r, _ = a.j.Reader(h.Job) // if it is gone since, the hit stands alone
	}
	if a.r == nil {
		return
	}
	from := h.Line - min(h.Line, uint64(a.lines))
	window, err := a.r.Lines(int64(from), int(h.Line-from)+1+a.lines)
	if err != nil {
		return
	}
	for _, line := range window.Lines {
		switch {
		case line.Number < h.Line:
			h.Before = append(h.Before, line.text())
		case line.Number > h.Line:
			h.After = append(h.After, line.text())
		}
	}
}

func (a *around) close() {
	if a.r != nil {
		a.r.Close()
	}
	a.r = nil
}

// text is a line as it is matched.
func (l Line) text() string {
	var all []byte
	for i, part := range l.Parts {
		if l.Cut > 0 && i == len(l.Parts)-1 {
			all = fmt.Appendf(all, "…%d bytes…", l.Cut)
		}
		all = append(all, part.Text...)
	}
	return shown(all)
}
