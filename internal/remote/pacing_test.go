//go:build unix

package remote

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

// Ensure a server that closes every connection at once is left alone after a few,
// also by a whole fan-out, and that the errors name what it may be.
func TestBreaker_LeavesAServerAlone(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	proxy.Refuse(true)
	p := poolFor(t, s)
	p.pacing.alone = []time.Duration{500 * time.Millisecond, time.Hour}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			err := p.Connect(within(t, time.Minute), inventory.Destination{Alias: "web1", User: fmt.Sprint("user", i)})
			var c *ConnectError
			if !errors.As(err, &c) || c.Status != StatusUnreachable || !strings.Contains(err.Error(), "before authentication") {
				t.Errorf("got %v", err)
			}
			for _, limit := range []string{"MaxStartups", "PerSourcePenalties"} {
				if !strings.Contains(job.HintOf(err), limit) {
					t.Errorf("the hint %q does not name %s", job.HintOf(err), limit)
				}
			}
		})
	}
	all.Wait()
	if got, most := proxy.Accepted(), tooOften-1+perEndpoint+1; got > most {
		t.Errorf("it was asked %d times, want at most %d", got, most)
	}
	// A network that is another one now is a new chance.
	proxy.Refuse(false)
	p.NetworkChanged()
	if err := p.Connect(within(t, time.Minute), web1); err != nil {
		t.Error(err)
	}
}

// Ensure a fan-out waits for a server that is left alone, and goes on when it lets in
// again; meanwhile it is shown what is waited for.
func TestBreaker_FanOutWaits(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	proxy.Refuse(true)
	p := poolFor(t, s)
	p.pacing.alone = []time.Duration{2 * time.Second}
	hosts := make([]inventory.Destination, 20)
	for i := range hosts { // one server, and a connection for each
		hosts[i] = inventory.Destination{Alias: "web1", Port: 1 + i}
	}
	var all sync.WaitGroup
	for _, h := range hosts {
		all.Go(func() {
			if err := p.Connect(within(t, time.Minute), h); err != nil {
				t.Errorf("%s: %v", h, err)
			}
		})
	}
	waits := func() (n int) {
		for _, h := range hosts {
			if st := p.State(h); st.Status == StatusConnecting && strings.Contains(st.Error, "left alone") && !st.Next.IsZero() && st.Hint != "" {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(30 * time.Second); waits() < len(hosts); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d are shown to wait", waits(), len(hosts))
		}
	}
	before := proxy.Accepted()
	proxy.Refuse(false)
	all.Wait()
	if got := proxy.Accepted() - before; got != len(hosts) {
		t.Errorf("it was asked %d times for %d connections", got, len(hosts))
	}
	if st := p.State(hosts[0]); st.Status != StatusConnected || st.Error != "" {
		t.Errorf("got %+v", st)
	}
}

// Ensure one connection alone is given up after a few attempts, without the pause.
func TestBreaker_OneConnection(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	proxy.Refuse(true)
	p := poolFor(t, s)
	p.pacing.alone = []time.Duration{time.Hour}
	err := p.Connect(within(t, time.Minute), web1)
	if err == nil || !strings.Contains(err.Error(), "left alone for another 1h") || proxy.Accepted() != tooOften {
		t.Errorf("after %d attempts: %v", proxy.Accepted(), err)
	}
}

// Ensure that after a pause one attempt goes first, that another one does when that
// is given up, and that all go when the server has spoken.
func TestBreaker_OneGoesFirst(t *testing.T) {
	t.Parallel()
	p := newPacing()
	p.alone = []time.Duration{time.Millisecond}
	for range tooOften {
		p.ended("a", false, true, false)
	}
	pass := func() bool {
		probe, err := p.pass(within(t, time.Minute), "a", &patience{}, func(*shutOut) {})
		if err != nil {
			t.Error(err)
		}
		return probe
	}
	if !pass() {
		t.Fatal("the first one is no probe")
	}
	second := make(chan bool)
	go func() { second <- pass() }()
	p.ended("a", true, false, false)
	if !<-second {
		t.Error("nobody goes first any more")
	}
	third := make(chan bool)
	go func() { third <- pass() }()
	p.ended("a", true, false, true)
	if <-third || p.isAlone("a") || pass() {
		t.Error("somebody still has to go first")
	}
}
