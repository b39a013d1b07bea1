package archive

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// watch collects what a watcher is told.
func watch(t *testing.T, a *Archive) (told func(job.ID) bool) {
	t.Helper()
	times := watchCount(t, a)
	return func(id job.ID) bool { return times(id) > 0 }
}

// watchCount tells how often it was told of a job.
func watchCount(t *testing.T, a *Archive) (times func(job.ID) int) {
	t.Helper()
	var mu sync.Mutex
	told := map[job.ID]int{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- a.Watch(ctx, func(id job.ID) {
			mu.Lock()
			defer mu.Unlock()
			told[id]++
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return func(id job.ID) int {
		mu.Lock()
		defer mu.Unlock()
		return told[id]
	}
}

func TestWatch_TellsWhatIsNew(t *testing.T) {
	t.Parallel()
	c, db, login := ownArchive(t)
	viewer := c.Login(t, "x", "vmo_viewer")
	j := newJournal("i1")
	owner := quick(Config{URL: c.URL(login, db), Source: j})
	defer owner.Close()
	listening, looking := quick(Config{URL: c.URL(viewer, db)}), quick(Config{URL: c.URL(viewer, db)})
	listening.pace.watch = time.Hour // so that only a notice can be it
	heard, saw := watchCount(t, listening), watch(t, looking)
	until(t, "both listen", func() bool { // they look for the first time when they do
		return count(t, c, db, fmt.Sprintf(`SELECT count(*) FROM pg_stat_activity WHERE usename = '%s'
			AND (query LIKE 'SELECT clock_timestamp()%%' AND state = 'idle' OR query LIKE '%%max(at)%%')`, viewer)) >= 2
	})
	background(t, owner)
	id := j.begin(aJob())
	owner.Nudge()
	until(t, "it was heard", func() bool { return heard(id) > 0 })
	until(t, "it was seen", func() bool { return saw(id) })
	before := heard(id)
	j.say(job.EntryNote, id, "anna@thinkpad", "odd")
	owner.Nudge()
	until(t, "a note on it was heard", func() bool { return heard(id) > before })

	// Notices are lost while the server is away; a look finds what came.
	c.Kill()
	other := j.begin(aJob())
	c.Start(t)
	until(t, "it is there", complete(t, owner, j))
	until(t, "it was seen", func() bool { return saw(other) })

	// What anybody can send is no id, and does no harm.
	c.Exec(t, db, `SELECT pg_notify('vmo', '../../etc/passwd x'), pg_notify('vmo', '')`)
	last := j.begin(aJob())
	owner.Nudge()
	until(t, "it was seen", func() bool { return saw(last) })
}

func TestWatch_TooMuchForANotice(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	a := quick(Config{URL: url, Source: j})
	defer a.Close()
	var ids []job.ID
	for range 250 {
		ids = append(ids, j.run(0, 0))
	}
	a.pace.notify = time.Hour
	saw := watch(t, a)
	shipOnce(t, a)
	for _, id := range ids {
		until(t, "it was seen", func() bool { return saw(id) })
	}
}

// What was asked for while nobody listened may be old: whoever watches is told when
// it listens, when it cannot any more, and when it does again.
func TestWatch_TellsThatItListens(t *testing.T) {
	t.Parallel()
	c, db, _ := ownArchive(t)
	a := quick(Config{URL: c.URL(c.Login(t, "x", "vmo_viewer"), db)})
	times := watchCount(t, a)
	until(t, "it listens", func() bool { return times("") == 1 })
	c.Shutdown()
	until(t, "it cannot any more", func() bool { return times("") == 2 })
	c.Start(t)
	until(t, "it does again", func() bool { return times("") == 3 })
}

// One attempt: a server that counts wrong passwords must not lock the login.
func TestWatch_ARefusedLoginIsTriedWhenSomebodySaysSo(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	login, _ := operator(t, c, db)
	c.Exec(t, "postgres", "ALTER ROLE "+login+" VALID UNTIL '2001-01-01'")
	a := quick(Config{URL: c.TCP(c.Addr(), login, "secret", db) + "?sslmode=disable"})
	listens := watch(t, a)
	refused := func() int { return strings.Count(c.Log(), "] "+login+" FATAL") }
	until(t, "it is refused", func() bool { return refused() == 1 })
	a.Rewatch()
	until(t, "it is refused again", func() bool { return refused() == 2 })
	c.Exec(t, "postgres", "ALTER ROLE "+login+" VALID UNTIL 'infinity'")
	if listens("") {
		t.Error("it listens without having been asked to try again")
	}
	a.Retry()
	until(t, "it listens", func() bool { return listens("") })
	if n := refused(); n != 2 {
		t.Errorf("%d attempts were refused, want one for each time that it was asked", n)
	}
}

// A machine that is switched off sends nothing that could tell of it.
func TestWatch_TellsThatAMachineIsAway(t *testing.T) {
	t.Parallel()
	c, db := newArchive(t)
	_, url := operator(t, c, db)
	j := newJournal("i1")
	j.run(1, 1)
	owner := quick(Config{URL: url, Source: j})
	defer owner.Close()
	shipOnce(t, owner)
	a := quick(Config{URL: url})
	a.pace.away = time.Second
	times := watchCount(t, a)
	until(t, "it listens, and the machine is away", func() bool { return times("") == 2 })
	shipOnce(t, owner)
	until(t, "it is there again, and away once more", func() bool { return times("") == 4 })
}
