package engine

import (
	"testing"
	"time"
)

// Ensure a sleep and another network are noticed, and nothing else is.
func TestSight_MovedSince(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	before := sight{at, time.Minute, "10.0.0.1/8 "}
	for name, c := range map[string]struct {
		now   sight
		moved bool
	}{
		"two seconds later":  {sight{at.Add(2 * time.Second), time.Minute + 2*time.Second, before.addresses}, false},
		"busy for a minute":  {sight{at.Add(time.Minute), 2 * time.Minute, before.addresses}, false},
		"slept for an hour":  {sight{at.Add(time.Hour), time.Minute + time.Second, before.addresses}, true},
		"in another network": {sight{at.Add(time.Second), time.Minute + time.Second, "10.0.0.2/8 "}, true},
		"clock set back":     {sight{at.Add(-time.Hour), time.Minute + time.Second, before.addresses}, true},
	} {
		if got := c.now.movedSince(before); got != c.moved {
			t.Errorf("%s: moved %t", name, got)
		}
	}
	if now := glance(); glance().movedSince(now) {
		t.Error("nothing happened in a moment")
	}
}
