package engine

import (
	"context"
	"net"
	"time"
)

// networkEvery is how often it is looked whether the machine slept or its
// addresses changed.
const networkEvery = 2 * time.Second

// attend tells the connections when this machine was asleep or is in another
// network: they are then tried at once instead of after their keepalives.
func (e *Engine) attend(ctx context.Context) {
	defer e.tasks.Done()
	tick := time.NewTicker(networkEvery)
	defer tick.Stop()
	before := glance()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := glance()
		if now.movedSince(before) {
			e.pool.NetworkChanged()
		}
		before = now
	}
}

// sight is where and when this machine is.
type sight struct {
	wall      time.Time     // without a monotonic reading
	awake     time.Duration // by the monotonic clock, since the program began
	addresses string
}

var began = time.Now()

func glance() sight {
	now := time.Now()
	return sight{now.Round(0), now.Sub(began), addresses()}
}

// movedSince reports whether the machine slept, or has other addresses. The
// monotonic clock stands still while it sleeps, the wall clock does not. Somebody
// who sets the clock costs one look at each connection.
func (s sight) movedSince(before sight) bool {
	slept := s.wall.Sub(before.wall) - (s.awake - before.awake)
	return slept.Abs() > networkEvery || s.addresses != before.addresses
}

// addresses are those of this machine, or empty while they cannot be told.
func addresses() (all string) {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range found {
		all += a.String() + " "
	}
	return all
}
