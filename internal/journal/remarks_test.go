package journal

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/job"
)

func said(t *testing.T, j *Journal, id job.ID) (out []string) {
	t.Helper()
	list, err := j.Remarks(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.Job != id || time.Since(r.At).Abs() > time.Hour {
			t.Errorf("not of this job, or of now: %+v", r)
		}
		out = append(out, string(r.Kind)+" "+r.By+": "+r.Text)
	}
	return out
}

func find(t *testing.T, j *Journal, id job.ID) job.Job {
	t.Helper()
	what, err := j.Find(t.Context(), string(id))
	if err != nil {
		t.Fatal(err)
	}
	return what
}

// Ensure everything that was said of a job stays, in order, with who said it, and
// that the list of jobs shows what holds now: in another process, and in a list
// that is made anew.
func TestRemarks_StayInTheOrderInWhichTheyWereMade(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir)
	list := ended(t, j, 3)
	other := open(t, dir)
	what := find(t, j, list[1])
	if err := errors.Join(
		j.Note(t.Context(), what, "ann@laptop", " the old\nconfiguration "),
		other.Label(t.Context(), job.EntryLabel, what, "bob@desk", "good", "release 2.3", "good"),
	); err != nil {
		t.Fatal(err)
	}
	what = find(t, j, list[1])
	if err := errors.Join(
		j.Label(t.Context(), job.EntryLabel, what, "ann@laptop", "good"), // it has it
		j.Note(t.Context(), what, "ann@laptop", "and the new one"),
		j.Label(t.Context(), job.EntryUnlabel, what, "ann@laptop", "good", "never there"),
		other.Pin(t.Context(), what.ID, "bob@desk", "we need it"),
	); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"note ann@laptop: the old\nconfiguration", "label bob@desk: good", "label bob@desk: release 2.3",
		"note ann@laptop: and the new one", "unlabel ann@laptop: good", "pin bob@desk: we need it",
	}
	marks := job.Marks{Pinned: true, Labels: []string{"release 2.3"}, Notes: 2}
	for range 2 {
		for _, j := range []*Journal{j, other} {
			if diff := cmp.Diff(want, said(t, j, what.ID)); diff != "" {
				t.Errorf("what was said (-want +got):\n%s", diff)
			}
			page, err := j.Jobs(t.Context(), job.Filter{Labels: []string{"release 2.3"}}, "", 10)
			if err != nil || len(page) != 1 || cmp.Diff(marks, page[0].Marks) != "" {
				t.Errorf("with the label: %+v, %v", page, err)
			}
			if none, err := j.Count(t.Context(), job.Filter{Labels: []string{"good"}}); err != nil || none.All() != 0 {
				t.Errorf("with the label that was taken off: %v, %v", none, err)
			}
			if names, err := j.Names(t.Context()); err != nil || cmp.Diff([]string{"release 2.3"}, names.Labels) != "" {
				t.Errorf("labels: %v, %v", names.Labels, err)
			}
			if got, err := j.Job(t.Context(), what.ID); err != nil || cmp.Diff(marks, got.Marks) != "" {
				t.Errorf("the job: %+v, %v", got.Marks, err)
			}
			if bare := find(t, j, list[0]); cmp.Diff(job.Marks{}, bare.Marks) != "" {
				t.Errorf("another job: %+v", bare.Marks)
			}
		}
		if _, err := j.Reindex(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if ledger, records := verify(t, j.Evidence()); len(ledger.Findings) > 1 || len(records) != 3 {
		t.Errorf("verify: %+v, %d records", ledger, len(records))
	}
}

// Ensure a job that is not in this journal can be spoken of: it is a colleague's.
// The ledger then does not claim to have its record.
func TestRemarks_MayBeOfAJobOfAnotherInstallation(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	theirs := job.Job{ID: job.NewID(), Host: "web-2"}
	if err := errors.Join(
		j.Note(t.Context(), theirs, "ann@laptop", "look at this"),
		j.Label(t.Context(), job.EntryLabel, theirs, "ann@laptop", "odd"),
	); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"note ann@laptop: look at this", "label ann@laptop: odd"}, said(t, j, theirs.ID)); diff != "" {
		t.Error(diff)
	}
	if _, records := verify(t, j.Evidence()); len(records) != 0 {
		t.Errorf("verify misses its record: %+v", records)
	}
	// It is imported later on, and has its label in the list from then on.
	theirs.QueuedAt = time.Now()
	if err := j.cat.put(theirs); err != nil {
		t.Fatal(err)
	}
	if page, err := j.Jobs(t.Context(), job.Filter{Labels: []string{"odd"}}, "", 10); err != nil || len(page) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

