package archive

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
)

// check looks at a database as a login does before anything else.
func check(t *testing.T, c *archivetest.Cluster, user, database string) error {
	t.Helper()
	conn := c.Connect(t, user, database)
	defer conn.Close(t.Context())
	return lookAt(t.Context(), conn)
}

func TestInit_MakesAnArchiveAndMayBeRunAgain(t *testing.T) {
	t.Parallel()
	c := archivetest.Shared(t)
	db := c.Database(t, "")
	cfg := Config{URL: c.URL(archivetest.Admin, db)}
	for range 2 {
		if err := Init(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	if err := check(t, c, c.Login(t, "x", "vmo_viewer"), db); err != nil {
		t.Errorf("a viewer finds: %v", err)
	}
}

// Roles belong to all databases of a server.
func TestInit_OfManyDatabasesAtOnce(t *testing.T) {
	t.Parallel()
	c := archivetest.New(t)
	var all sync.WaitGroup
	for range 5 {
		db := c.Database(t, "")
		for range 2 {
			all.Go(func() {
				if err := Init(t.Context(), Config{URL: c.URL(archivetest.Admin, db)}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
}

// The owner of a database who may create roles need not be a superuser.
func TestInit_BySomebodyWhoMayCreateRoles(t *testing.T) {
	t.Parallel()
	c := archivetest.New(t)
	dba := c.Login(t, "x")
	c.Exec(t, "postgres", "ALTER ROLE "+dba+" CREATEROLE")
	c.Exec(t, "postgres", "CREATE DATABASE team OWNER "+dba)
	if err := Init(t.Context(), Config{URL: c.URL(dba, "team")}); err != nil {
		t.Fatal(err)
	}
}

func TestInit_WithoutRightsSaysWhatAnAdministratorHasToRun(t *testing.T) {
	t.Parallel()
	c := archivetest.New(t)
	anna := c.Login(t, "x")
	db := c.Database(t, "")
	err := Init(t.Context(), Config{URL: c.URL(anna, db)})
	hint := job.HintOf(err)
	_, sql, found := strings.Cut(hint, "\n")
	if err == nil || !found {
		t.Fatalf("got %v, hint %q; want one with SQL", err, hint)
	}
	c.Exec(t, db, sql)
	if v, err := Migrate(t.Context(), Config{URL: c.URL(anna, db)}); err != nil || v != SchemaVersion {
		t.Fatalf("after it was run: version %d, %v", v, err)
	}
	if err := check(t, c, anna, db); err != nil {
		t.Error(err)
	}
}

func TestMigrate_IsForTheOwner(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	login, url := operator(t, c, db)
	_, err := Migrate(t.Context(), Config{URL: url})
	if err == nil || !strings.Contains(job.HintOf(err), "GRANT vmo_owner TO \""+login+"\"") {
		t.Errorf("got %v, hint %q", err, job.HintOf(err))
	}
}

func TestLookAt_TellsWhatIsWrongWithADatabase(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, sql string
		want      error
	}{
		{"as it should be", ``, nil},
		{"no archive", `DROP SCHEMA vmo CASCADE`, errNoArchive},
		{"a schema of that name that is not ours", `DROP SCHEMA vmo CASCADE; CREATE SCHEMA vmo; CREATE TABLE vmo.job (x int)`, errNotOurs},
		{"no table yet", `DROP SCHEMA vmo CASCADE; CREATE SCHEMA vmo; GRANT USAGE ON SCHEMA vmo TO vmo_viewer; COMMENT ON SCHEMA vmo IS '` + marker + `'`, errHalf},
		{"a table is missing", `DROP TABLE vmo.job_event CASCADE`, errHalf},
		{"half migrated", `INSERT INTO vmo.migration (version_id, is_applied) SELECT max(version_id) + 1, true FROM vmo.migration`, errHalf},
		{"newer than this program", `INSERT INTO vmo.migration (version_id, is_applied) VALUES (7, true); INSERT INTO vmo.schema_version VALUES (7, 5)`, errNewer},
		{"newer, in a way that this program can use", `INSERT INTO vmo.migration (version_id, is_applied) VALUES (7, true); INSERT INTO vmo.schema_version VALUES (7, 1)`, nil},
		{"older than this program", `SET vmo.maintenance = on; SET ROLE vmo_owner; UPDATE vmo.schema_version SET version = version - ` + strconv.Itoa(SchemaVersion) + `; RESET ROLE; DELETE FROM vmo.migration WHERE version_id > 0`, errOlder},
		{"not readable", `REVOKE USAGE ON SCHEMA vmo FROM vmo_viewer`, errNoAccess},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, db := newArchive(t)
			login := c.Login(t, "x", "vmo_viewer")
			c.Exec(t, db, test.sql)
			err := check(t, c, login, db)
			if !errors.Is(err, test.want) || (err != nil && job.HintOf(err) == "") {
				t.Errorf("got %v, hint %q; want %v", err, job.HintOf(err), test.want)
			}
		})
	}
}

// uptoSchema are the migrations up to one.
func uptoSchema(t *testing.T, version int) fstest.MapFS {
	t.Helper()
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(names) != SchemaVersion {
		t.Fatalf("%d migrations, %v; want %d", len(names), err, SchemaVersion)
	}
	files := fstest.MapFS{}
	for _, name := range names[:version] {
		data, err := fs.ReadFile(migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	return files
}

// A migration that fails leaves nothing of itself, and the next attempt goes on.
func TestMigrate_IsWholeOrNot(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	run := func(next string) error {
		cfg, err := pgx.ParseConfig(c.URL(archivetest.Admin, db))
		if err != nil {
			t.Fatal(err)
		}
		pool := stdlib.OpenDB(*cfg)
		defer pool.Close()
		files := uptoSchema(t, SchemaVersion)
		files["migrations/9999_more.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + next)}
		return migrateDB(t.Context(), pool, files)
	}
	if err := run("CREATE TABLE vmo.more (x int);\nSELECT 1/0;"); err == nil {
		t.Fatal("a migration that divides by zero went through")
	}
	if err := check(t, c, archivetest.Admin, db); err != nil {
		t.Errorf("after a migration that failed: %v", err)
	}
	if err := run("CREATE TABLE vmo.more (x int);\nINSERT INTO vmo.schema_version VALUES (9999, 9999);"); err != nil {
		t.Error(err)
	}
	if err := check(t, c, archivetest.Admin, db); !errors.Is(err, errNewer) {
		t.Errorf("after a migration of a newer version: got %v, want %v", err, errNewer)
	}
}
