//go:build unix

package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
)

// rung waits until the bell has rung and something is so.
func rung(t *testing.T, e *Engine, what string, is func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	for !is() {
		select {
		case <-e.Changes().Ring():
		case <-limit:
			t.Fatalf("nothing told that %s", what)
		}
	}
}

// heardOf waits until the archive has told of a job, or that anything may be new.
func heardOf(t *testing.T, e *Engine, id job.ID) {
	t.Helper()
	rung(t, e, "the archive has something new", func() bool {
		jobs, all := e.Changes().TakeTeam()
		return all || slices.Contains(jobs, id)
	})
}

func stateThere(t *testing.T, e *Engine, id job.ID) job.State {
	t.Helper()
	list, err := e.TeamJobs(t.Context(), job.Filter{}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range list {
		if j.ID == id {
			return j.State
		}
	}
	return ""
}

// Whoever watches the team need not ask to learn that a colleague's job has begun,
// and has ended; and of a job that is followed each line comes by itself.
func TestWatchTeam_TellsWhatColleaguesDo(t *testing.T) {
	t.Parallel()
	c, database := teamDatabase(t)
	ann, bob := laptop(t, c, database, "ann@laptop"), laptop(t, c, database, "bob@desk")
	shareAll(t, ann)
	stop := bob.WatchTeam()
	heardOf(t, bob, "") // it listens
	id := start(t, ann, shell("while read line; do echo got $line; done"))
	rung(t, bob, "ann's job runs", func() bool {
		bob.Changes().TakeTeam()
		return stateThere(t, bob, id) == job.Running
	})

	ctx, leave := context.WithCancel(t.Context())
	pulled := make(chan error, 1)
	go func() { pulled <- bob.PullOn(ctx, id) }()
	defer leave()
	var want strings.Builder
	var lags []time.Duration
	for i := range 8 {
		fmt.Fprintf(&want, "got %d\n", i)
		typed := time.Now()
		if err := ann.Input(id, fmt.Appendf(nil, "%d\n", i)); err != nil {
			t.Fatal(err)
		}
		rung(t, bob, "ann's job has printed", func() bool {
			bob.Changes().Take()
			return shownHere(t, bob, id) == want.String()
		})
		lags = append(lags, time.Since(typed))
	}
	slices.Sort(lags)
	t.Logf("a line of a colleague's running job is here after %v (median of %d; at most %v)", lags[len(lags)/2].Round(time.Millisecond), len(lags), lags[len(lags)-1].Round(time.Millisecond))
	if err := ann.CloseInput(id); err != nil {
		t.Fatal(err)
	}
	if err := <-pulled; err != nil {
		t.Errorf("following it: %v", err)
	}
	rung(t, bob, "ann's job has ended", func() bool {
		bob.Changes().TakeTeam()
		return stateThere(t, bob, id) == job.Succeeded
	})

	stop()
	eventually(t, "nobody listens any more", func() bool { return listeners(t, c, database) == 0 })
	wait(t, ann, start(t, ann, shell("true")))
	eventually(t, "it is in the archive", isCurrent(ann))
	if jobs, all := bob.Changes().TakeTeam(); len(jobs) > 0 || all {
		t.Errorf("whoever does not watch is told of %v", jobs)
	}
}

// shownHere is what is here of a record.
func shownHere(t *testing.T, e *Engine, id job.ID) (text string) {
	t.Helper()
	r, err := e.Output(id)
	if err != nil {
		return ""
	}
	for _, c := range pages(t, r) {
		text += string(c.Data)
	}
	return text
}

// listeners is how many connections listen.
func listeners(t *testing.T, c *archivetest.Cluster, database string) (n int) {
	t.Helper()
	conn := c.Connect(t, archivetest.Admin, database)
	defer conn.Close(t.Context())
	err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()
		AND (query LIKE 'LISTEN%' OR query LIKE 'SELECT clock_timestamp()%' OR query LIKE '%max(at)%')`, database).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A database that is away, given up, or another one ends no watch: it goes on with
// the one that is there.
func TestWatchTeam_SurvivesItsDatabase(t *testing.T) {
	t.Parallel()
	c := archivetest.New(t)
	cfg := config(t)
	cfg.Operator = "bob@desk"
	bob := open(t, cfg)
	var databases []string
	for range 2 {
		database := c.Database(t, "")
		if err := bob.InitDatabase(t.Context(), c.URL(archivetest.Admin, database)); err != nil {
			t.Fatal(err)
		}
		databases = append(databases, database)
	}
	login := c.Login(t, "", "vmo_operator")
	stop := bob.WatchTeam() // there is no database yet
	defer stop()
	use := func(url string) {
		t.Helper()
		if err := bob.UseDatabase(url); err != nil {
			t.Fatal(err)
		}
	}
	use(c.URL(login, databases[0]))
	heardOf(t, bob, "")
	c.Kill()
	heardOf(t, bob, "") // that it is away
	if _, err := bob.TeamJobs(t.Context(), job.Filter{}, "", 1); err == nil || job.HintOf(err) == "" {
		t.Errorf("while it is away: %v, hint %q", err, job.HintOf(err))
	}
	c.Start(t)
	heardOf(t, bob, "") // that it is there
	use("")
	eventually(t, "nobody listens", func() bool { return listeners(t, c, databases[0]) == 0 })
	use(c.URL(login, databases[1]))
	heardOf(t, bob, "")
	if n := listeners(t, c, databases[1]); n != 1 {
		t.Errorf("%d listen to the other database", n)
	}

	ann := laptop(t, c, databases[1], "ann@laptop")
	shareAll(t, ann)
	id := start(t, ann, shell("echo hello"))
	rung(t, bob, "ann's job is there", func() bool {
		bob.Changes().TakeTeam()
		return stateThere(t, bob, id) != ""
	})
}

// Anybody in the database can speak of any number of jobs. What is remembered of
// that has an end.
func TestChanges_OfTheTeamAreBounded(t *testing.T) {
	t.Parallel()
	c := newChanges()
	for range 3*mostTeam + 7 {
		c.addTeam(job.NewID())
	}
	if jobs, all := c.TakeTeam(); !all || len(jobs) > mostTeam {
		t.Errorf("%d jobs, and all of them may be new: %t", len(jobs), all)
	}
	if jobs, all := c.TakeTeam(); len(jobs) > 0 || all {
		t.Errorf("taken twice: %v", jobs)
	}
}
