// Package secret keeps what must not stand in a file: passwords and signing keys,
// in the keychain of the operator's system (Keychain on macOS, the Credential
// Manager on Windows, the Secret Service on Linux).
//
// There may be none, or a locked one: on a server, in a container, in a session
// over SSH. That is ErrUnavailable, and what happens then is the caller's choice;
// nothing is ever written anywhere else from here. VMO_KEYCHAIN=off makes it so.
package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/zalando/go-keyring"
)

// service is the name under which the keychain shows the secrets.
const service = "vm-orchestrator"

var (
	// ErrNone means that there is no such secret.
	ErrNone = errors.New("there is no such secret")
	// ErrUnavailable means that there is no keychain, or that it did not answer.
	ErrUnavailable = errors.New("there is no keychain")
)

// Get returns the secret of a name.
func Get(ctx context.Context, name string) (string, error) {
	var value string
	err := ask(ctx, func() (err error) {
		value, err = keyring.Get(service, name)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read %s from the keychain: %w", name, err)
	}
	return value, nil
}

// Set stores a secret under a name, in place of the one before.
func Set(ctx context.Context, name, value string) error {
	if err := ask(ctx, func() error { return keyring.Set(service, name, value) }); err != nil {
		return fmt.Errorf("store %s in the keychain: %w", name, err)
	}
	return nil
}

// Delete removes the secret of a name. It is no error if there is none.
func Delete(ctx context.Context, name string) error {
	err := ask(ctx, func() error { return keyring.Delete(service, name) })
	if err != nil && !errors.Is(err, ErrNone) {
		return fmt.Errorf("remove %s from the keychain: %w", name, err)
	}
	return nil
}

// ask calls the keychain and stops waiting when the context ends. The library
// knows no contexts: a keychain that never answers keeps its goroutine, which is
// why nobody can wait for it.
func ask(ctx context.Context, do func() error) error {
	if why := missing(); why != "" {
		return fmt.Errorf("%w: %s", ErrUnavailable, why)
	}
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		switch {
		case errors.Is(err, keyring.ErrNotFound):
			return ErrNone
		case err != nil:
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: it did not answer: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// missing tells why there can be no keychain. Without a session bus the library
// would start one of its own, which nobody would end.
func missing() string {
	if os.Getenv("VMO_KEYCHAIN") == "off" {
		return "VMO_KEYCHAIN is off"
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" || os.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return ""
	}
	if _, err := os.Stat(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "bus")); os.Getenv("XDG_RUNTIME_DIR") != "" && err == nil {
		return ""
	}
	return "no session bus in DBUS_SESSION_BUS_ADDRESS"
}

// Probe reports whether there is a keychain that answers, nil if so. It reads a
// secret that nobody stores; one that is locked may ask to be unlocked.
func Probe(ctx context.Context) error {
	if _, err := Get(ctx, "probe"); err != nil && !errors.Is(err, ErrNone) {
		return err
	}
	return nil
}
