package archive

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"vmorchestrator/internal/job"
)

// overlap is how far back a look for news goes once more: what was inserted then
// may have been committed since.
const overlap = 30 * time.Second

// AwayAfter is how long a machine may say nothing before it counts as away: it
// says that it is there every ten seconds.
const AwayAfter = 30 * time.Second

// Watch calls news with each job of which the archive got something, until the
// context ends. It listens for notices, which may get lost and do not pass a
// pooler, and looks behind them every two seconds. A job may be told more than once.
//
// The empty id says that anything may be new: it listens from now on, or cannot any
// more, or a machine came or went. While the server is away it tries again; what
// came meanwhile is told afterwards. A login that is refused is not tried again
// before Retry or Rewatch. It fails only if no archive is configured.
func (a *Archive) Watch(ctx context.Context, news func(job.ID)) error {
	w := watcher{a: a, news: news, told: map[job.ID]time.Time{}}
	wait := a.pace.backoff
	for {
		select {
		case <-a.rewatch: // this is what was asked for
		default:
		}
		listened, err := w.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrNotConfigured) {
			return a.explain(err)
		}
		if listened {
			news("")
			wait = a.pace.backoff
		}
		pause := wait
		switch classify(err) {
		case classAuth:
			pause = 0
		case classStop:
			pause = a.pace.slow
		}
		if again, asked := a.unwatched(ctx, pause); !again {
			return nil
		} else if asked {
			wait = a.pace.backoff
		} else {
			wait = min(2*wait, a.pace.rewatch)
		}
	}
}

// unwatched waits before the next attempt to listen, for ever if d is zero, and
// reports whether there is one, and whether Rewatch asked for it.
func (a *Archive) unwatched(ctx context.Context, d time.Duration) (again, asked bool) {
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-ctx.Done():
		return false, false
	case <-a.rewatch:
		return true, true
	case <-over:
		return true, false
	}
}

// Rewatch lets a Watch that waits try again at once.
func (a *Archive) Rewatch() {
	select {
	case a.rewatch <- struct{}{}:
	default:
	}
}

type watcher struct {
	a     *Archive
	news  func(job.ID)
	since time.Time // by the clock of the server; zero before the first look
	told  map[job.ID]time.Time
	away  string // the machines that were away at the last look
}

// session watches until something fails, and reports whether it came to listening.
func (w *watcher) session(ctx context.Context) (listened bool, err error) {
	cfg, err := w.a.cfg.parse()
	if err != nil {
		return false, err
	}
	if err := w.a.givePassword(ctx, &cfg.Config); err != nil {
		return false, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(ctx) //nolint:errcheck // it only listened
	}()
	bounded, cancel := context.WithTimeout(ctx, w.a.pace.query)
	defer cancel()
	if err := lookAt(bounded, conn); err != nil {
		return false, err
	}
	if _, err := conn.Exec(bounded, `LISTEN vmo`); err != nil {
		return false, err
	}
	for {
		if err := w.look(ctx, conn); err != nil {
			return listened, err
		}
		if !listened {
			w.news("") // what was asked for before may be old by now
			listened = true
		}
		if err := w.listen(ctx, conn); err != nil {
			return listened, err
		}
	}
}

// listen tells what notices say, until it is time for a look.
func (w *watcher) listen(ctx context.Context, conn *pgx.Conn) error {
	bounded, cancel := context.WithTimeout(ctx, w.a.pace.watch)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(bounded)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case pgconn.Timeout(err):
			return nil
		case err != nil:
			return err
		case n.Payload == "*":
			return nil // more than fit into a notice: look
		}
		for field := range strings.FieldsSeq(n.Payload) { // anybody in this database can send notices
			if id, err := job.ParseID(field); err == nil {
				w.news(id)
			}
		}
	}
}

// look tells what came since the last one.
func (w *watcher) look(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, w.a.pace.query)
	defer cancel()
	var now time.Time
	var away string
	err := conn.QueryRow(ctx, `SELECT clock_timestamp(), coalesce(string_agg(installation_id, ' ' ORDER BY installation_id)
		FILTER (WHERE seen_at < clock_timestamp() - make_interval(secs => $1)), '') FROM vmo.presence`, w.a.pace.away.Seconds()).Scan(&now, &away)
	if err != nil {
		return err
	}
	if away != w.away {
		w.away = away
		w.news("") // of which nothing else tells
	}
	if w.since.IsZero() {
		w.since = now
		return nil
	}
	rows, err := conn.Query(ctx, `
		SELECT job_id, max(at) FROM (
			SELECT job_id, received_at AS at FROM vmo.job WHERE received_at > $1
			UNION ALL SELECT job_id, received_at FROM vmo.job_event WHERE received_at > $1
			UNION ALL SELECT job_id, received_at FROM vmo.block WHERE received_at > $1
			UNION ALL SELECT job_id, at FROM vmo.removal WHERE at > $1 AND job_id IS NOT NULL
		) n GROUP BY job_id`, w.since.Add(-overlap))
	if err != nil {
		return err
	}
	var u [16]byte
	var at time.Time
	told := map[job.ID]time.Time{}
	_, err = pgx.ForEachRow(rows, []any{&u, &at}, func() error {
		id := jobID(u)
		told[id] = at
		if at.After(w.told[id]) {
			w.news(id)
		}
		return nil
	})
	if err == nil {
		w.told, w.since = told, now
	}
	return err
}
