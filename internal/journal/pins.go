package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"vmorchestrator/internal/job"
)

// Pin says in the ledger that the record of a job is to be kept: Prune leaves it,
// and so does the archive. Unpin takes that back.
func (j *Journal) Pin(ctx context.Context, id job.ID, by, why string) error {
	return j.pin(ctx, job.EntryPin, id, by, why)
}

// Unpin says that the record of a job need not be kept any more.
func (j *Journal) Unpin(ctx context.Context, id job.ID, by string) error {
	return j.pin(ctx, job.EntryUnpin, id, by, "")
}

func (j *Journal) pin(ctx context.Context, kind job.EntryKind, id job.ID, by, why string) error {
	fail := func(err error) error { return fmt.Errorf("%s job %s: %w", kind, id, err) }
	if j.readOnly != nil {
		return fail(j.readOnly)
	}
	what, err := j.Job(ctx, id)
	if err != nil {
		return fail(err)
	}
	pinned, err := j.Pinned()
	if err != nil {
		return fail(err)
	}
	if pinned[id] == (kind == job.EntryPin) {
		return nil
	}
	if err := j.ledger.add(job.Statement{Kind: kind, Job: id, Host: what.Host, By: by, Why: why}); err != nil {
		return fail(err)
	}
	j.hint(id)
	return nil
}

// Pinned are the jobs that are pinned, as the ledger says.
func (j *Journal) Pinned() (map[job.ID]bool, error) {
	var p pins
	err := p.read(j)
	return p.of, err
}

// pins follow the ledger.
type pins struct {
	of  map[job.ID]bool
	end int64 // of what was read of it
}

var pinMarks = [][]byte{[]byte(`"kind":"pin"`), []byte(`"kind":"unpin"`)}

// read takes note of what is new in the ledger.
func (p *pins) read(j *Journal) error {
	if p.of == nil {
		p.of = map[job.ID]bool{}
	}
	f, err := os.Open(filepath.Join(j.dir, ledgerName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	defer f.Close()
	err = walkLedger(f, p.end, func(e job.Entry, end int64) (bool, error) {
		p.end = end
		if !bytes.Contains(e.Body, pinMarks[0]) && !bytes.Contains(e.Body, pinMarks[1]) {
			return false, nil
		}
		s, err := e.Statement()
		switch {
		case err != nil: // verify tells of it
		case s.Kind == job.EntryPin:
			p.of[s.Job] = true
		case s.Kind == job.EntryUnpin:
			delete(p.of, s.Job)
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	return nil
}
