package remote

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// maxHops bounds the way to a host; nobody has that many.
const maxHops = 16

// step is one machine on the way to a host: how it is reached, and with which
// options.
type step struct {
	at      place
	options *inventory.Options
	hop     Hop
}

// journey is where a connection to a jump host is to lead, for the questions on
// the way. It travels in the context, under its zero value: whoever wanted the
// jump host first is whom its questions are about.
type journey struct {
	host string
	hops int
}

// route resolves every machine on the way to a place, the place itself last. The
// first of the jumps that a configuration names is reached as its own
// configuration says, each other one through those before it, as ssh does it.
func (p *Pool) route(ctx context.Context, to place, t *trail) ([]step, error) {
	var way []step
	seen := map[place]bool{}
	for at := to; ; {
		if seen[at] || len(way) == maxHops {
			return nil, job.WithHint(&ConnectError{Host: to.String(), Hop: at.String(), Status: StatusUnreachable, Steps: t.all(),
				Err: fmt.Errorf("its jump hosts lead back to %s", at)},
				"Check ProxyJump in the SSH configuration; `ProxyJump none` ends the way.")
		}
		seen[at] = true
		o, err := p.cfg.Resolve(ctx, at.Destination)
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			t.add(at.String(), "resolve", err.Error(), false)
			return nil, &ConnectError{Host: to.String(), Hop: at.String(), Status: StatusUnreachable, Steps: t.all(), Err: err}
		}
		way = append([]step{{at: at, options: o}}, way...)
		before, err := previous(at, o)
		if err != nil {
			return nil, &ConnectError{Host: to.String(), Hop: at.String(), Status: StatusUnreachable, Steps: t.all(), Err: err}
		}
		if before == nil {
			break
		}
		at = *before
	}
	wanted := journey{to.String(), len(way)}
	if j, ok := ctx.Value(journey{}).(journey); ok {
		wanted = j
	}
	for i := range way {
		s := &way[i]
		s.hop = Hop{
			Host: wanted.host, Name: s.at.String(), User: s.options.User, Number: i + 1, Of: wanted.hops,
			Addr: net.JoinHostPort(s.options.HostName, strconv.Itoa(s.options.Port)),
		}
	}
	return way, nil
}

// previous is the machine through which a place is reached; nil when it is
// reached directly or through a program.
func previous(at place, o *inventory.Options) (*place, error) {
	value := at.jumps
	if value == "" {
		value = o.Get("ProxyJump")
		if command := o.Get("ProxyCommand"); value == "" || command != "" && command != "none" {
			return nil, nil
		}
	}
	jumps, err := inventory.ParseJump(value)
	if err != nil || len(jumps) == 0 {
		return nil, err
	}
	last := len(jumps) - 1
	var others []string
	for _, j := range jumps[:last] {
		others = append(others, j.String())
	}
	return &place{Destination: jumps[last], jumps: strings.Join(others, ",")}, nil
}
