package archive

import (
	"sync"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// A pooler gives each transaction another connection of the server, of which
// there are fewer than clients. Nothing may depend on what was said before on
// the same one; notices do not pass.
func TestPooler(t *testing.T) {
	t.Parallel()
	c, db, login := ownArchive(t)
	addr := c.Pooler(t, login, "secret")
	url := c.TCP(addr, login, "secret", db)
	asking := quick(Config{URL: url})
	defer asking.Close()
	if found, err := asking.Check(t.Context()); err != nil {
		t.Fatalf("%+v: %v (%s)", found, err, job.HintOf(err))
	}

	// Four laptops at once, over two connections.
	var all sync.WaitGroup
	var first *Archive
	journals := make([]*journal, 4)
	for i := range journals {
		j := newJournal(string(rune('a' + i)))
		journals[i] = j
		for range 30 {
			j.run(2, 10_000)
		}
		a := quick(Config{URL: url, Source: j})
		defer a.Close()
		if i == 0 {
			first = a
		}
		all.Go(func() {
			if _, err := a.ShipOnce(t.Context()); err != nil {
				t.Errorf("%s: %v (%s)", j.id, err, job.HintOf(err))
			}
		})
	}
	all.Wait()
	for _, j := range journals {
		same(t, first, j)
	}
	if jobs, err := first.Jobs(t.Context(), job.Filter{}, "", 200); err != nil || len(jobs) != 120 {
		t.Errorf("%d jobs, %v", len(jobs), err)
	}

	// What comes is seen by looking.
	viewer := quick(Config{URL: url})
	viewer.pace.watch = 50 * time.Millisecond
	saw := watch(t, viewer)
	until(t, "a new job was seen", func() bool {
		id := journals[0].run(1, 10)
		shipOnce(t, first)
		return saw(id)
	})

	// The connections of the server go away under it.
	background(t, first)
	for range 2 {
		c.Kill()
		id := journals[0].run(1, 1000)
		c.Start(t)
		until(t, "everything is there", complete(t, first, journals[0]))
		until(t, "it was seen", func() bool { return saw(id) })
	}
	same(t, first, journals[0])
}
