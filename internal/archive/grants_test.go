package archive

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"vmorchestrator/internal/archive/archivetest"
)

// rows are one of each kind, inserted by the login that owns the installation.
const rows = `
	INSERT INTO vmo.installation (installation_id, laptop) VALUES ('i1', 'laptop');
	INSERT INTO vmo.presence (installation_id, laptop) VALUES ('i1', 'laptop');
	INSERT INTO vmo.ledger (installation_id, n, kind, job_id, at, body, sig) VALUES ('i1', 1, 'begin', '01980000-0000-7000-8000-000000000001', now(), '{}', '');
	INSERT INTO vmo.job (job_id, run_id, installation_id, claimed_operator, host, project, target, source, command, tty, queued_at, prelude, begin)
		VALUES ('01980000-0000-7000-8000-000000000001', NULL, 'i1', 'anna@laptop', '', '', '', '', 'true', false, now(), '', '{}');
	INSERT INTO vmo.job_event (job_id, kind, seq, at, body) VALUES ('01980000-0000-7000-8000-000000000001', 'start', 0, 1, '{}');
	INSERT INTO vmo.block (job_id, number, first_seq, last_seq, "offset", bytes, first_line, lines, first_at, last_at, raw_len, digest, chain, data)
		VALUES ('01980000-0000-7000-8000-000000000001', 0, 1, 1, 0, 1, 0, 0, 1, 1, 29, sha256(''), sha256(''), 'x');
`

