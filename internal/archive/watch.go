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

// Watch calls news with each job of which the archive got something, until the
// context ends. It listens for notices, which may get lost and do not pass a
// pooler, and looks behind them every two seconds. While the server is away it
// waits; what came meanwhile is told afterwards. A job may be told more than once.
func (a *Archive) Watch(ctx context.Context, news func(job.ID)) error {
	w := watcher{a: a, news: news, told: map[job.ID]time.Time{}}
	wait := a.pace.backoff
	for {
		begun := time.Now()
		err := w.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(begun) > a.pace.maxBack {
			wait = a.pace.backoff
		}
		if c := classify(err); c == classAuth || errors.Is(err, ErrNotConfigured) {
			return a.explain(err) // the caller watches again when that was put right
		} else if c == classStop {
			wait = a.pace.slow
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		wait = min(2*wait, a.pace.maxBack)
	}
}

type watcher struct {
	a     *Archive
	news  func(job.ID)
	since time.Time // by the clock of the server; zero before the first look
	told  map[job.ID]time.Time
}

func (w *watcher) session(ctx context.Context) error {
	cfg, err := w.a.cfg.parse()
	if err != nil {
		return err
	}
	if err := w.a.givePassword(ctx, &cfg.Config); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(ctx) //nolint:errcheck // it only listened
	}()
	bounded, cancel := context.WithTimeout(ctx, w.a.pace.query)
	defer cancel()
	if err := lookAt(bounded, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(bounded, `LISTEN vmo`); err != nil {
		return err
	}
	for {
		if err := w.look(ctx, conn); err != nil {
			return err
		}
		if err := w.listen(ctx, conn); err != nil {
			return err
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
	if err := conn.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return err
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
