package journal

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/job"
)

// ended makes jobs that have ended, oldest first, each of about 1 kB.
func ended(t testing.TB, j *Journal, n int) []job.ID {
	t.Helper()
	run := job.NewRun(job.Spec{Argv: []string{"true"}})
	list := make([]job.ID, n)
	for i := range list {
		r, err := j.Begin(run.Begin("", "tester@here", time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		what, err := r.Finish(job.Exit{State: job.Succeeded, Cause: job.CauseExit})
		if err != nil {
			t.Fatal(err)
		}
		list[i] = what.ID
	}
	return list
}

// Ensure exactly what a rule means is planned and then removed, from disk and
// list, and that the ledger tells of it.
func TestPrune_RemovesWhatTheRulesMean(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	list := ended(t, j, 10)
	living := begin(t, j)
	defer finish(t, living)
	if err := j.Pin(t.Context(), list[1], "me@here", "the release"); err != nil {
		t.Fatal(err)
	}
	all, total, err := j.shelf()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		r      Retention
		want   []job.ID
		pinned int
	}{
		"all but the newest":   {Retention{Jobs: 7}, []job.ID{list[0], list[2]}, 1},
		"by size":              {Retention{Bytes: total - all[0].bytes}, []job.ID{list[0]}, 0},
		"by size, round a pin": {Retention{Bytes: total - all[0].bytes - 1}, []job.ID{list[0], list[2]}, 1},
		"by age, none":         {Retention{Before: list[0].Time()}, []job.ID{}, 0},
		"by age, all":          {Retention{Before: time.Now().Add(time.Hour)}, slices.Concat(list[:1], list[2:]), 1},
		"any rule is enough":   {Retention{Jobs: 9, Bytes: total}, []job.ID{list[0]}, 0},
	} {
		plan, err := j.Plan(t.Context(), c.r)
		if diff := cmp.Diff(c.want, plan.Jobs); diff != "" || plan.Pinned != c.pinned || plan.Kept != 10-len(c.want) || plan.Bytes+plan.KeptBytes != total || err != nil {
			t.Errorf("%s: %+v %v\n%s", name, plan, err, diff)
		}
	}
	if _, err := j.Plan(t.Context(), Retention{}); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("without a rule: %v", err)
	}
	done, err := j.Prune(t.Context(), Retention{Jobs: 7, Why: "space"}, "me@here")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]job.ID{list[0], list[2]}, done.Jobs); diff != "" || done.Oldest != list[0].Time() || done.Newest != list[2].Time() {
		t.Errorf("%+v\n%s", done, diff)
	}
	left, err := j.Jobs(t.Context(), job.Filter{States: []job.State{job.Succeeded}}, "", 100)
	if want := slices.Concat(list[1:2], list[3:]); len(left) != len(want) || err != nil {
		t.Errorf("%d jobs are listed, %v", len(left), err)
	}
	for _, id := range done.Jobs {
		if _, err := os.Stat(j.shelfPath(id)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", id, err)
		}
	}
	entries, err := j.Entries(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var told []job.ID
	for _, e := range entries {
		if s, err := e.Statement(); err == nil && s.Kind == job.EntryRemove && s.By == "me@here" && s.Why == "space" && s.Digest != "" {
			told = append(told, s.Job)
		}
	}
	if diff := cmp.Diff(done.Jobs, told); diff != "" {
		t.Errorf("the ledger tells of:\n%s", diff)
	}
}

// Ensure a pin outlives the list of jobs and the process, and is gone when it is
// taken back.
func TestPin_StaysUntilItIsTakenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	id := ended(t, j, 1)[0]
	for range 2 {
		if err := j.Pin(t.Context(), id, "me@here", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(j.Close(), os.Remove(dir+"/"+catalogueName)); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir)
	everything := Retention{Before: time.Now().Add(time.Hour)}
	if plan, err := j.Plan(t.Context(), everything); err != nil || plan.Pinned != 1 || len(plan.Jobs) != 0 {
		t.Errorf("pinned: %+v, %v", plan, err)
	}
	if err := j.Unpin(t.Context(), id, "me@here"); err != nil {
		t.Fatal(err)
	}
	if plan, err := j.Plan(t.Context(), everything); err != nil || len(plan.Jobs) != 1 {
		t.Errorf("not pinned any more: %+v, %v", plan, err)
	}
	if err := j.Pin(t.Context(), job.NewID(), "me@here", ""); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a job that is not there: %v", err)
	}
}

// Ensure a record stays that is not safe elsewhere, or that cannot be read, and
// that one which is pinned while others are removed stays as well.
func TestPrune_LeavesWhatIsNotSafe(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	list := ended(t, j, 2*pruneBatch)
	info, err := os.Stat(j.shelfPath(list[3]))
	if err != nil {
		t.Fatal(err)
	}
	spoil(t, j.shelfPath(list[3]), 0, int(info.Size()))
	asked := 0
	r := Retention{Before: time.Now().Add(time.Hour), Archived: func(_ context.Context, s job.Statement) (bool, error) {
		if asked++; asked == 2 { // after the plan has been made for those before
			if err := j.Pin(t.Context(), list[0], "me@here", ""); err != nil {
				return false, err
			}
		}
		return s.Job != list[5], nil
	}}
	done, err := j.Prune(t.Context(), r, "me@here")
	if err != nil {
		t.Fatal(err)
	}
	if done.Unarchived != 1 || done.Unreadable != 1 || len(done.Jobs) != len(list)-3 {
		t.Errorf("%d are gone, %d not archived, %d not readable", len(done.Jobs), done.Unarchived, done.Unreadable)
	}
	for i, id := range list {
		_, err := os.Stat(j.shelfPath(id))
		if stays := i == 0 || i == 3 || i == 5; stays != (err == nil) {
			t.Errorf("record %d: %v", i, err)
		}
	}
	broken := errors.New("no answer")
	r.Archived = func(context.Context, job.Statement) (bool, error) { return false, broken }
	if done, err := j.Prune(t.Context(), r, "me@here"); !errors.Is(err, broken) || len(done.Jobs) > 0 {
		t.Errorf("without an answer: %+v, %v", done, err)
	}
}
