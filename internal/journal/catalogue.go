package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite" // registers the driver

	"vmorchestrator/internal/job"
)

// catalogue lists jobs. It is a cache of the segments: whatever is wrong with
// it, it is set aside and made anew. Several processes share it.
//
// Its file name carries the version of its tables, so there is nothing to
// migrate and an older program cannot spoil the cache of a newer one.
type catalogue struct {
	db *sql.DB
}

const catalogueName = "catalogue-1.db"

const catalogueTables = `
CREATE TABLE IF NOT EXISTS job (
	id    TEXT PRIMARY KEY,     -- UUIDv7: the order of ids is the order of time
	state TEXT NOT NULL,
	body  TEXT NOT NULL         -- the job as JSON
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS job_alive ON job (id) WHERE state IN ('pending', 'running');
`

// openCatalogue opens the catalogue and makes it if there is none.
func openCatalogue(path string) (*catalogue, error) {
	// SQLite would make it readable for everybody; its other files take the mode
	// of this one.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the catalogue: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open the catalogue: %w", err)
	}
	query := url.Values{"_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "temp_store(MEMORY)",
	}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(path)}).EscapedPath()+"?"+query.Encode())
	if err != nil {
		return nil, fmt.Errorf("open the catalogue: %w", err)
	}
	db.SetMaxOpenConns(4)
	if _, err := db.Exec(catalogueTables); err != nil {
		return nil, errors.Join(fmt.Errorf("open the catalogue: %w", err), db.Close())
	}
	return &catalogue{db}, nil
}

// openCatalogueCopy opens a copy of the catalogue of a journal that cannot be
// written, where SQLite could not open it in place.
func openCatalogueCopy(path, into string) (*catalogue, error) {
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(into, catalogueName+suffix), data, 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("copy the catalogue: %w", err)
		}
	}
	return openCatalogue(filepath.Join(into, catalogueName))
}

// complete reports whether the catalogue has been made from all segments. An
// emptied file is a valid database without it.
func (c *catalogue) complete(ctx context.Context) bool {
	var v int
	return c.db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&v) == nil && v == 1
}

func (c *catalogue) setComplete(ctx context.Context) error {
	if _, err := c.db.ExecContext(ctx, `PRAGMA user_version = 1`); err != nil {
		return fmt.Errorf("write the catalogue: %w", err)
	}
	return nil
}

func (c *catalogue) close() error { return c.db.Close() }

// put writes jobs. One that has ended stays so: who read it before its end may
// write it later.
func (c *catalogue) put(jobs ...job.Job) error {
	tx, err := c.db.Begin()
	if err != nil {
		return fmt.Errorf("write the catalogue: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	stmt, err := tx.Prepare(`INSERT INTO job (id, state, body) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body
		WHERE job.state IN ('pending', 'running') OR excluded.state NOT IN ('pending', 'running')`)
	if err != nil {
		return fmt.Errorf("write the catalogue: %w", err)
	}
	defer stmt.Close()
	for _, j := range jobs {
		body, err := json.Marshal(j)
		if err != nil {
			return fmt.Errorf("write the catalogue: %w", err)
		}
		if _, err := stmt.Exec(string(j.ID), string(j.State), string(body)); err != nil {
			return fmt.Errorf("write the catalogue: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("write the catalogue: %w", err)
	}
	return nil
}

// forget drops ended jobs whose segment is gone.
func (c *catalogue) forget(ctx context.Context, exists func(job.ID) bool) error {
	rows, err := c.db.QueryContext(ctx, `SELECT id FROM job WHERE state NOT IN ('pending', 'running')`)
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	defer rows.Close()
	var gone []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("read the catalogue: %w", err)
		}
		if !exists(job.ID(id)) {
			gone = append(gone, id)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	for _, id := range gone {
		if _, err := c.db.ExecContext(ctx, `DELETE FROM job WHERE id = ?`, id); err != nil {
			return fmt.Errorf("write the catalogue: %w", err)
		}
	}
	return nil
}

// list returns up to limit jobs that are older than before, newest first.
func (c *catalogue) list(ctx context.Context, before job.ID, limit int) ([]job.Job, error) {
	if before == "" {
		before = "~" // sorts behind every id
	}
	return c.query(ctx, `SELECT body FROM job WHERE id < ? ORDER BY id DESC LIMIT ?`, string(before), limit)
}

// alive returns the jobs that have not ended, as far as the catalogue knows.
func (c *catalogue) alive(ctx context.Context) ([]job.Job, error) {
	return c.query(ctx, `SELECT body FROM job WHERE state IN ('pending', 'running') ORDER BY id`)
}

// prefix returns up to two jobs whose id begins so.
func (c *catalogue) prefix(ctx context.Context, p string) ([]job.Job, error) {
	return c.query(ctx, `SELECT body FROM job WHERE id >= ? AND id < ? ORDER BY id LIMIT 2`, p, p+"~")
}

// nth returns the n-th newest job, from 1, as a slice of one or none.
func (c *catalogue) nth(ctx context.Context, n int) ([]job.Job, error) {
	return c.query(ctx, `SELECT body FROM job ORDER BY id DESC LIMIT 1 OFFSET ?`, n-1)
}

func (c *catalogue) query(ctx context.Context, query string, args ...any) ([]job.Job, error) {
	rows, err := c.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	defer rows.Close()
	var jobs []job.Job
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		var j job.Job
		if err := json.Unmarshal(body, &j); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		jobs = append(jobs, j)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return jobs, nil
}

// version changes whenever another process has changed the catalogue. It must
// be asked on one connection.
func (c *catalogue) version(ctx context.Context, conn *sql.Conn) (v int64, err error) {
	err = conn.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&v)
	return v, err
}

// busy reports whether another process kept the catalogue locked for too long.
func busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == 5 || e.Code()&0xff == 6) // SQLITE_BUSY, SQLITE_LOCKED
}

// setAside moves a catalogue that cannot be used out of the way.
func setAside(path string) error {
	aside := path + ".broken-" + time.Now().UTC().Format("20060102T150405.000")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("set the broken catalogue aside: %w", err)
		}
	}
	return nil
}
