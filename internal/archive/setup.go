package archive

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"vmorchestrator/internal/job"
)

//go:embed migrations/*.sql
var migrations embed.FS

// SetupSQL is what has to be run once in a database by somebody who may create
// roles and schemas there, as a superuser may. [Init] runs it; where an
// administrator of databases has to, it is for him. It may be run again.
const SetupSQL = `DO $$
DECLARE
	r text;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('vmo.setup')); -- two at once wait for each other
	FOREACH r IN ARRAY ARRAY['vmo_owner', 'vmo_viewer', 'vmo_operator'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
			BEGIN
				EXECUTE format('CREATE ROLE %I NOLOGIN', r);
			EXCEPTION WHEN duplicate_object OR unique_violation THEN
				NULL; -- roles belong to all databases of a server: another one made it
			END;
		END IF;
	END LOOP;
	IF NOT pg_has_role('vmo_operator', 'vmo_viewer', 'MEMBER') THEN
		GRANT vmo_viewer TO vmo_operator;
	END IF;
	IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
		BEGIN
			GRANT vmo_owner TO CURRENT_USER;
		EXCEPTION WHEN insufficient_privilege THEN
			NULL; -- it was given to this login by somebody else, or what follows fails
		END;
	END IF;
	IF to_regnamespace('vmo') IS NULL THEN
		CREATE SCHEMA vmo AUTHORIZATION vmo_owner;
		COMMENT ON SCHEMA vmo IS '` + marker + `';
		GRANT USAGE ON SCHEMA vmo TO vmo_viewer;
	END IF;
END $$;
`

// Init makes an archive in a database: the roles, the schema and its tables. It
// may be run again, and does then what is missing. Who runs it must be allowed
// to create roles, unless they are there, and schemas; the error says what an
// administrator has to run otherwise.
func Init(ctx context.Context, cfg Config) error {
	a := Open(cfg)
	conn, err := a.connect(ctx)
	if err != nil {
		return fmt.Errorf("make the archive: %w", a.explain(err))
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left to send
	if err := lookAt(ctx, conn); errors.Is(err, errNotOurs) || errors.Is(err, errOldServer) {
		return fmt.Errorf("make the archive: %w", err)
	}
	if _, err := conn.Exec(ctx, SetupSQL, pgx.QueryExecModeSimpleProtocol); err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "42501" {
			err = job.WithHint(fmt.Errorf("the login %s may not do what is needed once: %s", conn.Config().User, pg.Message),
				fmt.Sprintf("Let an administrator of databases run this in the database %s, then run: vmo db migrate\n\n%s\nGRANT vmo_owner TO %s;\n",
					conn.Config().Database, SetupSQL, pgx.Identifier{conn.Config().User}.Sanitize()))
			return fmt.Errorf("make the archive: %w", err)
		}
		return fmt.Errorf("make the archive: %w", a.explain(err))
	}
	_, err = Migrate(ctx, cfg)
	return err
}

// Migrate brings the tables of the archive to the version that this program
// knows, and returns which that is. Only a member of the role vmo_owner may. It
// goes forward only, each step in a transaction, and two at once wait for each
// other.
func Migrate(ctx context.Context, cfg Config) (version int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("migrate the archive: %w", err)
		}
	}()
	a := Open(cfg)
	conn, err := a.connectAsOwner(ctx)
	if conn != nil {
		defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left to send
	}
	if err != nil && !errors.Is(err, errHalf) && !errors.Is(err, errOlder) {
		return 0, err
	}
	if err := migrate(ctx, conn.Config(), migrations); err != nil {
		return 0, a.explain(err)
	}
	if err := lookAt(ctx, conn); err != nil {
		return 0, a.explain(err)
	}
	return SchemaVersion, nil
}

// connectAsOwner connects, becomes the owner and looks at what there is. There is
// a connection with every error of lookAt, too.
func (a *Archive) connectAsOwner(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := a.cfg.parse()
	if err != nil {
		return nil, err
	}
	if err := a.givePassword(ctx, &cfg.Config); err != nil {
		return nil, err
	}
	cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, a.explain(err)
	}
	return conn, a.explain(lookAtAsOwner(ctx, conn))
}

// lookAtAsOwner becomes the owner and looks at what there is.
func lookAtAsOwner(ctx context.Context, conn *pgx.Conn) error {
	var there, member bool
	err := conn.QueryRow(ctx, `SELECT to_regrole('vmo_owner') IS NOT NULL,
		coalesce(pg_has_role(to_regrole('vmo_owner'), 'MEMBER'), false)`).Scan(&there, &member)
	switch {
	case err != nil:
		return err
	case !there:
		return job.WithHint(errNoArchive, "Run: vmo db init")
	case !member:
		return job.WithHint(fmt.Errorf("the login %s does not own the archive", conn.Config().User),
			"Use a login that belongs to vmo_owner, or ask an administrator for: GRANT vmo_owner TO "+pgx.Identifier{conn.Config().User}.Sanitize())
	}
	if _, err := conn.Exec(ctx, `SET ROLE vmo_owner`); err != nil {
		return err
	}
	return lookAt(ctx, conn)
}

func migrate(ctx context.Context, cfg *pgx.ConnConfig, files fs.FS) error {
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // tables change between statements
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `SET ROLE vmo_owner; SET search_path = vmo; SET lock_timeout = '1min'`, pgx.QueryExecModeSimpleProtocol)
		return err
	}))
	defer db.Close()
	return migrateDB(ctx, db, files)
}

func migrateDB(ctx context.Context, db *sql.DB, files fs.FS) error {
	dir, err := fs.Sub(files, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, uint64(5*time.Minute/time.Second)))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir,
		goose.WithTableName("vmo.migration"), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}
