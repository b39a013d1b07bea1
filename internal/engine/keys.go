package engine

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
	"vmorchestrator/internal/secret"
)

// signingKey returns the key of this installation, and makes it when there is
// none. It is kept in the keychain; where there is none, in a file that only this
// user can read, and the ledger says so.
func (c Config) signingKey(ctx context.Context, installation string) (journal.Key, error) {
	name := "signing-key/" + installation
	text, err := secret.Get(ctx, name)
	switch {
	case err == nil:
		return parseKey(text, keptInKeychain)
	case errors.Is(err, secret.ErrUnavailable):
		return c.keyFile(installation)
	case !errors.Is(err, secret.ErrNone):
		return journal.Key{}, err
	}
	// A key that was kept in a file because there was no keychain moves into it.
	path := c.keyPath(installation)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = newKey(), nil
	}
	if err != nil {
		return journal.Key{}, fmt.Errorf("read the signing key: %w", err)
	}
	if err := secret.Set(ctx, name, strings.TrimSpace(string(data))); err != nil {
		return c.keyFile(installation)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return journal.Key{}, fmt.Errorf("remove the signing key that is in the keychain now: %w", err)
	}
	return parseKey(string(data), keptInKeychain)
}

const keptInKeychain = "the keychain of this system"

func (c Config) keyPath(installation string) string {
	return filepath.Join(c.ConfigDir, "signing-keys", installation)
}

// keyFile reads the key from its file, or makes both. Processes that start at
// once agree on one: the first to make the file.
func (c Config) keyFile(installation string) (journal.Key, error) {
	path := c.keyPath(installation)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return journal.Key{}, fmt.Errorf("make the signing key: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		temp, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
		if err != nil {
			return journal.Key{}, fmt.Errorf("make the signing key: %w", err)
		}
		defer os.Remove(temp.Name())
		_, err = temp.Write(newKey())
		if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
			err = os.Link(temp.Name(), path)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return journal.Key{}, fmt.Errorf("make the signing key: %w", err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return journal.Key{}, fmt.Errorf("read the signing key: %w", err)
	}
	return parseKey(string(data), "a file, because there was no keychain: "+path)
}

func newKey() []byte {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) //nolint:errcheck // never fails, see its documentation
	return []byte(base64.StdEncoding.EncodeToString(seed) + "\n")
}

func parseKey(text, kept string) (journal.Key, error) {
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(seed) != ed25519.SeedSize {
		return journal.Key{}, job.WithHint(fmt.Errorf("read the signing key from %s: %w: it is not a key", kept, job.ErrInvalid),
			"Remove it; the next job makes a new one, and the ledger says so.")
	}
	return journal.Key{Private: ed25519.NewKeyFromSeed(seed), Kept: kept}, nil
}

// trustedKey is the public key of this installation, as [job.EntryKey] has it;
// empty if there is none yet. It makes none.
func (c Config) trustedKey(ctx context.Context, installation string) (string, error) {
	text, err := secret.Get(ctx, "signing-key/"+installation)
	if errors.Is(err, secret.ErrUnavailable) || errors.Is(err, secret.ErrNone) {
		var data []byte
		if data, err = os.ReadFile(c.keyPath(installation)); errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		text = string(data)
	}
	if err != nil {
		return "", err
	}
	key, err := parseKey(text, "")
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(key.Private.Public().(ed25519.PublicKey)), nil
}
