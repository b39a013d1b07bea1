package archive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"vmorchestrator/internal/job"
)

// pending is a job of which the archive does not have everything, as far as is
// known.
type pending struct {
	id  job.ID
	rec Record // nil until it is looked into

	opened, started bool   // these rows are there
	next            uint32 // the first block that is not
	ahead           uint32 // the first block that was not read yet; the ones between are on their way
	flying          *piece // that is on its way
	resumed         bool   // what is there has not been compared yet:
	opening, chain  [32]byte

	behind bool   // the journal had more at the last look
	done   uint64 // bytes of output that are there
	total  uint64 // of the whole record, once its ledger says so
	left   uint64 // that are known not to be there
	goal   uint64 // how many bytes there were when it was looked at first
	aimed  bool   // goal is known

	ready *job.Part // what was read and did not fit into a batch

	due   time.Time // not looked at before
	tries int       // how often it was rejected in a row
	one   int       // so many more blocks go one by one, to find what is rejected
}

// backlog is what is to be shipped. Jobs whose opening is not in the archive yet
// come first, so that colleagues see at once that something runs.
type backlog struct {
	source      Source
	from        time.Time
	server      string
	shared      uint64 // the entry of the ledger that says so; see add
	jobs        map[job.ID]*pending
	fresh, open []*pending
	records     int    // that are open
	seen        uint64 // the last entry of the ledger whose job is in here

	forked, aside map[job.ID]error
}

func newBacklog(source Source, from time.Time, server string) *backlog {
	return &backlog{source: source, from: from, server: server, jobs: map[job.ID]*pending{}, forked: map[job.ID]error{}, aside: map[job.ID]error{}}
}

// add makes a job one that is to be shipped, unless it is or must not be. A job
// that was begun after it was said from when on jobs are shipped is shipped, even
// if the clock was set back since and its id says otherwise.
func (b *backlog) add(id job.ID, since bool) *pending {
	if p := b.jobs[id]; p != nil {
		return p
	}
	if b.forked[id] != nil || b.aside[id] != nil || !since && id.Time().Before(b.from) {
		return nil
	}
	p := &pending{id: id, behind: true}
	b.jobs[id] = p
	b.fresh = append(b.fresh, p)
	return p
}

// note takes from an entry of the ledger what is to be done for it.
func (b *backlog) note(e job.Statement) {
	switch e.Kind {
	case job.EntryShare:
		b.decided(e)
	case job.EntryBegin:
		b.add(e.Job, b.shared > 0 && e.N > b.shared)
	case job.EntryAdopt, job.EntryImport:
		if p := b.add(e.Job, false); p != nil {
			p.total = e.Bytes
		}
	case job.EntrySeal:
		if p := b.jobs[e.Job]; p != nil {
			p.total, p.due = e.Bytes, time.Time{}
		}
	case job.EntryRemove:
		b.drop(b.jobs[e.Job])
		delete(b.aside, e.Job)
	}
	b.seen = max(b.seen, e.N)
}

// decided takes from an entry where in the ledger it was said what is shipped.
func (b *backlog) decided(e job.Statement) {
	if e.Why == b.server && e.From.Equal(b.from) {
		b.shared = e.N
	}
}

// entries reads the ledger of the journal.
func (b *backlog) entries(after uint64, limit int) ([]job.Entry, error) {
	list, err := b.source.Entries(after, limit)
	if err != nil {
		err = job.WithHint(fmt.Errorf("read the ledger of the journal: %w", err), "Look at the journal with: vmo verify --all")
	}
	return list, err
}

// drop forgets a job.
func (b *backlog) drop(p *pending) {
	if p == nil {
		return
	}
	b.shut(p)
	delete(b.jobs, p.id)
}

// clean takes dropped jobs off the queues, and puts those that were opened into
// the right one.
func (b *backlog) clean() {
	opened := func(p *pending) bool { return p.opened && b.jobs[p.id] == p }
	for _, p := range b.fresh {
		if opened(p) {
			b.open = append(b.open, p)
		}
	}
	b.fresh = slices.DeleteFunc(b.fresh, func(p *pending) bool { return p.opened || b.jobs[p.id] != p })
	b.open = slices.DeleteFunc(b.open, func(p *pending) bool { return b.jobs[p.id] != p })
}

func (b *backlog) shut(p *pending) {
	if p.rec != nil {
		_ = p.rec.Close() // it was only read
		p.rec = nil
		b.records--
	}
}

func (b *backlog) close() {
	for _, p := range b.jobs {
		b.shut(p)
	}
}

// maxRecords bounds how many records are kept open between two looks. Each has a
// file, and a compressor that takes about a megabyte once it was used.
const maxRecords = 64

// relieve closes a record that was just read, if too many are open: its turn is
// over. One in which nothing was new goes sooner.
func (b *backlog) relieve(p *pending, idle bool) {
	if b.records > maxRecords || idle && b.records > maxRecords/2 {
		p.ready = nil // it is read again
		b.shut(p)
	}
}

// piece is what is sent of one job in one batch.
type piece struct {
	p    *pending
	part job.Part
}

func (x *piece) empty() bool {
	return x.p.opened && (x.p.started || x.part.Start == nil) && len(x.part.Blocks) == 0 && !x.part.Sealed
}

func (x *piece) bytes() int {
	n := 0
	if !x.p.opened {
		n += len(x.part.Opening.Begin) + len(x.part.Opening.Prelude)
	}
	for i := range x.part.Blocks {
		n += len(x.part.Blocks[i].Data)
	}
	return n
}

