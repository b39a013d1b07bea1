package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vmorchestrator/internal/job"
)

// Remark is one thing that somebody said of a job; see [job.Remark].
type Remark struct {
	job.Remark
	Login string `json:"login,omitempty"` // that shipped it, as the server knows it; empty for what this machine knows alone
}

// Note writes a note on a job, mine or a colleague's. It stands in the ledger of
// this machine, which says who wrote it, and goes from there into the archive.
// Nobody can take it away again.
func (e *Engine) Note(ctx context.Context, on job.Job, text string) error {
	return e.journal.Note(ctx, on, e.config.Operator, text)
}

// Label gives a job labels that it has not.
func (e *Engine) Label(ctx context.Context, on job.Job, labels ...string) error {
	return e.journal.Label(ctx, job.EntryLabel, on, e.config.Operator, labels...)
}

// Unlabel takes labels off a job that has them. That it had them stays in the ledger.
func (e *Engine) Unlabel(ctx context.Context, on job.Job, labels ...string) error {
	return e.journal.Label(ctx, job.EntryUnlabel, on, e.config.Operator, labels...)
}

// Remarks returns what this machine knows that was said of a job, in order.
func (e *Engine) Remarks(ctx context.Context, id job.ID) ([]Remark, error) {
	list, err := e.journal.Remarks(ctx, id)
	out := make([]Remark, len(list))
	for i, r := range list {
		out[i] = Remark{Remark: r}
	}
	return out, err
}

// TeamRemarks returns what anybody said of a job, as the archive has it, in the
// order in which it came there. What this machine said and the archive does not
// have yet comes last.
func (e *Engine) TeamRemarks(ctx context.Context, id job.ID) ([]Remark, error) {
	a, err := e.reachable()
	if err != nil {
		return nil, err
	}
	there, err := a.Remarks(ctx, id)
	if err != nil {
		return nil, err
	}
	here, err := e.journal.Remarks(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read what this machine says: %w", err)
	}
	out := make([]Remark, 0, len(there))
	mine := 0
	for _, r := range there {
		out = append(out, Remark{r.Remark, r.Login})
		if r.Installation == e.journal.ID() {
			mine++
		}
	}
	for _, r := range here[min(mine, len(here)):] { // a ledger goes there in its order
		out = append(out, Remark{Remark: r})
	}
	return out, nil
}

// Said is what was said of a job.
type Said struct {
	Remarks []Remark `json:"remarks"`
	Team    bool     `json:"team"`    // by anybody, as the archive knows; else on this machine
	Problem string   `json:"problem"` // why the archive could not be asked; empty if it was, or there is none
}

// saidSoon bounds how long an archive that does not answer is waited for.
const saidSoon = 3 * time.Second

// Said returns what anybody said of a job, where the archive answers soon, and
// what was said on this machine otherwise.
func (e *Engine) Said(ctx context.Context, id job.ID) (Said, error) {
	soon, cancel := context.WithTimeout(ctx, saidSoon)
	defer cancel()
	list, err := e.TeamRemarks(soon, id)
	if err == nil {
		return Said{Remarks: list, Team: true}, nil
	}
	var s Said
	if !errors.Is(err, ErrNoArchive) {
		s.Problem = err.Error()
	}
	s.Remarks, err = e.Remarks(ctx, id)
	return s, err
}

// Spoken is a job of this machine or a colleague's, with everything that is known
// to have been said of it.
func (e *Engine) Spoken(ctx context.Context, id job.ID) (job.Job, error) {
	j, err := e.Job(ctx, id)
	if errors.Is(err, job.ErrNotFound) {
		var there TeamJob
		there, err = e.TeamFind(ctx, string(id))
		j = there.Job
	}
	if err != nil {
		return j, err
	}
	said, err := e.Said(ctx, id)
	j.Marks = job.Marks{}
	for _, r := range said.Remarks {
		j.Marks.Take(r.Remark)
	}
	return j, err
}
