package archive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"vmorchestrator/internal/job"
)

// Report is what was shipped.
type Report struct {
	Entries, Jobs, Blocks int    // that were sent; Jobs are those that are complete
	Bytes                 uint64 // of output
	Left                  int    // jobs that the archive does not have everything of
	Quarantined, SetAside []Fault
}

// shipper ships one journal. It belongs to one goroutine. What it knows of the
// archive is asked there again with each connection.
type shipper struct {
	a       *Archive
	id      string
	backlog *backlog
	report  Report
	once    bool // only what is there now

	conn      *pgx.Conn
	acked     uint64 // the last entry of the ledger that the archive has
	ackedHash [32]byte
	known     bool    // acked is, at least as it was once
	ahead     []piece // that are read and not sent yet
	limit     int     // bytes in a batch; smaller after a timeout
	progress  bool    // since it was connected

	current  time.Time // when everything known was in the archive
	news     map[job.ID]bool
	told     time.Time  // colleagues were told the news
	seen     time.Time  // "I am here" was said
	month    time.Month // partitions were made in, and
	ensured  time.Time  // from when on
	measured time.Time
}

func newShipper(a *Archive) *shipper {
	s := &shipper{a: a, id: a.cfg.Source.ID(), backlog: newBacklog(a.cfg.Source, a.cfg.From, a.Status().Server), limit: a.pace.bytes, news: map[job.ID]bool{}}
	if a.cfg.Acked > 0 {
		s.acked, s.known, s.backlog.seen = a.cfg.Acked, true, a.cfg.Acked
	}
	return s
}

var errNothingToShip = errors.New("there is no journal to ship")

// Run ships what the journal has and what it gets, until the context ends. It is
// for one process at a time for each journal; a second one does no harm, but its
// work is in vain. It returns nil.
func (a *Archive) Run(ctx context.Context) error {
	if a.cfg.Source == nil {
		return errNothingToShip
	}
	if a.Status().State == Off {
		<-ctx.Done()
		return nil
	}
	s := newShipper(a)
	defer func() { s.backlog.close() }() // the one that there is then
	wait := a.pace.backoff
	for {
		s.progress = false
		err := s.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if s.progress {
			wait = a.pace.backoff
		}
		// Not more than half of it is left to chance: many laptops lost the same server.
		pause := wait/2 + rand.N(wait/2+1)
		wait = min(2*wait, a.pace.maxBack)
		state := Waiting
		switch classify(err) {
		case classAuth:
			state, pause = Stopped, 0
		case classStop:
			state, pause = Stopped, a.pace.slow
		}
		a.cfg.Log.Warn("shipping to the archive failed", "error", err, "state", string(state))
		s.failed(state, a.explain(err))
		if !s.pause(ctx, pause) {
			return nil
		}
	}
}

// pause waits before the next attempt, for ever if d is zero, and keeps counting
// what waits. It is false when the context has ended.
func (s *shipper) pause(ctx context.Context, d time.Duration) bool {
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	look := time.NewTicker(5 * s.a.pace.poll)
	defer look.Stop()
	for {
		s.lookLocally()
		select {
		case <-ctx.Done():
			return false
		case <-over:
			return true
		case <-s.a.retry:
			clear(s.backlog.aside)
			return true
		case <-look.C:
		}
	}
}

// ShipOnce ships what the journal has now, and returns when nothing is left that
// can be shipped. It fails with what stopped it.
func (a *Archive) ShipOnce(ctx context.Context) (Report, error) {
	if a.cfg.Source == nil {
		return Report{}, errNothingToShip
	}
	s := newShipper(a)
	defer func() { s.backlog.close() }() // the one that there is then
	s.once = true
	err := a.explain(s.session(ctx))
	if err != nil {
		state := Waiting
		if c := classify(err); c == classAuth || c == classStop {
			state = Stopped
		}
		s.failed(state, err)
		err = fmt.Errorf("ship to the archive: %w", err)
	}
	s.report.Left, _, _ = s.backlog.lag()
	s.report.Quarantined, s.report.SetAside = faults(s.backlog.forked), faults(s.backlog.aside)
	return s.report, err
}

// session ships through one connection, until it fails, the context ends or,
// once, nothing is left.
func (s *shipper) session(ctx context.Context) (err error) {
	if s.conn, err = s.a.connect(ctx); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		s.conn.Close(ctx) //nolint:errcheck // what was not answered is asked again
	}()
	if err := s.query(ctx, s.begin); err != nil {
		return err
	}
	for {
		worked, err := s.round(ctx)
		if err != nil {
			return err
		}
		s.progress = s.progress || worked
		if err := s.query(ctx, func(ctx context.Context) error { return s.talk(ctx, s.once && !worked) }); err != nil {
			return err
		}
		if worked {
			continue
		}
		due, more := s.next()
		if s.once && !more {
			return nil
		}
		if err := s.await(ctx, due); err != nil {
			return err
		}
	}
}

// query bounds what is asked of the server.
func (s *shipper) query(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.a.pace.query)
	defer cancel()
	return f(ctx)
}