// errDiffers is a fork: the same key with other content.
var errDiffers = errors.New("the archive has another record of this job")

// look reads what comes next of a job.
func (b *backlog) look(p *pending, limit int) (piece, error) {
	if p.rec == nil {
		rec, err := b.source.Open(p.id)
		if err != nil {
			return piece{}, err
		}
		p.rec = rec
		b.records++
	}
	if p.resumed {
		if err := p.compare(); err != nil {
			return piece{}, err
		}
		p.resumed = false
	}
	p.ahead = max(p.ahead, p.next)
	if p.one > 0 {
		limit = 1
	}
	part, err := p.read(limit)
	if err != nil {
		return piece{}, err
	}
	p.left = 0
	if len(part.Blocks) > 0 {
		if p.left, err = p.rec.Left(p.next); err != nil {
			return piece{}, err
		}
	}
	if !p.aimed {
		p.goal, p.aimed = p.done+p.left, true
	}
	return piece{p, part}, nil
}

// later reports whether a piece came after the first look.
func (x *piece) later() bool {
	return !x.part.Sealed && x.p.opened && x.p.done >= x.p.goal && len(x.part.Blocks) > 0
}

// read reads what comes next of a record.
func (p *pending) read(limit int) (job.Part, error) {
	if r := p.ready; r != nil && p.one == 0 {
		p.ready = nil
		if r.Blocks[0].Number == p.ahead {
			return *r, nil
		}
	}
	part, err := p.rec.Part(p.ahead, limit)
	if err != nil {
		return part, err
	}
	for i := range part.Blocks {
		if part.Blocks[i].Number != p.ahead+uint32(i) {
			return part, fmt.Errorf("the journal gave block %d where block %d was due", part.Blocks[i].Number, p.ahead+uint32(i))
		}
	}
	if part.Sealed && part.End == nil {
		return part, errors.New("the journal says that the record is complete, and not how it ended")
	}
	return part, nil
}

// fit keeps what is more than so many blocks for the next time.
func (x *piece) fit(rows int) {
	if len(x.part.Blocks) <= rows {
		return
	}
	rest := x.part
	rest.Blocks = x.part.Blocks[rows:]
	x.p.ready = &rest
	x.part.Blocks, x.part.Sealed = x.part.Blocks[:rows], false
}

// compare checks that what the archive has of a job is the beginning of what the
// journal has: its opening, and the chain, which covers all blocks before.
func (p *pending) compare() error {
	from := p.next
	if from > 0 {
		from--
	}
	part, err := p.rec.Part(from, 1)
	if err != nil {
		return err
	}
	if p.opened && digest(part.Opening) != p.opening {
		return fmt.Errorf("%w: it begins otherwise", errDiffers)
	}
	if p.next == 0 {
		return nil
	}
	if len(part.Blocks) == 0 {
		return fmt.Errorf("%w: it has block %d, which the journal has not", errDiffers, from)
	}
	if part.Blocks[0].Chain != p.chain {
		return fmt.Errorf("%w: they differ in block %d or before", errDiffers, from)
	}
	return nil
}

func digest(o job.Opening) [32]byte {
	begin, prelude := sha256.Sum256(o.Begin), sha256.Sum256(o.Prelude)
	return sha256.Sum256(append(begin[:], prelude[:]...))
}

// taken counts a piece that is to be sent.
func (x *piece) taken() { x.p.ahead += uint32(len(x.part.Blocks)) }

// forget takes pieces back that are not sent after all. They are read again.
func forget(pieces []piece) {
	for i := range pieces {
		p := pieces[i].p
		p.ahead, p.ready, p.due = p.next, nil, time.Time{}
	}
}

// busy reports whether a job has to wait for what is on its way: what comes next
// depends on it.
func (p *pending) busy() bool {
	return p.flying != nil && (!p.opened || p.one > 0 || p.flying.part.Sealed)
}

// sent counts a piece that is in the archive.
func (b *backlog) sent(x *piece) {
	p := x.p
	p.opened, p.started = true, p.started || x.part.Start != nil
	p.next += uint32(len(x.part.Blocks))
	for i := range x.part.Blocks {
		n := uint64(x.part.Blocks[i].Bytes)
		p.done += n
		p.left -= min(p.left, n)
	}
	p.behind = p.left > 0
	p.tries, p.one = 0, max(0, p.one-1)
	if x.part.Sealed {
		b.drop(p)
	}
}

// lag is how many jobs and bytes of output are not in the archive, and since when
// the oldest job that is not there at all is not.
func (b *backlog) lag() (jobs int, bytes uint64, oldest time.Time) {
	for _, p := range b.jobs {
		if !p.behind {
			continue
		}
		jobs++
		bytes += max(p.left, p.total-min(p.total, p.done))
		if t := p.id.Time(); !p.opened && (oldest.IsZero() || t.Before(oldest)) {
			oldest = t
		}
	}
	return jobs, bytes, oldest
}

// faults lists jobs and why they are not shipped, oldest first.
func faults(of map[job.ID]error) []Fault {
	var list []Fault
	for id, err := range of {
		list = append(list, Fault{id, err})
	}
	slices.SortFunc(list, func(a, b Fault) int {
		if a.Job < b.Job {
			return -1
		}
		return 1
	})
	return list
}
