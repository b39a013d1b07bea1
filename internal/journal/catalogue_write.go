package journal

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"vmorchestrator/internal/job"
)

// put writes jobs. One that has ended stays so: who read it before its end may
// write it later.
func (c *catalogue) put(jobs ...job.Job) error {
	err := c.change(context.Background(), func(tx *sql.Tx) error {
		for _, j := range jobs {
			if err := putJob(tx, j); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the catalogue: %w", err)
	}
	return nil
}

func putJob(tx *sql.Tx, j job.Job) error {
	j.Marks = job.Marks{} // they are not the record's; see heard
	body, err := json.Marshal(j)
	if err != nil {
		return err
	}
	var n int64
	var state job.State
	switch err := tx.QueryRow(`SELECT n, state FROM body JOIN job USING (n) WHERE id = ?`, string(j.ID)).Scan(&n, &state); {
	case errors.Is(err, sql.ErrNoRows):
		return insertJob(tx, j, body)
	case err != nil:
		return err
	case state.Final() && !j.State.Final():
		return nil
	}
	if state != j.State {
		if _, err := tx.Exec(`UPDATE job SET state = ? WHERE n = ?`, string(j.State), n); err != nil {
			return err
		}
	}
	_, err = tx.Exec(`UPDATE body SET json = ? WHERE n = ?`, string(body), n)
	return err
}

func insertJob(tx *sql.Tx, j job.Job, body []byte) error {
	n := place(j.ID)
	for { // two jobs of the same instant and almost the same chance: either may come first
		var taken int
		err := tx.QueryRow(`SELECT 1 FROM job WHERE n = ?`, n).Scan(&taken)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return err
		}
		n++
	}
	text := searched(j)
	if _, err := tx.Exec(`INSERT INTO text (text) VALUES (?) ON CONFLICT DO NOTHING`, text); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO job (n, host, target, project, operator, state, text)
		VALUES (?, ?, ?, ?, ?, ?, (SELECT n FROM text WHERE text = ?))`,
		n, j.Host, j.Target, j.Project, j.Operator, string(j.State), text); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO body (n, id, json) VALUES (?, ?, ?)`, n, string(j.ID), string(body)); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE label SET n = ? WHERE job = ?`, n, string(j.ID))
	return err
}

// searched is the text of a job that Filter.Text is looked for in.
func searched(j job.Job) string {
	return folded(strings.Join([]string{j.Host, j.Project, j.Target, j.Source, strings.Join(j.Argv, " ")}, "\n"))
}

// folded makes texts equal that differ in upper and lower case only.
func folded(text string) string { return strings.ToLower(text) }

// place is the number of a job's row: what its id says about time, and as much
// of the rest as there is room for. The order is that of the ids.
func place(id job.ID) int64 {
	u, err := uuid.Parse(string(id))
	if err != nil {
		return 0
	}
	// 48 bits of milliseconds, 4 of version, 12 of fractions or chance, 2 of
	// variant, then chance.
	high := binary.BigEndian.Uint64(u[:])
	return int64(high>>16<<15 | high&0xfff<<3 | uint64(u[8]>>3&7))
}

// remove drops jobs from the list.
func (c *catalogue) remove(ctx context.Context, ids ...job.ID) error {
	err := c.change(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			for _, statement := range []string{
				`DELETE FROM job WHERE n = (SELECT n FROM body WHERE id = ?)`,
				`DELETE FROM body WHERE id = ?`,
				`UPDATE label SET n = NULL WHERE job = ?`,
			} {
				if _, err := tx.ExecContext(ctx, statement, string(id)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the catalogue: %w", err)
	}
	return nil
}

// tidy drops texts that no job has any more.
func (c *catalogue) tidy(ctx context.Context) error {
	if _, err := c.db.ExecContext(ctx, `DELETE FROM text WHERE n NOT IN (SELECT text FROM job)`); err != nil {
		return fmt.Errorf("write the catalogue: %w", err)
	}
	return nil
}

func (c *catalogue) change(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}
