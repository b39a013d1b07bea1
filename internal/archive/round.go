package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"vmorchestrator/internal/job"
)

// entryPage is how many entries of the ledger travel together.
const entryPage = 1000

// round ships one batch: entries of the ledger if there are any, and then what
// comes next of as many jobs as there is room for. It reports whether there was
// anything.
func (s *shipper) round(ctx context.Context) (worked bool, err error) {
	worked, err = s.entries(ctx)
	if err != nil {
		return worked, err
	}
	gone := func(x piece) bool { return s.backlog.jobs[x.p.id] != x.p } // quarantined or removed meanwhile
	pieces := slices.DeleteFunc(s.ahead, gone)
	if s.ahead = nil; len(pieces) == 0 {
		pieces = s.collect()
	}
	if len(pieces) == 0 {
		s.measure(!worked)
		return worked, nil
	}
	oldest := time.Now()
	for i := range pieces {
		if t := pieces[i].p.id.Time(); t.Before(oldest) {
			oldest = t
		}
	}
	if err := s.partitions(ctx, oldest); err != nil {
		return true, err
	}
	err = s.put(ctx, pieces)
	s.backlog.clean()
	s.measure(false)
	return true, err
}

// entries ships the next entries of the ledger. They go before the jobs that they
// are about, as soon as possible.
func (s *shipper) entries(ctx context.Context) (bool, error) {
	list, err := s.backlog.entries(s.acked, entryPage)
	if err != nil || len(list) == 0 {
		return false, err
	}
	says := make([]job.Statement, len(list))
	for i := range list {
		if says[i], err = list[i].Statement(); err != nil {
			return false, err
		}
		if says[i].N != s.acked+1+uint64(i) {
			return false, fmt.Errorf("%w: the ledger of the journal has entry %d where %d was due", job.ErrInvalid, says[i].N, s.acked+1+uint64(i))
		}
	}
	if err := s.query(ctx, func(ctx context.Context) error { return sendEntries(ctx, s.conn, s.id, list, says) }); err != nil {
		return false, err
	}
	s.acked, s.ackedHash = says[len(says)-1].N, list[len(list)-1].Hash()
	s.report.Entries += len(list)
	var maybe []*pending // whose record may be there already
	for _, e := range says {
		s.backlog.note(e)
		if r, is := e.Remark(); is {
			s.news[r.Job] = true
		}
		if p := s.backlog.jobs[e.Job]; p != nil && (e.Kind == job.EntryAdopt || e.Kind == job.EntryImport) {
			maybe = append(maybe, p)
		}
	}
	return true, s.query(ctx, func(ctx context.Context) error { return s.askAbout(ctx, maybe) })
}

// collect reads the next pieces of jobs that are due, each a fair share: half of
// a batch is for jobs that the archive does not know yet.
func (s *shipper) collect() []piece {
	b := s.backlog
	b.clean()
	c := collector{s: s, rows: s.a.pace.rows, bytes: s.limit, now: time.Now()}
	half := s.limit
	if len(b.open) > 0 {
		half /= 2
	}
	c.take(b.fresh, s.limit-half)
	turned := c.take(b.open, 0)
	b.open = append(b.open[turned:], b.open[:turned]...) // next time others are first
	b.clean()
	return c.pieces
}

type collector struct {
	s           *shipper
	rows, bytes int
	now         time.Time
	pieces      []piece
}

// take reads pieces of jobs of a queue until the batch is full but for the bytes
// that are to be left, and returns at which job it stopped.
func (c *collector) take(queue []*pending, leave int) int {
	hungry := 1
	for _, p := range queue {
		if p.behind && !p.due.After(c.now) {
			hungry++
		}
	}
	share := max(64<<10, (c.bytes-leave)/max(1, min(hungry-1, 16)))
	for i, p := range queue {
		if c.bytes <= leave || c.rows <= 0 {
			return i
		}
		if p.due.After(c.now) || p.busy() {
			continue
		}
		x, err := c.s.backlog.look(p, min(share, c.bytes-leave))
		if err != nil {
			c.s.refused(p, err, c.now)
			continue
		}
		if x.empty() {
			p.behind, p.due = p.flying != nil, c.now.Add(c.s.a.pace.poll)
			c.s.backlog.relieve(p, true)
			continue
		}
		if c.s.once && x.later() { // a job that prints without end would keep it for ever
			p.behind, p.due = false, c.now.Add(time.Hour)
			continue
		}
		x.fit(c.rows)
		x.taken()
		c.s.backlog.relieve(p, false)
		c.rows -= max(1, len(x.part.Blocks))
		c.bytes -= x.bytes()
		c.pieces = append(c.pieces, x)
	}
	return 0
}

// refused deals with a job that the journal does not give.
func (s *shipper) refused(p *pending, err error, now time.Time) {
	switch {
	case errors.Is(err, errDiffers):
		s.quarantine(p, err)
	case errors.Is(err, job.ErrNotFound): // it was removed, and the ledger says so
		s.backlog.drop(p)
	default:
		s.backlog.shut(p)
		s.troubled(p, fmt.Errorf("read it in the journal: %w", err), now)
	}
}

