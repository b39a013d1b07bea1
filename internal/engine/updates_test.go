package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/archive"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
	"vmorchestrator/internal/update"
	"vmorchestrator/internal/update/updatetest"
)

// updates is the check of a version of the program that was built for a publisher.
func updates(t *testing.T, p *updatetest.Publisher, version string) *Updates {
	t.Helper()
	dir := t.TempDir()
	u := NewUpdates(Config{ConfigDir: filepath.Join(dir, "config"), Policy: filepath.Join(dir, "policy.json")}, Program{Name: "vmo", Version: version})
	u.source = update.Source{URL: p.URL, Key: p.Key, Roots: p.Roots}
	return u
}

// Ensure nobody is asked before the operator said so, nor after he took it back,
// nor where it is forbidden, whatever he says.
func TestUpdates_NothingIsAskedUnasked(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t)
	p.Publish(updatetest.Manifest("v0.8.0", nil))
	u := updates(t, p, "v0.7.0")
	refused := func(when, state string) {
		t.Helper()
		if s := u.Status(); s.State != state || s.Release != nil {
			t.Errorf("%s: %+v", when, s)
		}
		if _, err := u.Check(t.Context()); !errors.Is(err, job.ErrInvalid) || job.HintOf(err) == "" {
			t.Errorf("%s: %v", when, err)
		}
		if n := len(p.Asked()); n != 0 {
			t.Errorf("%s: asked %d times", when, n)
		}
	}
	refused("at first", UpdatesOff)
	policy := func(text string) {
		t.Helper()
		if err := os.WriteFile(u.policy, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Set(true, ""); err != nil {
		t.Fatal(err)
	}
	policy(`{"updates": "forbidden"}`)
	refused("forbidden after it was turned on", UpdatesForbidden)
	if err := u.Set(true, ""); !errors.Is(err, job.ErrInvalid) || !strings.Contains(err.Error(), u.policy) {
		t.Errorf("turned on where it is forbidden: %v", err)
	}
	policy("{\n\"updates\": \"forbidn\"}")
	refused("a policy that cannot be read", UpdatesForbidden)
	if s := u.Status(); !strings.Contains(s.Error, u.policy+":2") || s.Hint == "" {
		t.Errorf("what is wrong with the policy: %+v", s)
	}
	if err := os.Remove(u.policy); err != nil {
		t.Fatal(err)
	}
	if err := u.Set(false, ""); err != nil {
		t.Fatal(err)
	}
	refused("turned off again", UpdatesOff)
	if err := os.WriteFile(u.settings.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "settings.json:1") || len(p.Asked()) != 0 {
		t.Errorf("settings that cannot be read: %v, asked %d times", err, len(p.Asked()))
	}
}

// Ensure a newer release is told with what it means, is remembered, and is none
// for a program that has it.
func TestUpdates_ANewerRelease(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t)
	p.Publish(updatetest.Manifest("v0.8.0", map[string]any{
		"notes": "A\x1b[31m new thing.\n", "archive_schema": archive.SchemaVersion + 1, "journal_format": journal.FormatVersion + 1,
		"files": []any{map[string]any{"name": "vmo-0.8.0-linux-amd64", "size": 7, "sha256": strings.Repeat("a", 64)}},
	}))
	u := updates(t, p, "v0.7.0-3-gabc")
	if err := u.Set(true, ""); err != nil {
		t.Fatal(err)
	}
	s, err := u.Check(t.Context())
	if err != nil || s.Release == nil || s.Release.Version != "v0.8.0" || s.Checked == nil || s.Error != "" {
		t.Fatalf("%+v, %v", s, err)
	}
	if r := s.Release; !r.Migrate || !strings.Contains(r.Schema, "vmo db migrate") || !strings.Contains(r.Journal, "no way back") || !strings.HasSuffix(r.From, "/stable") {
		t.Errorf("what it means: %+v", r)
	}
	n := len(p.Asked())
	if again := u.Status(); again.Release == nil || again.Release.Version != "v0.8.0" || len(p.Asked()) != n {
		t.Errorf("remembered: %+v, asked %d times", again, len(p.Asked())-n)
	}
	u.program.Version = "v0.8.0"
	if s := u.Status(); s.Release != nil {
		t.Errorf("for a program that has it: %+v", s.Release)
	}
	if c := u.check(t.Context()); !c.OK || !strings.Contains(c.Found, "nothing newer") {
		t.Errorf("doctor: %+v", c)
	}
	u.program.Version = "v0.7.0"
	if c := u.check(t.Context()); c.OK || !c.Optional || !strings.Contains(c.Found, "v0.8.0") || c.shared == "" {
		t.Errorf("doctor: %+v", c)
	}
	u.source.Key = p.NewKey("other") // what was remembered is believed no more than what comes
	if s := u.Status(); s.Release != nil {
		t.Errorf("with another key: %+v", s.Release)
	}
}

