package journal

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"vmorchestrator/internal/job"
)

// Ensure what was cancelled or lost does not count for the rate, only what
// succeeded for the time that it takes, and only the last runs of each target on
// each host are looked at.
func TestStats_TellHowTheLastRunsWent(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	run := func(target, host string, state job.State, took time.Duration) {
		t.Helper()
		what := job.NewRun(job.Spec{Project: "web", Target: target, Argv: []string{"make", target}}).Begin(host, "ann@laptop", time.Now())
		started := what.QueuedAt
		what.StartedAt = &started
		what.End(job.Exit{State: state, At: started.Add(took)})
		if state == job.Running {
			what.State, what.FinishedAt = job.Running, nil
		}
		if err := j.cat.put(what); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 { // too long ago to count
		run("deploy", "web1", job.Failed, time.Hour)
	}
	for i := range 17 {
		run("deploy", "web1", job.Succeeded, time.Duration(i+1)*time.Second)
	}
	run("deploy", "web1", job.TimedOut, time.Hour)
	run("deploy", "web1", job.Cancelled, time.Minute)
	run("deploy", "web1", job.Lost, time.Minute)
	run("deploy", "web2", job.Succeeded, 3*time.Second)
	run("deploy", "web2", job.Running, 0)
	run("", "web2", job.Failed, time.Second) // a command is no target
	run("test", "", job.Cancelled, time.Second)

	rate := func(r float64) *float64 { return &r }
	ms := func(n int64) *int64 { return &n }
	test := Stat{Project: "web", Target: "test", Runs: 1, Cancelled: 1}
	web2 := Stat{Project: "web", Target: "deploy", Host: "web2", Runs: 1, Succeeded: 1, Rate: rate(1), P50: ms(3000), P95: ms(3000)}
	web1 := Stat{
		Project: "web", Target: "deploy", Host: "web1", Runs: 20, Succeeded: 17, TimedOut: 1, Cancelled: 1, Lost: 1,
		Rate: rate(17. / 18), P50: ms(9000), P95: ms(17000),
	}
	for _, c := range []struct {
		f    job.Filter
		want []Stat
	}{
		{job.Filter{}, []Stat{test, web2, web1}},
		{job.Filter{Hosts: []string{"web1"}, States: []job.State{job.Failed}}, []Stat{web1}},
		{job.Filter{Targets: []string{"nothing"}}, []Stat{}},
	} {
		got, err := j.Stats(t.Context(), c.f, 20)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(Stat{}, "Newest"), cmpopts.IgnoreUnexported(Stat{})); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.f, diff)
		}
		for _, s := range got {
			if time.Since(s.Newest).Abs() > time.Minute {
				t.Errorf("the newest of %s: %v", s.Target, s.Newest)
			}
		}
	}
}
