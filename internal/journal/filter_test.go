package journal

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/job"
)

var longHistory = flag.Int("jobs", 100_000, "how many jobs BenchmarkJobs lists")

// history fills the catalogue with jobs, some of the same millisecond.
func history(t testing.TB, j *Journal, n int) []job.Job {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	jobs := make([]job.Job, n)
	for i := range jobs {
		target := pick("build", "deploy", "test", "", "Über-Test")
		run := job.NewRun(job.Spec{
			Project: pick("", "web", "api"), Target: target,
			Argv: []string{"make", pick("-j2", "100%", "a_b", "x\ny", `say "hi"`), target},
		})
		jobs[i] = run.Begin(pick("", "web1", "web2", "db"), pick("ann@laptop", "bob@desk"), time.Now())
		jobs[i].End(job.Exit{State: job.State(pick("cancelled", "succeeded", "succeeded", "failed", "lost")), At: time.Now()})
	}
	shuffled := slices.Clone(jobs) // as Reindex finds them
	r.Shuffle(n, func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
	for batch := range slices.Chunk(shuffled, 1000) {
		if err := j.cat.put(batch...); err != nil {
			t.Fatal(err)
		}
	}
	return jobs
}

// labelled gives every nth job a label.
func labelled(t testing.TB, j *Journal, jobs []job.Job, nth int, label string) {
	t.Helper()
	var entries []job.Statement
	for i := 0; i < len(jobs); i += nth {
		jobs[i].Labels = append(jobs[i].Labels, label)
		entries = append(entries, job.Statement{Kind: job.EntryLabel, About: jobs[i].ID, By: "ann@laptop", Text: label})
	}
	if err := j.ledger.add(entries...); err != nil {
		t.Fatal(err)
	}
}

// means is the filter once more, in the plainest way.
func means(f job.Filter, j job.Job) bool {
	any := func(values []string, v string) bool { return len(values) == 0 || slices.Contains(values, v) }
	at := j.ID.Time()
	return any(f.Hosts, j.Host) && any(f.Targets, j.Target) && (f.Project == "" || f.Project == j.Project) &&
		strings.Contains(strings.ToLower(j.Operator), strings.ToLower(f.Operator)) &&
		(len(f.Labels) == 0 || slices.ContainsFunc(f.Labels, func(l string) bool { return slices.Contains(j.Labels, l) })) &&
		(len(f.States) == 0 || slices.Contains(f.States, j.State)) &&
		(f.Since.IsZero() || !at.Before(f.Since)) && (f.Until.IsZero() || at.Before(f.Until)) &&
		strings.Contains(strings.ToLower(searched(j)), strings.ToLower(f.Text))
}

// Ensure a filtered list is what the plainest filter over all jobs gives, newest
// first, whatever the size of its pages, and that counts agree with it.
func TestJobs_FilteredAreThoseThatAPlainFilterFinds(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	jobs := history(t, j, 1500)
	labelled(t, j, jobs, 7, "good")
	labelled(t, j, jobs, 11, "100%")
	middle := jobs[len(jobs)/2].ID.Time()
	filters := []job.Filter{
		{},
		{Hosts: []string{"web1"}}, {Hosts: []string{"", "db"}}, {Hosts: []string{"nowhere"}},
		{Targets: []string{"deploy"}, States: []job.State{job.Failed, job.Lost}},
		{Project: "web", Operator: "Ann@", States: []job.State{job.Cancelled}},
		{Since: middle}, {Until: middle}, {Since: middle, Until: jobs[len(jobs)*3/4].ID.Time(), Hosts: []string{"web2"}},
		{Labels: []string{"good"}}, {Labels: []string{"good", "100%"}, Hosts: []string{"web1"}}, {Labels: []string{"goo"}},
		{Text: "deploy"}, {Text: "DEPLOY", Hosts: []string{"web1"}, Since: middle}, {Text: "d"}, {Text: "%"}, {Text: "_"}, {Text: "a_"},
		{Text: `say "hi"`}, {Text: "über"}, {Text: "make -j2 build"}, {Text: "nothing like it"}, {Text: `"*`}, {Text: "NEAR OR AND"},
	}
	for _, f := range filters {
		want := slices.DeleteFunc(slices.Clone(jobs), func(j job.Job) bool { return !means(f, j) })
		slices.Reverse(want)
		for _, limit := range []int{1 + len(want)/3, 5000} {
			var got []job.Job
			for before := job.ID(""); ; {
				page, err := j.Jobs(t.Context(), f, before, limit)
				if err != nil {
					t.Fatalf("%+v: %v", f, err)
				}
				if len(page) == 0 {
					break
				}
				got, before = append(got, page...), page[len(page)-1].ID
			}
			if diff := cmp.Diff(ids(want), ids(got)); diff != "" {
				t.Fatalf("%+v in pages of %d (-want +got):\n%s", f, limit, diff)
			}
		}
		wanted := Counts{}
		for _, j := range want {
			wanted[j.State]++
		}
		got, err := j.Count(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, got); diff != "" || got.All() != len(want) {
			t.Errorf("count of %+v (-want +got):\n%s", f, diff)
		}
	}
}

func ids(jobs []job.Job) []job.ID {
	out := make([]job.ID, len(jobs))
	for i, j := range jobs {
		out[i] = j.ID
	}
	return out
}

// Ensure a page goes on behind a job that is not in the list any more, and that
// the list has a job where its state has changed since.
func TestJobs_GoOnBehindWhatIsGone(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	jobs := history(t, j, 10)
	if err := j.cat.remove(t.Context(), jobs[5].ID); err != nil {
		t.Fatal(err)
	}
	page, err := j.Jobs(t.Context(), job.Filter{}, jobs[5].ID, 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]job.ID{jobs[4].ID, jobs[3].ID}, ids(page)); diff != "" {
		t.Error(diff)
	}
	if page, err := j.Jobs(t.Context(), job.Filter{Text: "make"}, "", 100); err != nil || len(page) != 9 {
		t.Errorf("%d jobs, %v: the removed one is still found by its text", len(page), err)
	}
}

