package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"vmorchestrator/internal/job"
)

// Spilled is what Spill emptied.
type Spilled struct {
	First, Last uint32 // blocks
	Bytes       uint64 // of output
}

// Take adds a block if it has any of the lines first to last.
func (s *Spilled) Take(b job.Block, first, last uint64) {
	if b.FirstLine >= last || b.FirstLine+uint64(b.Lines) < first-1 {
		return
	}
	if s.Bytes == 0 {
		s.First = b.Number
	}
	s.Last = b.Number
	s.Bytes += uint64(b.Bytes)
}

// Spill removes the output of an ended job from line first to line last, counted
// from 1, for good: a secret that must not stay. Whole blocks are emptied, about
// 64 KiB each, so some lines around go too. What was there, how much of it and
// its hash stay in the record, so that the rest of it still verifies, and the
// ledger says who did it and why. A replica here goes too; copies elsewhere are
// not touched.
func (j *Journal) Spill(ctx context.Context, id job.ID, first, last uint64, by, why string) (Spilled, error) {
	done, err := j.spill(ctx, id, first, last, by, why)
	if err != nil {
		err = fmt.Errorf("empty a part of the record of job %s: %w", id, err)
	}
	return done, err
}

func (j *Journal) spill(ctx context.Context, id job.ID, first, last uint64, by, why string) (Spilled, error) {
	if j.readOnly != nil {
		return Spilled{}, j.readOnly
	}
	if first < 1 || last < first {
		return Spilled{}, fmt.Errorf("%w: there are no lines %d to %d", job.ErrInvalid, first, last)
	}
	s, err := j.sealStatement(id)
	if err != nil {
		return Spilled{}, err
	}
	p, err := j.Parts(id)
	if err != nil {
		return Spilled{}, err
	}
	defer p.Close()
	x, err := p.index()
	if err != nil {
		return Spilled{}, err
	}
	var done Spilled
	for i := range x.marks {
		done.Take(x.marks[i].block(), first, last)
	}
	if done.Bytes == 0 {
		return done, fmt.Errorf("%w: it has no lines %d to %d", job.ErrInvalid, first, last)
	}
	s.Kind, s.First, s.Last, s.By, s.Why, s.Host = job.EntrySpill, done.First, done.Last, by, why, x.seal.Job.Host
	if err := j.ledger.add(s); err != nil {
		return done, err
	}
	if err := j.empty(ctx, id, p, x.seal.Job, done); err != nil {
		return done, err
	}
	return done, j.dropReplica(id)
}

// empty writes the record anew without the output of some blocks.
func (j *Journal) empty(ctx context.Context, id job.ID, p *Parts, what job.Job, gone Spilled) (err error) {
	path := j.shelfPath(id)
	temp, err := os.OpenFile(path+".spill", os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, temp.Close()); err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	r := &Replica{id: id, f: temp, ended: &what}
	for first := true; !r.sealed; first = false {
		part, err := p.Part(r.Next(), verifyPage)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if first {
			if err := r.open(part.Opening); err != nil {
				return err
			}
		}
		for i := range part.Blocks {
			if n := part.Blocks[i].Number; gone.First <= n && n <= gone.Last {
				part.Blocks[i].Data = nil
			}
		}
		if err := r.add(part); err != nil {
			return err
		}
		if len(part.Blocks) == 0 && !part.Sealed {
			return fmt.Errorf("%w: it has no end", job.ErrInvalid)
		}
	}
	if err := temp.Sync(); err != nil {
		return err
	}
	return errors.Join(os.Rename(temp.Name(), path), syncDir(filepath.Dir(path)))
}

// Lock makes this process the only one that does something to the journal, until
// it gives the lock back or dies. It fails with ErrBusy when another one has it.
func (j *Journal) Lock(name string) (release func() error, err error) {
	f, err := os.OpenFile(filepath.Join(j.dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the journal: %w", err)
	}
	if err := lockFile(f); err != nil {
		if errors.Is(err, errLocked) {
			err = ErrBusy
		}
		return nil, errors.Join(fmt.Errorf("lock the journal: %w", err), f.Close())
	}
	return f.Close, nil
}