// Ensure what cannot be kept is refused, and that nothing was written then.
func TestRemarks_RefuseWhatIsNoText(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	what := find(t, j, ended(t, j, 1)[0])
	n, _, err := j.Head()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		j.Note(t.Context(), what, "ann", "\x1b]0;title\x07"),
		j.Note(t.Context(), what, "ann", strings.Repeat("x", job.MaxNote+1)),
		j.Label(t.Context(), job.EntryLabel, what, "ann", "good", "a,b"),
	} {
		if !errors.Is(err, job.ErrInvalid) {
			t.Errorf("got %v, want %v", err, job.ErrInvalid)
		}
	}
	if after, _, err := j.Head(); after != n || err != nil {
		t.Errorf("the ledger went from %d to %d, %v", n, after, err)
	}
}

// Ensure labels come from the ledger alone: a record that brings some, such as one
// that was made by hand and imported, does not have them.
func TestRemarks_AreNotTakenFromARecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir)
	what := job.NewRun(job.Spec{Argv: []string{"true"}}).Begin("", "tester@here", time.Now())
	what.Marks = job.Marks{Pinned: true, Labels: []string{"approved"}, Notes: 7}
	r, err := j.Begin(what)
	if err != nil {
		t.Fatal(err)
	}
	look := func(when string) {
		t.Helper()
		if got, err := j.Job(t.Context(), what.ID); err != nil || cmp.Diff(job.Marks{}, got.Marks) != "" {
			t.Errorf("%s: %+v, %v", when, got.Marks, err)
		}
	}
	look("while it runs")
	if _, err := r.Finish(job.Exit{State: job.Succeeded, Cause: job.CauseExit}); err != nil {
		t.Fatal(err)
	}
	look("when it has ended")
	if _, err := j.Reindex(t.Context()); err != nil {
		t.Fatal(err)
	}
	look("in a list that was made anew")
	out, err := j.Reader(what.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if got, err := out.Job(); err != nil || cmp.Diff(job.Marks{}, got.Marks) != "" {
		t.Errorf("its record: %+v, %v", got.Marks, err)
	}
}

// Ensure the list follows a ledger that is another one, as after a backup was put
// back.
func TestRemarks_FollowALedgerThatWasPutBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	what := find(t, j, ended(t, j, 1)[0])
	if err := j.Label(t.Context(), job.EntryLabel, what, "ann", "first"); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(dir + "/" + ledgerName)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Label(t.Context(), job.EntryLabel, what, "ann", "second"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Close(), os.WriteFile(dir+"/"+ledgerName, old, 0o600)); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir)
	if got := find(t, j, what.ID); cmp.Diff([]string{"first"}, got.Labels) != "" {
		t.Errorf("labels: %q", got.Labels)
	}
}

// Ensure a list that an older program made, which knew nothing of labels, gets those
// that are in the ledger.
func TestRemarks_AreReadIntoTheListOfAnOlderProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	what := find(t, j, ended(t, j, 1)[0])
	if err := j.Label(t.Context(), job.EntryLabel, what, "ann", "good"); err != nil {
		t.Fatal(err)
	}
	if _, err := j.cat.db.ExecContext(t.Context(), `DROP TABLE said; DROP TABLE label; DROP TABLE heard`); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir)
	if page, err := j.Jobs(t.Context(), job.Filter{Labels: []string{"good"}}, "", 10); err != nil || len(page) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

// Ensure a note that waits for the keychain to be unlocked keeps no job waiting.
func TestNote_ThatWaitsForTheKeychainKeepsNoJobWaiting(t *testing.T) {
	t.Parallel()
	asked, unlocked := make(chan struct{}), make(chan struct{})
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	j := open(t, t.TempDir(), func(c *Config) {
		c.Key = func(ctx context.Context, _ string) (Key, error) {
			close(asked)
			select {
			case <-unlocked:
				return Key{Private: private}, nil
			case <-ctx.Done():
				return Key{}, ctx.Err()
			}
		}
	})
	noted := make(chan error, 1)
	go func() { noted <- j.Note(t.Context(), job.Job{ID: job.NewID()}, "ann", "hello") }()
	<-asked
	r := begin(t, j)
	select {
	case err := <-noted:
		t.Fatalf("the note did not wait for the key: %v", err)
	default:
	}
	close(unlocked)
	if err := <-noted; err != nil {
		t.Fatal(err)
	}
	if _, err := r.Finish(job.Exit{State: job.Succeeded, Cause: job.CauseExit}); err != nil {
		t.Fatal(err)
	}
	entries, err := j.Entries(0, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []job.EntryKind
	for _, e := range entries {
		var s job.Statement
		if err := json.Unmarshal(e.Body, &s); err != nil {
			t.Fatal(err)
		}
		got = append(got, s.Kind)
	}
	if diff := cmp.Diff([]job.EntryKind{job.EntryBegin, job.EntryKey, job.EntryNote, job.EntrySeal}, got); diff != "" {
		t.Error(diff)
	}
}
