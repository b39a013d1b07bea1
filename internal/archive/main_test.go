package archive

import (
	"os"
	"sync"
	"testing"

	"vmorchestrator/internal/archive/archivetest"
)

func TestMain(m *testing.M) {
	// What an operator has set must not reach a test.
	for _, name := range []string{"PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT"} {
		os.Unsetenv(name)
	}
	code := m.Run()
	archivetest.Stop()
	os.Exit(code)
}

var template struct {
	sync.Mutex
	name string
}

// newArchive makes a database with an archive in the shared cluster.
func newArchive(t testing.TB) (*archivetest.Cluster, string) {
	t.Helper()
	c := archivetest.Shared(t)
	template.Lock()
	defer template.Unlock()
	if template.name == "" {
		name := c.Name("template")
		c.Exec(t, "postgres", "CREATE DATABASE "+name)
		if err := Init(t.Context(), Config{URL: c.URL(archivetest.Admin, name)}); err != nil {
			t.Fatal(err)
		}
		template.name = name
	}
	return c, c.Database(t, template.name)
}

// operator is a login that may ship, and how it reaches the database.
func operator(t testing.TB, c *archivetest.Cluster, database string) (login, url string) {
	t.Helper()
	login = c.Login(t, "secret", "vmo_operator")
	return login, c.URL(login, database)
}
