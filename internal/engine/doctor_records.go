package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"vmorchestrator/internal/archive"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
	"vmorchestrator/internal/secret"
)

func (c Check) failed(err error) Check {
	c.OK, c.Found, c.Next = false, err.Error(), job.HintOf(err)
	return c
}

func brokenJournal(c Config, err error) Check {
	return Check{Name: "journal", Origin: c.DataDir}.failed(err)
}

func (e *Engine) journalCheck(ctx context.Context) Check {
	c := Check{Name: "journal"}
	if err := e.journal.ReadOnly(); err != nil {
		return c.failed(err)
	}
	health, err := e.journal.Health(ctx)
	if err != nil {
		return c.failed(err)
	}
	c.OK, c.Found = true, fmt.Sprintf("%s, %s, %d MiB free, SQLite %s", e.journal.Dir(), count(health.Jobs, "job"), health.Free>>20, health.SQLite)
	return c
}

// storageCheck warns of folders where a journal does not keep what it promises:
// what is locked or flushed there is so for one machine, if at all.
func (e *Engine) storageCheck(context.Context) Check {
	dir := e.journal.Dir()
	c := Check{Name: "storage", OK: true, Optional: true, Origin: dir}
	s, err := journal.StorageOf(dir)
	if err != nil {
		c.OK, c.Found = false, err.Error()
		return c
	}
	c.Found = s.FileSystem
	const move = "Records may be damaged there, and two machines must not write into one journal. Move the folder to a disk of this machine and name it in VMO_DATA_DIR; for the team there is the database."
	switch {
	case s.Network:
		c.OK, c.Found, c.Next = false, s.FileSystem+", a file system over the network", move
	case s.Synced != "":
		c.OK, c.Found, c.Next = false, s.FileSystem+", in a folder that "+s.Synced+" copies elsewhere", move
	}
	return c
}

func (e *Engine) ledgerCheck(context.Context) Check {
	c := Check{Name: "ledger", OK: true}
	n, _, err := e.journal.Head()
	if err != nil {
		return c.failed(err)
	}
	c.Found = fmt.Sprintf("%d entries", n)
	if n == 1 {
		c.Found = "1 entry"
	}
	return c
}

// keyCheck tells where the signing key is. It makes none.
func (e *Engine) keyCheck(ctx context.Context) Check {
	c := Check{Name: "signing key", OK: true, Optional: true, Found: "none yet; the first job makes it"}
	text, err := secret.Get(ctx, "signing-key/"+e.journal.ID())
	path := e.config.keyPath(e.journal.ID())
	switch {
	case err == nil:
		c.Found = "in " + keptInKeychain
	case errors.Is(err, secret.ErrNone), errors.Is(err, secret.ErrUnavailable):
		data, ferr := os.ReadFile(path)
		if errors.Is(ferr, fs.ErrNotExist) {
			return c
		}
		if ferr != nil {
			return c.failed(fmt.Errorf("read the signing key: %w", ferr))
		}
		text, c.Origin, c.Found = string(data), path, "in a file that only this user may read"
	default:
		return c.failed(err)
	}
	if _, err := parseKey(text, c.Found); err != nil {
		return c.failed(err)
	}
	return c
}

func (e *Engine) databaseCheck(ctx context.Context) Check {
	c := Check{Name: "database", OK: true, Optional: true}
	s := e.Archive()
	c.Origin = s.Origin
	switch {
	case s.State == string(archive.Off):
		c.Found = "none; records stay on this machine"
		return c
	case s.State == string(archive.Stopped):
		c.OK, c.Found, c.Next = false, s.Error, s.Hint
		return c
	}
	d, err := e.CheckDatabase(ctx, "")
	if err != nil {
		return c.failed(err)
	}
	c.Found = fmt.Sprintf("%s, Postgres %s, schema %d, as %s, %s; it has %d of %d entries of the ledger", d.Server, d.Postgres, d.Schema, d.May, d.Transport, d.Entries, d.Ledger)
	switch faults := len(s.Quarantined) + len(s.SetAside); {
	case s.State == ArchiveAsks:
		c.OK, c.Next = false, s.Hint
	case faults > 0:
		c.OK, c.Found, c.Next = false, c.Found+"; "+count(faults, "job")+" not copied", "See which, and why, with: vmo db status"
	}
	return c
}

func (e *Engine) settingsCheck(context.Context) Check {
	c := Check{Name: "settings", OK: true, Found: e.settings.path}
	if _, err := e.settings.read(); err != nil {
		return c.failed(err)
	}
	data, err := os.ReadFile(e.settings.path)
	if errors.Is(err, fs.ErrNotExist) {
		c.Found += ", not there yet"
	} else if faults := e.settings.faults(data); len(faults) > 0 {
		c.OK, c.Optional, c.Found = false, true, strings.Join(faults, "; ")
		c.Next = "That has no effect. Correct it or remove it; docs/configuration.md lists what there is."
	}
	return c
}

func registryCheck(c Config) Check {
	registry := Check{Name: "registry", OK: true, Optional: true, Found: c.Registry}
	if _, err := os.Stat(c.Registry); err != nil {
		registry.OK, registry.Found = false, strings.TrimPrefix(err.Error(), "stat ")
		registry.Next = "Projects can be named there, one alias=folder a line; without it, add folders."
	}
	return registry
}
