package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vmorchestrator/internal/archive"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
	"vmorchestrator/internal/update"
)

// Updates looks for newer releases, if the operator said so and nobody forbade it.
// It needs no journal: a program that is too old for the journal can use it.
type Updates struct {
	program  Program
	settings *settingsFile
	policy   string // the file; empty: the system's
	known    string // the file of what was found last
	source   update.Source
	pause    time.Duration // before the first look whether one is due, and between two

	mu sync.Mutex // one at a time asks
}

// NewUpdates makes the check for newer releases. It asks nobody.
func NewUpdates(c Config, p Program) *Updates {
	c.defaults()
	return &Updates{
		program: p, policy: c.Policy, pause: time.Minute,
		settings: &settingsFile{path: filepath.Join(c.ConfigDir, "settings.json")},
		known:    filepath.Join(c.ConfigDir, "updates.json"),
		source:   update.Source{URL: update.URL(), Key: update.Key()},
	}
}

// updateSettings is what the operator decided about updates.
type updateSettings struct {
	Check bool   `json:"check"`         // once a day while the window is open
	URL   string `json:"url,omitempty"` // of the manifest; empty: the one that was built in
}

// lastAsked is what was found last, in updates.json. Its manifest is believed
// again each time, as if it had just come.
type lastAsked struct {
	At    time.Time     `json:"at"`
	Error string        `json:"error,omitempty"`
	Hint  string        `json:"hint,omitempty"`
	Known update.Signed `json:"known"` // the newest that was believed
}

// decided is what operator and policy say together.
func (u *Updates) decided() (UpdateStatus, update.Source) {
	p := update.ReadPolicy(u.policy)
	out := UpdateStatus{State: UpdatesOff, Policy: p.File, Current: u.program.Version}
	source := u.source
	if p.Forbidden {
		out.State = UpdatesForbidden
		if p.Err != nil {
			out.Error, out.Hint = p.Err.Error(), job.HintOf(p.Err)
		}
		return out, update.Source{}
	}
	s, err := u.settings.read()
	if err != nil {
		out.Error, out.Hint = err.Error(), job.HintOf(err)
		return out, update.Source{}
	}
	wanted := s.Updates != nil && s.Updates.Check
	if s.Updates != nil && s.Updates.URL != "" {
		source.URL = s.Updates.URL
	}
	if p.URL != "" {
		source.URL, out.Managed = p.URL, true
	}
	if p.Key != "" {
		source.Key = p.Key
	}
	if out.URL = source.URL; (update.Source{URL: source.URL, Key: source.Key}).Check() != nil {
		out.URL = ""
	}
	if !wanted {
		return out, source
	}
	out.State = UpdatesOn
	if err := source.Check(); err != nil {
		out.State, out.Error, out.Hint = UpdatesUnknown, err.Error(), job.HintOf(err)
	}
	return out, source
}

// Set turns the check on or off. A URL is remembered; none leaves the one before.
func (u *Updates) Set(on bool, url string) error {
	now, source := u.decided()
	switch {
	case on && now.State == UpdatesForbidden:
		return job.WithHint(fmt.Errorf("turn the check for updates on: %w: the policy of this machine %s forbids it", job.ErrInvalid, now.Policy), "Ask whoever manages this machine.")
	case url != "" && now.Managed:
		return job.WithHint(fmt.Errorf("choose where releases are: %w: the policy of this machine %s says where", job.ErrInvalid, now.Policy), "Turn the check on without naming an address.")
	}
	if url != "" {
		source.URL = url
	}
	if on {
		if err := source.Check(); err != nil {
			return fmt.Errorf("turn the check for updates on: %w", err)
		}
	}
	return u.settings.change(func(s *settings) {
		if s.Updates == nil {
			s.Updates = &updateSettings{}
		}
		s.Updates.Check = on
		if url != "" {
			s.Updates.URL = url
		}
	})
}

// Check asks now, and remembers what it found. It fails when it is not turned on:
// nothing is ever asked before it is.
func (u *Updates) Check(ctx context.Context) (UpdateStatus, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now, source := u.decided()
	switch now.State {
	case UpdatesOff:
		if now.Error != "" {
			return now, job.WithHint(errors.New(now.Error), now.Hint)
		}
		return now, job.WithHint(fmt.Errorf("look for a newer release: %w: it is turned off", job.ErrInvalid), "Turn it on with: vmo update on")
	case UpdatesForbidden:
		if now.Error != "" {
			return now, job.WithHint(fmt.Errorf("look for a newer release: %w: %s", job.ErrInvalid, now.Error), now.Hint)
		}
		return now, job.WithHint(fmt.Errorf("look for a newer release: %w: the policy of this machine %s forbids it", job.ErrInvalid, now.Policy), "Ask whoever manages this machine.")
	case UpdatesUnknown:
		return now, job.WithHint(fmt.Errorf("look for a newer release: %s", now.Error), now.Hint)
	}
	last := u.last()
	last.At, last.Error, last.Hint = time.Now().UTC(), "", ""
	if err := u.remember(last); err != nil { // before it is asked: it stays one a day, whatever happens
		return now, err
	}
	got, m, err := source.Ask(ctx)
	if err == nil {
		before, _ := source.Open(last.Known) // none is before the first, and none of another key counts
		err = m.Newer(before, last.At)
	}
	if err == nil {
		last.Known = got
	} else {
		err = fmt.Errorf("look for a newer release: %w", err)
		last.Error, last.Hint = err.Error(), job.HintOf(err)
	}
	err = errors.Join(err, u.remember(last))
	return u.Status(), err
}

// updatesEvery is how often a window that stays open asks, at most.
const updatesEvery = 24 * time.Hour

// Watch asks once a day while the context lasts, if it is turned on, and tells when
// it has. The first time is some while after the start.
func (u *Updates) Watch(ctx context.Context, asked func()) {
	tick := time.NewTicker(u.pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s := u.Status(); s.State != UpdatesOn || s.Checked != nil && time.Since(*s.Checked) < updatesEvery {
			continue
		}
		_, _ = u.Check(ctx) // what goes wrong is in the status
		asked()
	}
}

// last is what was found last; nothing, if that cannot be read.
func (u *Updates) last() (last lastAsked) {
	data, err := os.ReadFile(u.known)
	if err != nil || json.Unmarshal(data, &last) != nil {
		return lastAsked{}
	}
	return last
}

func (u *Updates) remember(last lastAsked) error {
	data, err := json.Marshal(last)
	if err == nil {
		err = replaceFile(u.known, append(data, '\n'))
	}
	if err != nil {
		return job.WithHint(fmt.Errorf("remember when releases were asked for: %w", err), "Check who owns "+filepath.Dir(u.known)+" and whether its disk is full. Nothing is asked before.")
	}
	return nil
}

// Versions are those of what this program writes: the tables of the archive,
// and the journal.
func Versions() (schema, format int) { return archive.SchemaVersion, journal.FormatVersion }
