package engine

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"vmorchestrator/internal/secret"
)

// A database that is taken out of the settings takes its password with it, and that
// of no other. The keychain is a real one of its own; see package secret.
func TestUseDatabase_TheOldPasswordIsForgotten(t *testing.T) {
	if os.Getenv("VMO_TEST_KEYCHAIN") == "" {
		for command, pkg := range map[string]string{"dbus-run-session": "dbus", "gnome-keyring-daemon": "gnome-keyring"} {
			if _, err := exec.LookPath(command); err != nil {
				t.Fatalf("%s is missing; install it: apt-get install %s", command, pkg)
			}
		}
		home := t.TempDir()
		cmd := exec.CommandContext(t.Context(), "dbus-run-session", "--", "sh", "-c",
			`printf secret | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$0" -test.run '^`+t.Name()+`$' -test.v`, os.Args[0])
		cmd.Env = append(os.Environ(), "VMO_TEST_KEYCHAIN=1", "VMO_KEYCHAIN=", "HOME="+home, "XDG_DATA_HOME="+home, "XDG_RUNTIME_DIR="+home, "XDG_CONFIG_HOME="+home)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("in a session with a keychain: %v\n%s", err, out)
		}
		return
	}
	e := open(t, config(t))
	stored := func(server string) bool {
		t.Helper()
		_, err := secret.Get(t.Context(), passwordName(server))
		if err != nil && !errors.Is(err, secret.ErrNone) {
			t.Fatal(err)
		}
		return err == nil
	}
	use := func(url string) {
		t.Helper()
		if err := e.UseDatabase(url); err != nil {
			t.Fatal(err)
		}
	}
	const first, second = "ann@127.0.0.1:1/vmo", "ann@127.0.0.1:1/other"
	use("postgres://" + first)
	if err := e.SetDatabasePassword(t.Context(), "päss"); err != nil || !stored(first) {
		t.Fatalf("it is not stored: %v", err)
	}
	if err := secret.Set(t.Context(), passwordName(second), "other"); err != nil {
		t.Fatal(err)
	}
	use("postgres://" + first + "?sslmode=disable") // the same one
	if !stored(first) {
		t.Error("it is gone although the database is the same")
	}
	use("postgres://" + second)
	if stored(first) || !stored(second) {
		t.Errorf("after another one was chosen: the first %t, the second %t", stored(first), stored(second))
	}
	use("")
	if stored(second) {
		t.Error("it is there without its database")
	}
}
