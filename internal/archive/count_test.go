package archive

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
)

func all(counts map[job.State]int) (n int) {
	for _, k := range counts {
		n += k
	}
	return n
}

// Jobs begin and end in any order of shipping; the list of those without an end
// follows, also where they were there before the list was.
func TestCount_FollowsWhatJobsDo(t *testing.T) {
	t.Parallel()
	for _, version := range []int{1, SchemaVersion} {
		t.Run(fmt.Sprintf("begun on version %d", version), func(t *testing.T) {
			t.Parallel()
			c := archivetest.Shared(t)
			db := c.Database(t, "")
			c.Exec(t, db, SetupSQL)
			cfg, err := pgx.ParseConfig(c.URL(archivetest.Admin, db))
			if err != nil {
				t.Fatal(err)
			}
			if err := migrate(t.Context(), cfg, uptoSchema(t, version)); err != nil {
				t.Fatal(err)
			}
			_, url := operator(t, c, db)
			j := newJournal("i1")
			a := quick(Config{URL: url, Source: j})
			t.Cleanup(func() { a.Close() })
			check := func(when string, want map[job.State]int) {
				t.Helper()
				shipOnce(t, a)
				counts, err := a.Count(t.Context(), job.Filter{})
				if d := cmp.Diff(want, counts); d != "" || err != nil {
					t.Errorf("%s (-want +got):\n%s%v", when, d, err)
				}
				for state, n := range counts {
					list, err := a.Jobs(t.Context(), job.Filter{States: []job.State{state}}, "", 100)
					if err != nil || len(list) != n {
						t.Errorf("%s: %d are listed as %s, and %d counted, %v", when, len(list), state, n, err)
					}
				}
			}
			pending, running, ended := j.begin(aJob()), j.begin(aJob()), j.begin(aJob())
			j.start(running)
			j.start(ended)
			j.seal(ended, job.Exit{State: job.TimedOut})
			for range 3 {
				j.run(1, 10)
			}
			check("at first", map[job.State]int{job.Pending: 1, job.Running: 1, job.TimedOut: 1, job.Succeeded: 3})
			j.start(pending)
			check("one starts", map[job.State]int{job.Running: 2, job.TimedOut: 1, job.Succeeded: 3})

			if _, err := Migrate(t.Context(), Config{URL: c.URL(archivetest.Admin, db)}); err != nil {
				t.Fatal(err)
			}
			check("after the tables were brought up to date", map[job.State]int{job.Running: 2, job.TimedOut: 1, job.Succeeded: 3})
			a.Close()
			a = quick(Config{URL: url, Source: j}) // which looks at the tables anew
			check("and seen so", map[job.State]int{job.Running: 2, job.TimedOut: 1, job.Succeeded: 3})
			j.seal(running, job.Exit{State: job.Failed})
			j.seal(pending, succeeded())
			never := j.begin(aJob())
			j.seal(never, job.Exit{State: job.Cancelled}) // that never started
			j.begin(aJob())
			check("some end", map[job.State]int{job.Pending: 1, job.Cancelled: 1, job.Failed: 1, job.TimedOut: 1, job.Succeeded: 4})
			if n := count(t, c, db, `SELECT count(*) FROM vmo.alive`); n != 1 {
				t.Errorf("%d jobs are listed as alive", n)
			}
			counts, err := a.Count(t.Context(), job.Filter{States: []job.State{job.Failed, job.Pending}})
			if d := cmp.Diff(map[job.State]int{job.Pending: 1, job.Failed: 1}, counts); d != "" || err != nil {
				t.Errorf("of two states (-want +got):\n%s%v", d, err)
			}
		})
	}
}
