package journal

import (
	"context"
	"database/sql"
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

const catalogueName = "catalogue-2.db"

// The numbers of the rows are in the order of the ids, so of time. What is
// filtered is kept apart from what is shown, in rows of a few bytes, and texts
// are kept once: to scan a hundred thousand jobs takes some 20 ms, less than an
// index of the texts takes to say which jobs have what most of them have.
const catalogueTables = `
CREATE TABLE IF NOT EXISTS job (
	n        INTEGER PRIMARY KEY, -- see place
	host     TEXT NOT NULL,
	target   TEXT NOT NULL,
	project  TEXT NOT NULL,
	operator TEXT NOT NULL,
	state    TEXT NOT NULL,
	text     INTEGER NOT NULL     -- number of a row in text
);
CREATE INDEX IF NOT EXISTS job_alive ON job (n) WHERE state IN ('pending', 'running');
CREATE INDEX IF NOT EXISTS job_count ON job (state, text, host, target, project, operator);
CREATE INDEX IF NOT EXISTS job_host ON job (host); -- with n, as every index
CREATE INDEX IF NOT EXISTS job_target ON job (target);
CREATE TABLE IF NOT EXISTS body (
	n    INTEGER PRIMARY KEY,
	id   TEXT NOT NULL UNIQUE,
	json TEXT NOT NULL -- the job
);
CREATE TABLE IF NOT EXISTS text (
	n    INTEGER PRIMARY KEY,
	text TEXT NOT NULL UNIQUE -- see searched
);
` + heardTables

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
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "temp_store(MEMORY)", "cache_size(-8000)",
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

// forget drops ended jobs whose segment is gone.
func (c *catalogue) forget(ctx context.Context, exists func(job.ID) bool) error {
	rows, err := c.db.QueryContext(ctx, `SELECT id FROM job JOIN body USING (n) WHERE state NOT IN ('pending', 'running')`)
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	defer rows.Close()
	var gone []job.ID
	for rows.Next() {
		var id job.ID
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("read the catalogue: %w", err)
		}
		if !exists(id) {
			gone = append(gone, id)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	return errors.Join(c.remove(ctx, gone...), c.tidy(ctx))
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
