package journal

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/job"
)

func acts(t *testing.T, j *Journal, f job.Filter, limit int) (out []string, more bool) {
	t.Helper()
	list, more, err := j.Acts(t.Context(), f, limit)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range list {
		if i > 0 && a.At.After(list[i-1].At) {
			t.Errorf("%v stands behind %v", a.At, list[i-1].At)
		}
		out = append(out, fmt.Sprintf("%s %s@%s: %s ×%d", a.What, a.By, a.Host, a.Text, a.Count))
	}
	return out, more
}

// Ensure one list answers who touched a host: with the jobs there, what was said of
// them and done to their records, also when these are gone, and what was no job.
func TestActs_TellWhoTouchedAHost(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	run := job.NewRun(job.Spec{Argv: []string{"uptime"}}, "web-2")
	var last job.Job
	for range 3 {
		r, err := j.Begin(run.Begin("web-2", "ann", time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		if last, err = r.Finish(job.Exit{State: job.Succeeded, Cause: job.CauseExit}); err != nil {
			t.Fatal(err)
		}
	}
	ended(t, j, 1) // on this machine
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(j.Event(job.EntryConnect, "web-2", "", "bob", "bob@10.0.0.2:22"))
	do(j.Event(job.EntrySetting, "", "", "bob", "database: none"))
	do(j.Pin(t.Context(), last.ID, "bob", "the release"))
	do(j.Note(t.Context(), last, "ann", "odd"))
	if _, err := j.Prune(t.Context(), Retention{Before: time.Now().Add(time.Hour), Why: "space"}, "bob"); err != nil {
		t.Fatal(err)
	}
	got, more := acts(t, j, job.Filter{Hosts: []string{"web-2"}}, 20)
	if diff := cmp.Diff([]string{
		"remove bob@web-2: space ×2", "note ann@web-2: odd ×0", "pin bob@web-2: the release ×0", "connect bob@web-2: bob@10.0.0.2:22 ×0",
		"job ann@web-2: uptime ×0",
	}, got); diff != "" || more {
		t.Errorf("there is more: %v (-want +got):\n%s", more, diff)
	}
	if got, _ := acts(t, j, job.Filter{Operator: "BOB", Hosts: []string{""}}, 20); cmp.Diff([]string{"remove bob@: space ×0", "setting bob@: database: none ×0"}, got) != "" {
		t.Errorf("by bob on this machine: %q", got)
	}
	if got, _ := acts(t, j, job.Filter{Until: time.Now().Add(-time.Hour)}, 20); len(got) != 0 {
		t.Errorf("an hour ago: %q", got)
	}
}

// Ensure pages by time have everything once, also where much was done in one
// moment.
func TestActs_PagesHaveEverythingOnce(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	for i := range 40 {
		if err := j.Event(job.EntrySetting, "", "", "ann", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			ended(t, j, 1)
		}
	}
	whole, more := acts(t, j, job.Filter{}, 100)
	if len(whole) != 50 || more {
		t.Fatalf("%d things were done, more: %v", len(whole), more)
	}
	var paged []string
	for f, pages := (job.Filter{}), 0; ; pages++ {
		list, more, err := j.Acts(t.Context(), f, 20)
		if err != nil || pages > 50 || len(list) == 0 {
			t.Fatalf("page %d: %d, %v", pages, len(list), err)
		}
		for _, a := range list {
			paged = append(paged, fmt.Sprintf("%s %s@%s: %s ×%d", a.What, a.By, a.Host, a.Text, a.Count))
		}
		if !more {
			break
		}
		f.Until = list[len(list)-1].At.Truncate(time.Millisecond)
	}
	slices.Sort(whole)
	slices.Sort(paged)
	if diff := cmp.Diff(whole, paged); diff != "" {
		t.Errorf("(-whole +paged):\n%s", diff)
	}
}

// Ensure a connection waits for no keychain, and is covered by what is signed next.
func TestEvent_AConnectionWaitsForNoKeychain(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	unlocked := make(chan struct{})
	j := open(t, t.TempDir(), func(c *Config) {
		c.Key = func(ctx context.Context, _ string) (Key, error) {
			select {
			case <-unlocked:
				return Key{Private: private}, nil
			case <-ctx.Done():
				return Key{}, ctx.Err()
			}
		}
	})
	if err := j.Event(job.EntryConnect, "web-2", "", "bob", "bob@10.0.0.2:22"); err != nil { // before it is unlocked
		t.Fatal(err)
	}
	close(unlocked)
	if err := j.Event(job.EntrySetting, "", "", "bob", "database: none"); err != nil {
		t.Fatal(err)
	}
	if ledger, _ := verify(t, j.Evidence()); ledger.Result != Intact {
		t.Errorf("%+v", ledger)
	}
}