// Ensure an answer that goes back, or holds no longer, is told and changes nothing.
func TestUpdates_NothingGoesBack(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t)
	u := updates(t, p, "v0.7.0")
	if err := u.Set(true, ""); err != nil {
		t.Fatal(err)
	}
	p.Publish(updatetest.Manifest("v0.9.0", nil))
	if _, err := u.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Publish(updatetest.Manifest("v0.8.0", nil))
	s, err := u.Check(t.Context())
	if !errors.Is(err, update.ErrOlder) || s.Error == "" || s.Hint == "" || s.Release == nil || s.Release.Version != "v0.9.0" {
		t.Errorf("an older one: %+v, %v", s, err)
	}
	p.Publish(updatetest.Manifest("v0.9.1", map[string]any{"date": time.Now().Add(-48 * time.Hour), "expires": time.Now().Add(-time.Hour)}))
	if s, err := u.Check(t.Context()); !errors.Is(err, update.ErrExpired) || s.Release.Version != "v0.9.0" {
		t.Errorf("one that holds no longer: %+v, %v", s, err)
	}
	if c := u.check(t.Context()); c.OK || !c.Optional || c.Next == "" {
		t.Errorf("doctor: %+v", c)
	}
	p.Publish(updatetest.Manifest("v0.9.1", nil))
	if s, err := u.Check(t.Context()); err != nil || s.Error != "" || s.Release.Version != "v0.9.1" {
		t.Errorf("the next: %+v, %v", s, err)
	}
}

// Ensure whoever manages the machine says where releases are and who signs them.
func TestUpdates_ThePolicySaysWhere(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t)
	p.Publish(updatetest.Manifest("v0.8.0", nil))
	u := updates(t, p, "v0.7.0")
	u.source.URL, u.source.Key = "https://releases.vm-orchestrator.invalid/release.json", ""
	if err := u.Set(true, ""); !errors.Is(err, job.ErrInvalid) || job.HintOf(err) == "" {
		t.Errorf("turned on without knowing where: %v", err)
	}
	key := strings.Split(p.Key, "\n")[1]
	if err := os.WriteFile(u.policy, []byte(`{"updates": {"url": "`+p.URL+`", "key": "`+key+`"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := u.Status(); s.State != UpdatesOff {
		t.Errorf("the policy turned it on: %+v", s)
	}
	if err := u.Set(true, "https://elsewhere.example.com/r.json"); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("an address against the policy: %v", err)
	}
	if err := u.Set(true, ""); err != nil {
		t.Fatal(err)
	}
	if s, err := u.Check(t.Context()); err != nil || s.Release == nil || !s.Managed || s.URL != p.URL {
		t.Errorf("%+v, %v", s, err)
	}
	if err := os.Remove(u.policy); err != nil {
		t.Fatal(err)
	}
	if s := u.Status(); s.State != UpdatesUnknown || s.Error == "" || s.Hint == "" {
		t.Errorf("when the policy is gone: %+v", s)
	}
}

// Ensure a window asks once a day: not when it was asked today, even if that failed.
func TestUpdates_WatchAsksOnceADay(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t) // and nothing is published: it fails
	u := updates(t, p, "v0.7.0")
	u.pause = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{}, 100)
	done := make(chan struct{})
	go func() { defer close(done); u.Watch(ctx, func() { asked <- struct{}{} }) }()
	if err := u.Set(true, ""); err != nil {
		t.Fatal(err)
	}
	arrives := func() {
		t.Helper()
		select {
		case <-asked:
		case <-time.After(20 * time.Second):
			t.Fatal("nobody was asked")
		}
	}
	arrives()
	failed := u.Status()
	if failed.Checked == nil || failed.Error == "" {
		t.Errorf("it failed, and says %+v", failed)
	}
	last := u.last()
	last.At = last.At.Add(-25 * time.Hour)
	if n := len(p.Asked()); n != 1 {
		t.Errorf("asked %d times in a day", n)
	}
	if err := u.remember(last); err != nil { // a day goes by
		t.Fatal(err)
	}
	arrives()
	cancel()
	<-done
	if n := len(p.Asked()); n != 2 {
		t.Errorf("asked %d times in two days", n)
	}
}
