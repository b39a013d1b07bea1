package engine

import (
	"context"
	"fmt"

	"vmorchestrator/internal/archive"
)

// DatabaseCheck is what a database said when it was tried.
type DatabaseCheck struct {
	Installations int    `json:"installations"` // that ship there
	Entries       uint64 `json:"entries"`       // of this machine's ledger that it has
	Ledger        uint64 `json:"ledger"`        // that there are
}

// Lines are its facts, name and value.
func (c DatabaseCheck) Lines() [][2]string {
	return [][2]string{
		{"machines", fmt.Sprint(c.Installations)},
		{"this one's ledger", fmt.Sprintf("%d of %d entries are there", c.Entries, c.Ledger)},
	}
}

// CheckDatabase connects to a database, without a URL to the configured one, and
// tells what is there, or in three parts why it cannot be used.
func (e *Engine) CheckDatabase(ctx context.Context, url string) (check DatabaseCheck, err error) {
	cfg, err := e.admin(url)
	if err != nil {
		return check, err
	}
	a := archive.Open(cfg)
	defer a.Close()
	all, err := a.Installations(ctx)
	if err != nil {
		return check, err
	}
	check.Installations = len(all)
	for _, i := range all {
		if i.ID == e.journal.ID() {
			check.Entries = i.Entries
		}
	}
	check.Ledger, _, err = e.journal.Head()
	return check, err
}