// begin looks at the database, registers and asks what is there.
func (s *shipper) begin(ctx context.Context) error {
	if err := lookAt(ctx, s.conn); err != nil {
		return err
	}
	var may bool
	var login string
	if err := s.conn.QueryRow(ctx, `SELECT has_column_privilege('vmo.block', 'data', 'INSERT'), session_user`).Scan(&may, &login); err != nil {
		return err
	}
	if !may {
		return job.WithHint(fmt.Errorf("%w: %s", errViewer, login), "Ask the owner of the archive for: GRANT vmo_operator TO "+pgx.Identifier{login}.Sanitize())
	}
	if err := s.register(ctx, login); err != nil {
		return err
	}
	return s.resume(ctx)
}

func (s *shipper) register(ctx context.Context, login string) error {
	_, err := s.conn.Exec(ctx, `INSERT INTO vmo.installation (installation_id, laptop) VALUES ($1, $2) ON CONFLICT DO NOTHING`, s.id, cut(s.a.cfg.Laptop, 200))
	if err != nil {
		return err
	}
	var owner string
	if err := s.conn.QueryRow(ctx, `SELECT operator FROM vmo.installation WHERE installation_id = $1`, s.id).Scan(&owner); err != nil {
		return err
	}
	if owner != login {
		return job.WithHint(fmt.Errorf("%w: %s, and this is %s", errForeign, owner, login),
			fmt.Sprintf("Use the login %s, or ask the owner of the archive for: SELECT vmo.hand_over('%s', '%s', 'why')", owner, s.id, login))
	}
	return nil
}

// resume asks how far the archive is: with the ledger, and with jobs of which it
// does not have the end. No memory of ours counts against it: a server that was
// restored from a backup gets again what it lost.
func (s *shipper) resume(ctx context.Context) error {
	var n int64
	var hash []byte
	err := s.conn.QueryRow(ctx, `SELECT n, hash FROM vmo.ledger WHERE installation_id = $1 ORDER BY n DESC LIMIT 1`, s.id).Scan(&n, &hash)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if n > 0 {
		ours, err := s.backlog.entries(uint64(n)-1, 1)
		if err != nil {
			return err
		}
		if len(ours) == 0 {
			return forked(uint64(n))
		}
		if h := ours[0].Hash(); string(h[:]) != string(hash) {
			return forked(uint64(n))
		}
	}
	s.acked, s.known = uint64(n), true
	copy(s.ackedHash[:], hash)
	s.ahead = nil
	old := s.backlog
	old.close()
	s.backlog = newBacklog(old.source, old.from, old.server)
	s.backlog.forked, s.backlog.aside, s.backlog.seen = old.forked, old.aside, s.acked

	if err := s.recall(ctx); err != nil {
		return err
	}
	from, _ := uuid(firstID(old.from))
	rows, err := s.conn.Query(ctx, `
		SELECT l.job_id, (SELECT s.body FROM vmo.ledger s WHERE s.job_id = l.job_id AND s.installation_id = $1 AND s.kind IN ('seal', 'adopt', 'import') ORDER BY s.n DESC LIMIT 1)
		FROM vmo.ledger l
		WHERE l.installation_id = $1 AND l.kind IN ('begin', 'adopt', 'import') AND (l.job_id >= $2 OR l.kind = 'begin' AND l.n > $3 AND $3 > 0)
			AND NOT EXISTS (SELECT FROM vmo.job_event e WHERE e.job_id = l.job_id AND e.kind = 'end')
			AND NOT EXISTS (SELECT FROM vmo.ledger r WHERE r.job_id = l.job_id AND r.installation_id = $1 AND r.kind = 'remove')
		ORDER BY l.n`, s.id, from, int64(s.backlog.shared))
	if err != nil {
		return err
	}
	var u [16]byte
	var sealed []byte
	var added []*pending
	_, err = pgx.ForEachRow(rows, []any{&u, &sealed}, func() error {
		if p := s.backlog.add(jobID(u), true); p != nil {
			if says, err := (job.Entry{Body: sealed}).Statement(); err == nil {
				p.total = says.Bytes
			}
			added = append(added, p)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.askAbout(ctx, added)
}

// recall finds where in the ledger it was said from when on jobs are shipped.
func (s *shipper) recall(ctx context.Context) error {
	if s.backlog.from.IsZero() {
		return nil // all are
	}
	rows, err := s.conn.Query(ctx, `SELECT body FROM vmo.ledger WHERE installation_id = $1 AND kind = 'share' ORDER BY n`, s.id)
	if err != nil {
		return err
	}
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&body}, func() error {
		if says, err := (job.Entry{Body: body}).Statement(); err == nil {
			s.backlog.decided(says)
		}
		return nil
	})
	return err
}

// firstID is the first id of a moment.
func firstID(at time.Time) job.ID {
	ms := uint64(max(0, at.UnixMilli()))
	return jobID([16]byte{byte(ms >> 40), byte(ms >> 32), byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms)})
}

