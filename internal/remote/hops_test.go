//go:build unix

package remote

import (
	"context"
	"fmt"
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
		Prompts: Prompts{HostKey: func(_ context.Context, q HostKeyQuestion) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, fmt.Sprintf("%s %d/%d to %s", q.Hop.Name, q.Hop.Number, q.Hop.Of, q.Hop.Host))
			return true, nil
		}},
	})
	defer p.Close()
	if err := p.Connect(within(t, time.Minute), inventory.Destination{Alias: "inner"}); err != nil {
		t.Fatal(err)
	}
	if want := "[outer 1/2 to inner inner 2/2 to inner]"; fmt.Sprint(asked) != want {
		t.Errorf("asked %v, want %s", asked, want)
	}
}
