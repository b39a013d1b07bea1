package remote

import (
	"context"

	"vmorchestrator/internal/inventory"
)

// Agent counts the keys of the agent that connections use when no configuration
// names another, and says how it was found.
func Agent(ctx context.Context) (keys int, how string, err error) {
	a := agentAt("", "")
	held, err := a.list(ctx)
	return len(held), a.why, err
}

// Way is how a connection would be made.
type Way struct {
	Hops   []Hop  // the machines on the way, the host itself last
	Engine string // EngineBuiltIn or EngineOpenSSH
	Why    string // why it is ssh; empty if it is not
}

// Way tells how a connection to a destination would be made, without making it.
// Resolving may run what the configuration says with Match exec.
func (p *Pool) Way(ctx context.Context, d inventory.Destination) (Way, error) {
	at := place{Destination: d}
	steps, err := p.route(ctx, at, &trail{})
	if err != nil {
		return Way{}, err
	}
	w := Way{Engine: EngineBuiltIn}
	for _, s := range steps {
		w.Hops = append(w.Hops, s.hop)
	}
	why, err := p.choice(ctx, at, steps)
	if why.text != "" {
		w.Engine, w.Why = EngineOpenSSH, why.text
	}
	return w, err
}