// askAbout brings pending jobs to where the archive has them.
func (s *shipper) askAbout(ctx context.Context, jobs []*pending) error {
	const page = 1000
	for ; len(jobs) > 0; jobs = jobs[min(page, len(jobs)):] {
		var ids [][16]byte
		for _, p := range jobs[:min(page, len(jobs))] {
			u, _ := uuid(p.id)
			ids = append(ids, u)
		}
		states, err := ask(ctx, s.conn, ids)
		if err != nil {
			return err
		}
		for _, p := range jobs[:min(page, len(jobs))] {
			t, is := states[p.id]
			if !is {
				continue
			}
			p.opened, p.started, p.next, p.done = true, t.started, t.next, t.done
			p.resumed, p.opening, p.chain = true, t.opening, t.chain
			if t.installation != s.id || t.end {
				s.elsewhere(p, t.installation != s.id)
			}
		}
	}
	s.backlog.clean()
	return nil
}

// elsewhere looks at a job that the archive has already, from another
// installation or because it is here for the second time: there is nothing to
// ship, unless it is another record under the same id.
func (s *shipper) elsewhere(p *pending, other bool) {
	x, err := s.backlog.look(p, 1)
	switch {
	case errors.Is(err, errDiffers):
		s.quarantine(p, err)
	case err == nil && len(x.part.Blocks) > 0 && !other && p.next > 0: // at 0 its output was removed there
		s.quarantine(p, fmt.Errorf("%w: it has ended there after block %d, and here it goes on", errDiffers, int64(p.next)-1))
	default:
		s.backlog.drop(p)
	}
}

func (s *shipper) quarantine(p *pending, err error) {
	s.a.cfg.Log.Error("a job differs from what the archive has", "job", string(p.id), "error", err)
	s.backlog.forked[p.id] = job.WithHint(err,
		"Nothing was overwritten. Compare them with: vmo verify "+string(p.id)+" and vmo verify --archive "+string(p.id))
	s.backlog.drop(p)
}

// partitions sees to it that the months from a moment on have partitions of their
// own. Where that cannot be done now, rows go into the default one.
func (s *shipper) partitions(ctx context.Context, since time.Time) error {
	now := time.Now()
	since = time.Date(since.UTC().Year(), since.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	if s.month == now.Month() && !since.Before(s.ensured) {
		return nil
	}
	err := s.query(ctx, func(ctx context.Context) error {
		_, err := s.conn.Exec(ctx, `SELECT vmo.ensure_partitions($1)`, since)
		return err
	})
	var pg *pgconn.PgError
	if err != nil && !errors.As(err, &pg) {
		return err
	}
	if err != nil {
		s.a.cfg.Log.Info("no partition for this month yet", "error", err)
	}
	if s.month = now.Month(); s.ensured.IsZero() || since.Before(s.ensured) {
		s.ensured = since
	}
	return nil
}

// next is when a job is to be looked at again at the latest, and whether anything
// that can be shipped is left.
func (s *shipper) next() (due time.Time, more bool) {
	due = time.Now().Add(s.a.pace.poll)
	if told := s.told.Add(s.a.pace.notify); len(s.news) > 0 && told.Before(due) {
		due = told
	}
	for _, p := range s.backlog.jobs {
		if p.tries > 0 || !p.opened {
			more = true
		}
		if p.due.Before(due) {
			due = p.due
		}
	}
	return due, more
}

// await waits for something new.
func (s *shipper) await(ctx context.Context, due time.Time) error {
	settle := time.NewTimer(s.a.pace.settle)
	defer settle.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-settle.C:
	}
	t := time.NewTimer(time.Until(due))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
	case <-s.a.retry:
		clear(s.backlog.aside)
		return s.query(ctx, s.resume)
	case <-s.a.nudge:
		for _, p := range s.backlog.jobs {
			if p.tries == 0 {
				p.due = time.Time{}
			}
		}
	}
	return nil
}

// talk tells colleagues what is new, and that this installation is here.
func (s *shipper) talk(ctx context.Context, now bool) error {
	t := time.Now()
	if len(s.news) > 0 && (now || t.Sub(s.told) >= s.a.pace.notify) {
		if _, err := s.conn.Exec(ctx, `SELECT pg_notify('vmo', $1)`, notice(s.news)); err != nil {
			return err
		}
		clear(s.news)
		s.told = t
	}
	if t.Sub(s.seen) < s.a.pace.presence {
		return nil
	}
	s.seen = t
	_, err := s.conn.Exec(ctx, `INSERT INTO vmo.presence (installation_id, laptop) VALUES ($1, $2)
		ON CONFLICT (installation_id) DO UPDATE SET laptop = excluded.laptop`, s.id, cut(s.a.cfg.Laptop, 200))
	return err
}

// notice is a list of ids, or, where it would be too long for a notice, a star:
// look at everything.
func notice(news map[job.ID]bool) string {
	const most = 200 // × 37 bytes; the server takes 8000
	if len(news) > most {
		return "*"
	}
	var b strings.Builder
	for id := range news {
		b.WriteString(string(id) + " ")
	}
	return b.String()
}
