package app

import (
	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// ActsQuery asks for what was done. Of the filter hosts, operator and times count.
type ActsQuery struct {
	Filter job.Filter `json:"filter"`
	Limit  int        `json:"limit"`
	Team   bool       `json:"team"` // by everybody, as the archive knows it
}

// ActsPage is what was done, the newest first.
type ActsPage struct {
	Acts []engine.Act `json:"acts"`
	More bool         `json:"more"` // there is more before the last one
}

// Acts lists everything that was done: jobs, and what else the ledger tells.
func (b *Jobs) Acts(q ActsQuery) (ActsPage, error) {
	e, err := b.shell.open()
	if err != nil {
		return ActsPage{}, err
	}
	list := e.Acts
	if q.Team {
		list = e.TeamActs
	}
	acts, more, err := list(b.shell.ctx, q.Filter, min(max(q.Limit, 1), 500))
	return ActsPage{acts, more}, err
}