// Ensure two jobs whose ids differ only where a row has no room are both listed.
func TestJobs_OfTheSameInstantAreAllListed(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	run := job.NewRun(job.Spec{Argv: []string{"true"}})
	var want []job.ID
	for i := range 5 {
		what := run.Begin("", "tester@here", time.Now())
		what.ID = job.ID(fmt.Sprintf("01939e3b-0000-7000-8000-00000000000%d", i))
		what.End(job.Exit{State: job.Succeeded, At: time.Now()})
		for range 2 {
			if err := j.cat.put(what); err != nil {
				t.Fatal(err)
			}
		}
		want = append(want, what.ID)
	}
	var got []job.ID
	for before := job.ID(""); ; before = got[len(got)-1] {
		page, err := j.Jobs(t.Context(), job.Filter{}, before, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got = append(got, ids(page)...)
	}
	slices.Reverse(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkJobs lists and counts a long history:
//
//	go test ./internal/journal -run '^$' -bench Jobs -benchtime 5x
func BenchmarkJobs(b *testing.B) {
	j, err := Open(b.Context(), Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	jobs := history(b, j, *longHistory)
	j.hear(b.Context())
	b.Run("stats", func(b *testing.B) {
		for b.Loop() {
			if _, err := j.Stats(b.Context(), job.Filter{}, 100); err != nil {
				b.Fatal(err)
			}
		}
	})
	half := jobs[len(jobs)/2]
	labelled(b, j, jobs, 50, "some")
	labelled(b, j, jobs, 3, "many")
	for name, f := range map[string]job.Filter{
		"all":       {},
		"host":      {Hosts: []string{""}},
		"two hosts": {Hosts: []string{"", "db"}},
		"rare":      {Hosts: []string{"nowhere"}, States: []job.State{job.Failed}},
		"state":     {States: []job.State{job.Failed}},
		"several":   {Hosts: []string{"web1"}, Targets: []string{"deploy"}, States: []job.State{job.Failed, job.Lost}, Operator: "Ann@"},
		"since":     {Since: half.ID.Time(), Project: "web"},
		"text":      {Text: "deploy"},
		"text all":  {Text: "make"},
		"text none": {Text: "nothing like it"},
		"label":     {Labels: []string{"some"}},
		"labels":    {Labels: []string{"many"}},
		"letter":    {Text: "j2", Hosts: []string{"web1"}},
	} {
		b.Run("page/"+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := j.Jobs(b.Context(), f, half.ID, 100); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("count/"+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := j.Count(b.Context(), f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Ensure the short form of an id means the job, and no other.
func TestShort_MeansOneJob(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	for _, what := range history(t, j, 300) {
		short, err := j.Short(t.Context(), what.ID)
		if err != nil {
			t.Fatal(err)
		}
		got, err := j.Find(t.Context(), short)
		if err != nil || got.ID != what.ID || short == string(what.ID) {
			t.Fatalf("%s is short for %s: %s, %v", short, what.ID, got.ID, err)
		}
	}
}
