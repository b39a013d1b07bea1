package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
)

// ChangedKey is a host key that was refused because another one is known; see
// [remote.ChangedKey].
type ChangedKey = remote.ChangedKey

// KnownKey is a host key in a file; see [remote.KnownKey].
type KnownKey = remote.KnownKey

// ChangedHostKey tells which key was refused when a host was last connected to,
// of itself or of a machine on the way, because another one is known by now.
func (e *Engine) ChangedHostKey(name string) (ChangedKey, error) {
	h, err := e.otherHost(name)
	if err != nil {
		return ChangedKey{}, err
	}
	return e.pool.ChangedKey(h.Destination)
}

// ReplaceHostKey puts the key with that fingerprint into the place of those that are
// known. Typed is what an operator has typed, who has compared the fingerprints: it
// must be the name of the machine that showed the key.
func (e *Engine) ReplaceHostKey(name, fingerprint, typed string) error {
	c, err := e.ChangedHostKey(name)
	if err != nil {
		return err
	}
	if strings.TrimSpace(typed) != c.Hop {
		return fmt.Errorf("replace the host key: %w: %q is not the name of the machine, %s", job.ErrInvalid, typed, c.Hop)
	}
	h, err := e.otherHost(name)
	if err != nil {
		return err
	}
	if err := e.pool.ReplaceKey(h.Destination, fingerprint); err != nil {
		return err
	}
	if !c.Kept {
		e.forgotten(name, c.Hop, c.Old)
	}
	return nil
}

// ForgetHostKey takes the keys of a host out of the files of known hosts, as
// ssh-keygen -R does; the next connection asks about its key. It returns what was
// removed.
func (e *Engine) ForgetHostKey(ctx context.Context, name string) ([]KnownKey, error) {
	h, err := e.otherHost(name)
	if err != nil {
		return nil, err
	}
	o, err := e.resolver.Resolve(ctx, h.Destination)
	if err != nil {
		return nil, hostError(name, err)
	}
	removed, err := remote.ForgetHostKey(o)
	if err == nil {
		e.forgotten(h.Destination.String(), h.Destination.String(), removed)
	}
	return removed, err
}

func (e *Engine) otherHost(name string) (inventory.Host, error) {
	h, err := e.Host(name)
	if err == nil && h.Local {
		err = fmt.Errorf("the host key of %s: %w: it is this machine, which is not connected to", name, job.ErrInvalid)
	}
	return h, err
}

// forgotten records that the keys of a machine were taken out of the files.
func (e *Engine) forgotten(host, hop string, keys []KnownKey) {
	var text strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&text, "%s %s of %s, removed from %s:%d\n", k.Type, k.Fingerprint, hop, k.File, k.Line)
	}
	e.happened(host, time.Now(), text.String(), "forget-host-key", hop)
}

// accepted records that a host key was accepted.
func (e *Engine) accepted(k remote.AcceptedKey) {
	text := fmt.Sprintf("%s %s of %s (%s), accepted: %s\n", k.Type, k.Fingerprint, k.Hop.Name, k.Hop.Addr, k.Because)
	switch {
	case k.Line > 0:
		text += fmt.Sprintf("written to %s:%d\n", k.File, k.Line)
	default:
		text += fmt.Sprintf("not written to %s\n", k.File)
	}
	e.happened(k.Hop.Host, k.At, text, "accept-host-key", k.Hop.Name, k.Type, k.Fingerprint)
}

// happened records something that was done: as a job, so that it is in the history,
// the search and the archive like everything else.
func (e *Engine) happened(host string, at time.Time, text string, argv ...string) {
	run := job.NewRun(job.Spec{Argv: argv}, host)
	err := func() error {
		what := run.Begin(host, e.config.Operator, at)
		what.Event = true
		r, err := e.journal.Begin(what)
		if err != nil {
			return err
		}
		err = r.Start(os.Getpid())
		if err == nil {
			_, err = r.Writer(job.Stdout).Write([]byte(text))
		}
		code := 0
		_, end := r.Finish(job.Exit{State: job.Succeeded, Cause: job.CauseExit, Code: &code, At: time.Now()})
		return errors.Join(err, end)
	}()
	if err != nil {
		e.mu.Lock()
		e.unfinished = append(e.unfinished, fmt.Errorf("record %s: %w", strings.Join(argv, " "), err))
		e.mu.Unlock()
	}
}