// troubled counts a failure of one job, and sets it aside after too many. The
// others go on.
func (s *shipper) troubled(p *pending, err error, now time.Time) {
	p.tries++
	p.one = s.a.pace.rows
	p.due = now.Add(min(s.a.pace.backoff<<(p.tries-1), s.a.pace.maxBack))
	if p.tries < s.a.pace.tries {
		return
	}
	s.a.cfg.Log.Error("a job is set aside", "job", string(p.id), "error", err)
	err = fmt.Errorf("block %d and what follows: %w", p.next, s.a.explain(err))
	s.backlog.aside[p.id] = job.WithHint(err, "The others are shipped. It is tried again by vmo ship --once, and when the program is started again.")
	s.backlog.drop(p)
}

// put sends pieces, together if the server takes them so, else one by one to find
// those that it does not. While they are on their way, the next ones are read.
func (s *shipper) put(ctx context.Context, pieces []piece) error {
	for i := range pieces {
		pieces[i].p.flying = &pieces[i]
	}
	done := make(chan outcome, 1)
	go func() { done <- s.send(ctx, pieces) }()
	s.ahead = s.collect()
	o := <-done
	for i := range pieces {
		pieces[i].p.flying = nil
	}
	if o.err == nil {
		s.sent(pieces, o.forks)
		return nil
	}
	forget(s.ahead)
	forget(pieces)
	s.ahead = nil
	if s.slow(ctx, o.err); classify(o.err) != classReject {
		return o.err
	}
	for i := range pieces {
		one := pieces[i : i+1]
		if len(pieces) > 1 {
			if o = s.send(ctx, one); o.err == nil {
				s.sent(one, o.forks)
				one[0].p.ahead = one[0].p.next
				continue
			}
		}
		if classify(o.err) != classReject {
			return o.err
		}
		s.troubled(one[0].p, o.err, time.Now())
	}
	return nil
}

// outcome is what came of sending pieces.
type outcome struct {
	forks map[job.ID]error
	err   error
}

// send is the one thing that is done in another goroutine. It changes nothing but
// what the server has.
func (s *shipper) send(ctx context.Context, pieces []piece) outcome {
	ctx, cancel := context.WithTimeout(ctx, s.a.pace.batch)
	defer cancel()
	forks, err := send(ctx, s.conn, s.id, pieces)
	return outcome{forks, err}
}

// slow sends less at a time over a line on which a batch took too long.
func (s *shipper) slow(ctx context.Context, err error) {
	if ctx.Err() == nil && (pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded)) {
		s.limit = max(64<<10, s.limit/2)
	}
}

// sent counts pieces that are in the archive.
func (s *shipper) sent(pieces []piece, forks map[job.ID]error) {
	s.limit = min(2*s.limit, s.a.pace.bytes)
	s.progress = true
	for i := range pieces {
		x := &pieces[i]
		if err := forks[x.p.id]; err != nil {
			s.quarantine(x.p, err)
			continue
		}
		s.news[x.p.id] = true
		s.report.Blocks += len(x.part.Blocks)
		for k := range x.part.Blocks {
			s.report.Bytes += uint64(x.part.Blocks[k].Bytes)
		}
		if x.part.Sealed {
			s.report.Jobs++
		}
		s.backlog.sent(x)
	}
}

// measure writes the status. Idle is true when there was nothing to ship.
func (s *shipper) measure(idle bool) {
	now := time.Now()
	if !idle && now.Sub(s.measured) < s.a.pace.settle {
		return
	}
	s.measured = now
	state := Shipping
	if idle {
		state = Current
	}
	s.publish(func(st *Status) {
		st.enter(state)
		st.Error = nil
	})
}

// failed writes why nothing is shipped at the moment.
func (s *shipper) failed(state State, err error) {
	s.publish(func(st *Status) {
		st.enter(state)
		st.Error = err
	})
}

// publish writes the status, with the lag as it is known.
func (s *shipper) publish(change func(*Status)) {
	jobs, bytes, oldest := s.backlog.lag()
	now := time.Now()
	if jobs == 0 {
		s.current = now
	} else if s.current.IsZero() {
		s.current = now
	}
	s.a.mu.Lock()
	defer s.a.mu.Unlock()
	st := &s.a.status
	change(st)
	if st.State == Current && jobs > 0 { // one that is tried again later
		st.enter(Shipping)
	}
	st.LagKnown, st.LagJobs, st.LagBytes, st.LagSeconds = s.known, jobs, bytes, 0
	if jobs > 0 {
		since := s.current
		if !oldest.IsZero() && oldest.Before(since) {
			since = oldest
		}
		st.LagSeconds = int64(now.Sub(since) / time.Second)
	}
	st.Acked, st.AckedHash = s.acked, s.ackedHash
	st.Quarantined, st.SetAside = faults(s.backlog.forked), faults(s.backlog.aside)
}

func (st *Status) enter(state State) {
	if st.State != state {
		st.State, st.Since = state, time.Now()
	}
}

// lookLocally counts what waits while there is no connection.
func (s *shipper) lookLocally() {
	if !s.known {
		return
	}
	b := s.backlog
	for {
		list, err := b.entries(b.seen, entryPage)
		if err != nil || len(list) == 0 {
			break
		}
		for _, e := range list {
			says, err := e.Statement()
			if err != nil || says.N <= b.seen {
				return
			}
			b.note(says)
		}
	}
	for _, p := range b.jobs {
		if p.total > 0 || p.rec == nil && b.records >= maxRecords {
			continue
		}
		if p.rec == nil {
			rec, err := b.source.Open(p.id)
			if err != nil {
				continue
			}
			p.rec = rec
			b.records++
		}
		if left, err := p.rec.Left(p.next); err == nil {
			p.left = left
			p.behind = p.behind || left > 0
		}
	}
	s.publish(func(*Status) {})
}
