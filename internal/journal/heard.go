package journal

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"vmorchestrator/internal/job"
)

// The catalogue has a copy of what the ledger says besides that jobs began and
// ended: a list of a thousand notes must not be read out of a million entries
// each time. Like everything there it is a cache: it follows the ledger, and is
// made anew if the ledger is another one.
const heardTables = `
CREATE TABLE IF NOT EXISTS said (
	n    INTEGER PRIMARY KEY, -- of the entry
	at   INTEGER NOT NULL,    -- milliseconds
	kind TEXT NOT NULL,
	job  TEXT NOT NULL,       -- that it is about; empty for none
	host TEXT NOT NULL,
	who  TEXT NOT NULL,
	text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS said_job ON said (job);
CREATE INDEX IF NOT EXISTS said_at ON said (at);
CREATE TABLE IF NOT EXISTS label (
	job  TEXT NOT NULL,
	text TEXT NOT NULL,
	n    INTEGER,             -- of the job in the list; null if it is not there
	PRIMARY KEY (job, text)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS label_text ON label (text, n);
CREATE TABLE IF NOT EXISTS heard (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	end INTEGER NOT NULL      -- so much of the ledger was read
);
`

// lifecycle is what most entries say, and what the list of jobs tells already.
var lifecycle = [][]byte{[]byte(`"kind":"begin"`), []byte(`"kind":"seal"`), []byte(`"kind":"adopt"`)}

// hearOften is how much of the ledger may be read again by the next process.
const hearOften = 1 << 20

// hear takes note of what is new in the ledger. What cannot be read now is tried
// again by the next call: a list without its newest note is better than none.
func (j *Journal) hear(ctx context.Context) {
	path := filepath.Join(j.dir, ledgerName)
	if info, err := os.Stat(path); err != nil || info.Size() == j.heard.Load() {
		return // there is none, or nothing new
	}
	if end, err := j.cat.hear(ctx, path, j.heard.Load()); err == nil {
		j.heard.Store(end)
	}
}

// hear reads a ledger from where it was read last. The caller may know that there
// is nothing of interest before a place.
func (c *catalogue) hear(ctx context.Context, path string, known int64) (end int64, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the ledger: %w", err)
	}
	defer f.Close()
	from, err := c.heard(ctx)
	if err != nil {
		return 0, err
	}
	from = max(from, known)
	again := from > 0 && !endsLine(f, from)
	if again { // it was cut, or is another one
		from = 0
	}
	var news []job.Statement
	end = from
	err = walkLedger(f, from, func(e job.Entry, to int64) (bool, error) {
		end = to
		for _, kind := range lifecycle {
			if bytes.Contains(e.Body, kind) {
				return false, ctx.Err()
			}
		}
		if s, err := e.Statement(); err == nil { // else verify tells of it
			news = append(news, s)
		}
		return false, ctx.Err()
	})
	if err != nil {
		return 0, fmt.Errorf("read the ledger: %w", err)
	}
	if len(news) == 0 && end-from < hearOften && !again {
		return end, nil
	}
	return end, c.change(ctx, func(tx *sql.Tx) error {
		if again {
			if err := unhear(tx); err != nil {
				return err
			}
		}
		for _, s := range news {
			if err := putSaid(tx, s); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO heard VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET end = ?1`, end)
		return err
	})
}

func (c *catalogue) heard(ctx context.Context) (end int64, err error) {
	err = c.db.QueryRowContext(ctx, `SELECT end FROM heard`).Scan(&end)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return end, err
}

// endsLine reports whether an entry ends at a place.
func endsLine(f *os.File, at int64) bool {
	b := make([]byte, 1)
	_, err := f.ReadAt(b, at-1)
	return err == nil && b[0] == '\n'
}

// putSaid writes an entry. Another process may have done so.
func putSaid(tx *sql.Tx, s job.Statement) error {
	about, text := s.Job, s.Why
	if s.About != "" {
		about = s.About
	}
	switch {
	case s.Text != "":
		text = s.Text
	case s.Kind == job.EntryKey:
		text = s.Kept
	}
	done, err := tx.Exec(`INSERT INTO said (n, at, kind, job, host, who, text) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		int64(s.N), s.At.UnixMilli(), string(s.Kind), string(about), s.Host, s.By, text)
	if err != nil {
		return err
	}
	if fresh, err := done.RowsAffected(); err != nil || fresh == 0 {
		return err
	}
	switch s.Kind {
	case job.EntryLabel:
		_, err = tx.Exec(`INSERT INTO label (job, text, n) VALUES (?1, ?2, (SELECT n FROM body WHERE id = ?1)) ON CONFLICT DO NOTHING`, string(about), text)
	case job.EntryUnlabel:
		_, err = tx.Exec(`DELETE FROM label WHERE job = ? AND text = ?`, string(about), text)
	}
	return err
}

// unhear forgets everything that was taken from the ledger.
func (c *catalogue) unhear(ctx context.Context) error {
	if err := c.change(ctx, unhear); err != nil {
		return fmt.Errorf("write the catalogue: %w", err)
	}
	return nil
}

func unhear(tx *sql.Tx) error {
	_, err := tx.Exec(`DELETE FROM said; DELETE FROM label; DELETE FROM heard`)
	return err
}
