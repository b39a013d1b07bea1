package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vmorchestrator/internal/job"
)

// SchemaVersion is the number of the last migration, and of the tables that this
// program knows; oldestSchema is the first one that it can use.
const (
	SchemaVersion = 3
	oldestSchema  = 1 // what came since makes it faster
)

// marker is the comment by which a schema named vmo is known to be ours.
const marker = "the archive of VM Orchestrator"

// tables are what the schema must have; a migration that went through made all.
var tables = []string{"schema_version", "installation", "presence", "ledger", "job", "job_event", "block", "removal"}

// querier is a connection or a pool of them.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// What can be wrong with a database that answers.
var (
	errNoArchive = errors.New("there is no archive in this database")
	errNotOurs   = errors.New("the schema vmo in this database is not an archive of VM Orchestrator")
	errHalf      = errors.New("the archive in this database is incomplete: a migration was interrupted, or tables were dropped")
	errOlder     = errors.New("the archive in this database is older than this program")
	errNewer     = fmt.Errorf("the archive in this database was %w", job.ErrNewer)
	errOldServer = errors.New("the Postgres server is too old")
	errNoAccess  = errors.New("this login may not read the archive")
)

const (
	oldestServer  = 140000
	migrateAdvice = "Ask the owner of the archive to run: vmo db migrate"
)

// lookAt checks that a database has an archive that this program can use.
func lookAt(ctx context.Context, q querier) error {
	var server, there int
	var comment *string
	var exists, usage bool
	// Without descriptions, which would double the round trips of a program that
	// only lists a page.
	err := q.QueryRow(ctx, `
		SELECT current_setting('server_version_num')::int, n.oid IS NOT NULL, obj_description(n.oid, 'pg_namespace'),
			coalesce(has_schema_privilege(n.oid, 'USAGE'), false),
			(SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p') AND c.relname = ANY ($1))
		FROM (SELECT 1) one LEFT JOIN pg_namespace n ON n.nspname = 'vmo'`, pgx.QueryExecModeExec, tables).Scan(&server, &exists, &comment, &usage, &there)
	if err != nil {
		return err
	}
	switch {
	case server < oldestServer:
		return job.WithHint(fmt.Errorf("%w: version %d, at least 14 is needed", errOldServer, server/10000), "Use Postgres 14 or newer.")
	case !exists:
		return job.WithHint(errNoArchive, "Check the name of the database; if it is the right one, let its owner run: vmo db init")
	case comment == nil || *comment != marker:
		return job.WithHint(errNotOurs, "Use another database for the archive, or rename that schema.")
	case !usage:
		return job.WithHint(errNoAccess, "Ask the owner of the archive for: GRANT vmo_operator TO your login")
	}
	if there == 0 {
		return job.WithHint(errHalf, "Let the owner of the archive run: vmo db migrate")
	}
	if there < len(tables) {
		return job.WithHint(fmt.Errorf("%w (%d of %d tables are there)", errHalf, there, len(tables)),
			"Let the owner of the archive look at it, and restore it from a backup: vmo db status tells what is missing.")
	}
	var version, oldest, migrated int
	err = q.QueryRow(ctx, `SELECT version, oldest, (SELECT coalesce(max(version_id), 0) FROM vmo.migration)
		FROM vmo.schema_version ORDER BY version DESC LIMIT 1`, pgx.QueryExecModeExec).Scan(&version, &oldest, &migrated)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return job.WithHint(errHalf, migrateAdvice)
	case err != nil:
		return err
	}
	return usable(version, oldest, migrated, SchemaVersion)
}

// usable reports why tables of a version cannot be used by a program that knows
// them up to another one.
func usable(version, oldest, migrated, known int) error {
	switch {
	case version != migrated:
		return job.WithHint(fmt.Errorf("%w (its tables say version %d, its migrations %d)", errHalf, version, migrated), migrateAdvice)
	case oldest > known:
		return job.WithHint(fmt.Errorf("%w: its tables have version %d, this program knows up to %d", errNewer, version, known),
			"Update VM Orchestrator on this machine. Jobs go on and are recorded in the journal; they are shipped afterwards.")
	case version < oldestSchema:
		return job.WithHint(fmt.Errorf("%w: its tables have version %d, this program needs %d", errOlder, version, oldestSchema), migrateAdvice)
	}
	return nil
}
