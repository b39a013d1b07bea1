package engine

import (
	"os"
	"testing"

	"vmorchestrator/internal/archive/archivetest"
)

// Tests never touch the keychain of the operator, nor a database of his.
func TestMain(m *testing.M) {
	if os.Getenv("VMO_TEST_KEYCHAIN") == "" { // there it is one of the test's own
		os.Setenv("VMO_KEYCHAIN", "off")
	}
	for _, name := range []string{"VMO_DATABASE_URL", "PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE"} {
		os.Unsetenv(name)
	}
	code := m.Run()
	archivetest.Stop()
	os.Exit(code)
}
