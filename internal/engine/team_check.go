package engine

import (
	"context"
	"time"

	"vmorchestrator/internal/archive"
	"vmorchestrator/internal/job"
)

// DatabaseCheck is what a database said when it was tried.
type DatabaseCheck struct {
	Server        string `json:"server"`    // such as anna@db.example:5432/vmo
	Postgres      string `json:"postgres"`  // its version
	Transport     string `json:"transport"` // how what is sent is protected
	Login         string `json:"login"`
	May           string `json:"may"`      // owner, operator or viewer
	Writable      bool   `json:"writable"` // it takes writes at the moment
	Schema        int    `json:"schema"`   // the version of its tables
	AnswerMS      int64  `json:"answer_ms"`
	Jobs          int    `json:"jobs"`
	Installations int    `json:"installations"` // machines that ship there
	Bytes         uint64 `json:"bytes"`         // on its disk
	Entries       uint64 `json:"entries"`       // of this machine's ledger that are there
	Ledger        uint64 `json:"ledger"`        // that there are
}

// CheckDatabase connects to a database, without a URL to the configured one, and
// tells what is there, or in three parts why it cannot be used. It is one attempt.
func (e *Engine) CheckDatabase(ctx context.Context, url string) (DatabaseCheck, error) {
	cfg, err := e.admin(url)
	if err != nil {
		return DatabaseCheck{}, err
	}
	a := archive.Open(cfg)
	defer a.Close()
	c, err := a.Check(ctx)
	check := DatabaseCheck{
		Server: c.Server, Postgres: c.Version, Transport: c.Transport, Login: c.Login, May: c.May, Writable: c.Writable,
		Schema: c.Schema, AnswerMS: c.Answer.Milliseconds(), Jobs: c.Jobs, Installations: c.Installations, Bytes: c.Bytes,
	}
	if err != nil {
		return check, err
	}
	all, err := a.Installations(ctx)
	if err != nil {
		return check, err
	}
	for _, i := range all {
		if i.ID == e.journal.ID() {
			check.Entries = i.Entries
		}
	}
	check.Ledger, _, err = e.journal.Head()
	return check, err
}

// Retention says which output goes from the archive: that of jobs that are older
// than Before, and of the oldest until no more than Jobs, or Bytes, have any.
type Retention struct {
	Before time.Time
	Jobs   int
	Bytes  uint64
	Why    string
}

// Retired is what goes.
type Retired struct {
	Jobs   []job.ID `json:"jobs"` // oldest first
	Bytes  uint64   `json:"bytes"`
	Pinned int      `json:"pinned"` // that would go if they were not pinned
	Kept   int      `json:"kept"`   // jobs that still have output
}

// RetireArchive removes old output from the archive, or tells with preview what it
// would. Only its owner may: without a URL that is the configured login.
func (e *Engine) RetireArchive(ctx context.Context, r Retention, preview bool, url string) (Retired, error) {
	cfg, err := e.admin(url)
	if err != nil {
		return Retired{}, err
	}
	if r.Why == "" {
		r.Why = "retention by " + e.config.Operator
	}
	done, err := archive.Retention(ctx, cfg, archive.Policy{Before: r.Before, MaxJobs: r.Jobs, MaxBytes: r.Bytes, Why: r.Why}, preview)
	if err != nil {
		return Retired{}, err
	}
	return Retired{Jobs: append([]job.ID{}, done.Jobs...), Bytes: done.Bytes, Pinned: done.Pinned, Kept: done.Kept}, nil
}
