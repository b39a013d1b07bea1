package secret

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

// The keychain is a real one of its own: gnome-keyring in a session bus that is
// started for this test, in a home that is thrown away.
func TestKeychain(t *testing.T) {
	if os.Getenv("VMO_TEST_KEYCHAIN") == "" {
		inKeychain(t)
		return
	}
	ctx := t.Context()
	if _, err := Get(ctx, "database-password/none"); !errors.Is(err, ErrNone) {
		t.Fatalf("Get of nothing: %v, want ErrNone", err)
	}
	const password = "päss word\n\"quoted\""
	if err := Set(ctx, "database-password/db", "old"); err != nil {
		t.Fatal(err)
	}
	if err := Set(ctx, "database-password/db", password); err != nil {
		t.Fatal(err)
	}
	if got, err := Get(ctx, "database-password/db"); got != password || err != nil {
		t.Fatalf("Get: %q, %v; want %q", got, err, password)
	}
	if err := Delete(ctx, "database-password/db"); err != nil {
		t.Fatal(err)
	}
	if err := Delete(ctx, "database-password/db"); err != nil {
		t.Fatalf("Delete of nothing: %v", err)
	}
	if _, err := Get(ctx, "database-password/db"); !errors.Is(err, ErrNone) {
		t.Fatalf("Get after Delete: %v, want ErrNone", err)
	}
}

// inKeychain runs this test once more, in a session with a keychain.
func inKeychain(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Log("the keychain of this system is the operator's own: not touched by tests")
		return
	}
	for command, pkg := range map[string]string{"dbus-run-session": "dbus", "gnome-keyring-daemon": "gnome-keyring"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Fatalf("%s is missing; install it: apt-get install %s", command, pkg)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	home := t.TempDir()
	cmd := exec.CommandContext(ctx, "dbus-run-session", "--", "sh", "-c",
		`printf secret | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$0" -test.run '^TestKeychain$' -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "VMO_TEST_KEYCHAIN=1", "VMO_KEYCHAIN=", "HOME="+home, "XDG_DATA_HOME="+home, "XDG_RUNTIME_DIR="+home, "XDG_CONFIG_HOME="+home)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in a session with a keychain: %v\n%s", err, out)
	}
}

func TestWithoutAKeychain(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"switched off":          {"VMO_KEYCHAIN": "off"},
		"no session bus":        {"VMO_KEYCHAIN": "", "DBUS_SESSION_BUS_ADDRESS": "", "XDG_RUNTIME_DIR": t.TempDir()},
		"a bus that is no more": {"VMO_KEYCHAIN": "", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"},
	} {
		if runtime.GOOS != "linux" && name != "switched off" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for k, v := range env {
				t.Setenv(k, v)
			}
			if _, err := Get(t.Context(), "x"); !errors.Is(err, ErrUnavailable) {
				t.Errorf("Get: %v, want ErrUnavailable", err)
			}
			if err := Set(t.Context(), "x", "y"); !errors.Is(err, ErrUnavailable) {
				t.Errorf("Set: %v, want ErrUnavailable", err)
			}
		})
	}
}