func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestGrants(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	anna, bob := c.Login(t, "x", "vmo_operator"), c.Login(t, "x", "vmo_operator")
	viewer, owner, nobody := c.Login(t, "x", "vmo_viewer"), c.Login(t, "x", "vmo_owner"), c.Login(t, "x")
	if err := c.As(t, anna, db, rows); err != nil {
		t.Fatalf("an operator may not insert: %v", err)
	}

	every := []string{"installation", "presence", "ledger", "job", "job_event", "block", "removal", "schema_version", "alive"}
	const denied = "42501"
	for _, user := range []string{anna, bob, viewer} {
		for _, table := range every {
			if err := c.As(t, user, db, "SELECT * FROM vmo."+table); err != nil {
				t.Errorf("%s may not read %s: %v", user, table, err)
			}
			for _, sql := range []string{"DELETE FROM vmo.", "TRUNCATE vmo.", "DROP TABLE vmo.", "ALTER TABLE vmo."} {
				sql += table
				if strings.HasPrefix(sql, "ALTER") {
					sql += " DISABLE TRIGGER ALL"
				}
				if got := code(c.As(t, user, db, sql)); got != denied {
					t.Errorf("%s: %s: got %q, want %s", user, sql, got, denied)
				}
			}
		}
	}
	for _, test := range []struct{ name, user, sql string }{
		{"change output", anna, `UPDATE vmo.block SET data = 'y'`},
		{"change how it ended", anna, `UPDATE vmo.job_event SET body = 'y'`},
		{"change what it was", anna, `UPDATE vmo.job SET command = 'y'`},
		{"change a ledger", anna, `UPDATE vmo.ledger SET body = 'y'`},
		{"forge when it came", anna, `INSERT INTO vmo.job_event (job_id, kind, seq, at, body, state, received_at) VALUES ('01980000-0000-7000-8000-000000000001', 'end', 1, 1, '', 'failed', '2001-01-01')`},
		{"forge who it was", anna, `INSERT INTO vmo.installation (installation_id, laptop, operator) VALUES ('i2', 'x', '` + bob + `')`},
		{"forge who ran it", anna, strings.Replace(strings.Replace(section(rows, "vmo.job "), "job_id,", "operator, job_id,", 1), "VALUES (", "VALUES ('bob', ", 1)},
		{"forge when it was seen", anna, `UPDATE vmo.presence SET seen_at = '2101-01-01'`},
		{"claim another's installation", anna, `UPDATE vmo.presence SET installation_id = 'x'`},
		{"add a job to another's installation", bob, strings.ReplaceAll(section(rows, "vmo.job "), "0000001'", "0000002'")},
		{"add output to another's job", bob, strings.Replace(section(rows, "vmo.block"), "'01980000-0000-7000-8000-000000000001', 0", "'01980000-0000-7000-8000-000000000001', 1", 1)},
		{"end another's job", bob, `INSERT INTO vmo.job_event (job_id, kind, seq, at, body, state) VALUES ('01980000-0000-7000-8000-000000000001', 'end', 1, 1, '', 'failed')`},
		{"add to another's ledger", bob, strings.Replace(section(rows, "vmo.ledger"), "'i1', 1", "'i1', 2", 1)},
		{"claim a removal", anna, `INSERT INTO vmo.removal (kind, why) VALUES ('spill', 'x')`},
		{"pretend to be maintenance", anna, `SET vmo.maintenance = on; DELETE FROM vmo.block`},
		{"replicate", anna, `SET session_replication_role = replica`},
		{"make a table", anna, `CREATE TABLE vmo.x (y int)`},
		{"make a function", anna, `CREATE FUNCTION vmo.refuse_change() RETURNS int LANGUAGE sql AS 'SELECT 1'`},
		{"claim that a job runs", anna, `INSERT INTO vmo.alive VALUES ('01980000-0000-7000-8000-000000000009')`},
		{"begin a job without one", anna, `SELECT vmo.job_begins()`},
		{"retire", anna, `SELECT vmo.retire('{}', 'x')`},
		{"spill", anna, `SELECT vmo.spill('01980000-0000-7000-8000-000000000001', 0, 0, 'x')`},
		{"hand over", anna, `SELECT vmo.hand_over('i1', 'bob', 'x')`},
		{"become owner", anna, `SET ROLE vmo_owner`},
		{"read a partition past the policies", anna, `SELECT * FROM vmo.block_default`},
		{"viewer: insert", viewer, section(rows, "vmo.installation")},
		{"viewer: insert a block", viewer, section(rows, "vmo.block")},
		{"viewer: make partitions", viewer, `SELECT vmo.ensure_partitions()`},
		{"stranger: read", nobody, `SELECT * FROM vmo.job`},
	} {
		if got := code(c.As(t, test.user, db, test.sql)); got != denied {
			t.Errorf("%s: got %q, want %s\n%s", test.name, got, denied, test.sql)
		}
	}

	// Even the owner, and a superuser, only on purpose.
	for _, user := range []string{owner, archivetest.Admin} {
		for _, table := range []string{"installation", "ledger", "job", "job_event", "block"} {
			for _, sql := range []string{"DELETE FROM vmo." + table, "TRUNCATE vmo." + table + " CASCADE"} {
				if got := code(c.As(t, user, db, "SET ROLE vmo_owner; "+sql)); got != denied {
					t.Errorf("owner: %s: got %q, want %s", sql, got, denied)
				}
			}
		}
	}
	if err := c.As(t, bob, db, strings.ReplaceAll(rows, "'i1'", "'i2'")); code(err) != "23505" {
		t.Errorf("the same job from another installation: got %v", err)
	}
	for _, sql := range []string{
		`UPDATE vmo.presence SET laptop = 'other' WHERE installation_id = 'i1'`,
		`SELECT vmo.ensure_partitions('2001-01-01')`,
	} {
		if err := c.As(t, anna, db, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if err := c.As(t, owner, db, `SET ROLE vmo_owner; SELECT vmo.spill('01980000-0000-7000-8000-000000000001', 0, 0, 'a password')`); err != nil {
		t.Errorf("the owner may not spill: %v", err)
	}
	conn := c.Connect(t, viewer, db)
	defer conn.Close(t.Context())
	var data []byte
	var who, why string
	if err := conn.QueryRow(t.Context(), `SELECT data FROM vmo.block`).Scan(&data); err != nil || data != nil {
		t.Errorf("after the spill: data %q, %v", data, err)
	}
	if err := conn.QueryRow(t.Context(), `SELECT by_whom, why FROM vmo.removal`).Scan(&who, &why); err != nil || who != owner || why != "a password" {
		t.Errorf("the removal: by %q, why %q, %v", who, why, err)
	}
}

// section is the one statement of rows that is about a table.
func section(sql, table string) string {
	for s := range strings.SplitSeq(sql, ";\n") {
		if strings.Contains(s, "INSERT INTO "+table) {
			return s
		}
	}
	panic("no statement about " + table)
}
