package journal

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/job"
)

// Ensure what can be filtered by is exactly what stands in the list, and nothing
// while there is none.
func TestNames_AreThoseOfTheJobs(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	if n, err := j.Names(t.Context()); err != nil || len(n.Hosts)+len(n.Targets)+len(n.Projects)+len(n.Operators) != 0 || n.Hosts == nil {
		t.Errorf("of an empty list: %+v, %v", n, err)
	}
	jobs := history(t, j, 500)
	labelled(t, j, jobs, 100, "good")
	labelled(t, j, jobs, 200, "at first")
	of := func(name func(job.Job) string) (out []string) {
		for _, j := range jobs {
			out = append(out, name(j))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	want := Names{
		Hosts: of(func(j job.Job) string { return j.Host }), Targets: of(func(j job.Job) string { return j.Target }),
		Projects: of(func(j job.Job) string { return j.Project }), Operators: of(func(j job.Job) string { return j.Operator }),
		Labels: []string{"at first", "good"},
	}
	got, err := j.Names(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
