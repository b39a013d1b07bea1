//go:build unix

package remote

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/remote/remotetest"
)

// Ensure each machine on the way is named in its questions, with where the way
// leads.
func TestHops_QuestionsNameTheWay(t *testing.T) {
	t.Parallel()
	inner, outer := remotetest.Start(t, remotetest.Config{}), remotetest.Start(t, remotetest.Config{})
	const ask = "StrictHostKeyChecking ask"
	known := "UserKnownHostsFile " + filepath.Join(t.TempDir(), "known_hosts")
	var mu sync.Mutex
	var asked []string
	p := New(Config{
		Resolve: func(_ context.Context, d inventory.Destination) (*inventory.Options, error) {
			if d.Alias == "outer" {
				return outer.Options("web1", known, ask), nil
			}
			return inner.Options("web1", known, ask, "ProxyJump outer"), nil
		},
		Prompts: always(Prompts{HostKey: func(_ context.Context, q HostKeyQuestion) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, fmt.Sprintf("%s %d/%d to %s", q.Hop.Name, q.Hop.Number, q.Hop.Of, q.Hop.Host))
			return true, nil
		}}),
	})
	defer p.Close()
	if err := p.Connect(within(t, time.Minute), inventory.Destination{Alias: "inner"}); err != nil {
		t.Fatal(err)
	}
	if want := "[outer 1/2 to inner inner 2/2 to inner]"; fmt.Sprint(asked) != want {
		t.Errorf("asked %v, want %s", asked, want)
	}
}

// Ensure the way says of each machine how far the last attempt came with it, and
// what its server says, which may be anything.
func TestHops_TheWayTellsWhereItEnded(t *testing.T) {
	t.Parallel()
	banner := filepath.Join(t.TempDir(), "banner")
	if err := os.WriteFile(banner, []byte("Only for \x1b[31mauthorised\x1b[0m users.\n\tYou are watched.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inner := remotetest.Start(t, remotetest.Config{Options: []string{"PubkeyAuthentication no", "PasswordAuthentication no"}})
	outer := remotetest.Start(t, remotetest.Config{Options: []string{"Banner " + banner}})
	p := gateway(t, inner, outer, "ProxyJump outer")
	d := inventory.Destination{Alias: "inner"}
	ways := func() (out []Waypoint) {
		if err := p.Connect(within(t, time.Minute), d); err == nil {
			t.Fatal("it let us in")
		}
		out = p.State(d).Way
		if len(out) != 2 {
			t.Fatalf("the way is %+v", out)
		}
		return out
	}
	way := ways()
	if way[0].Name != "outer" || way[0].Came != CameThrough || way[0].Banner != "Only for [31mauthorised[0m users.\n\tYou are watched.\n" {
		t.Errorf("outer: %+v", way[0])
	}
	if way[1].Name != "inner" || way[1].Came != CameToStop || way[1].Banner != "" {
		t.Errorf("inner: %+v", way[1])
	}
	if state := p.State(inventory.Destination{Alias: "outer"}); len(state.Way) != 1 || state.Way[0].Banner != way[0].Banner {
		t.Errorf("by itself: %+v", state.Way)
	}
	p.Disconnect(inventory.Destination{Alias: "outer"})
	outer.Stop()
	if way = ways(); way[0].Came != CameToStop || way[1].Came != CameNowhere {
		t.Errorf("without the jump host: %+v", way)
	}
}
