package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"vmorchestrator/internal/job"
)

// What the ledger says about a record.

// opened says that a record was begun.
func (r *Record) opened() job.Statement { return beginStatement(r.id, r.begin) }

// statement seals a record that has ended.
func (r *Record) statement() job.Statement {
	return job.Statement{
		Kind: job.EntrySeal, Job: r.id, Digest: r.head, Start: digestOf(r.start),
		Blocks: uint32(len(r.marks)), Chunks: r.seq, Bytes: r.bytes,
	}
}

func beginStatement(id job.ID, begin []byte) job.Statement {
	return job.Statement{Kind: job.EntryBegin, Job: id, Digest: digestOf(begin)}
}

func digestOf(body []byte) string {
	if body == nil {
		return ""
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// sealStatement is what the segment of an ended job says of itself.
func (j *Journal) sealStatement(id job.ID) (job.Statement, error) {
	r, err := j.Reader(id)
	if err != nil {
		return job.Statement{}, err
	}
	defer r.Close()
	x, err := r.indexed()
	if err != nil {
		return job.Statement{}, err
	}
	if x.seal == nil {
		return job.Statement{}, fmt.Errorf("the record of job %s is not sealed: %w", id, job.ErrInvalid)
	}
	return sealOf(id, r, x), nil
}

// sealOf is what a sealed segment says of itself.
func sealOf(id job.ID, r *Reader, x *index) job.Statement {
	s := job.Statement{
		Kind: job.EntrySeal, Job: id, Digest: x.seal.Head, Blocks: uint32(len(x.marks)),
		Chunks: x.seal.Job.Chunks, Bytes: x.seal.Job.Bytes,
	}
	if b := readBeginning(r.f, r.seed); b.start != nil {
		s.Start = digestOf(b.start.Body)
	}
	return s
}

// note writes into the ledger what it lacks about a job whose owner died.
func (j *Journal) note(id job.ID) error {
	begun, sealed, err := j.ledger.states(id)
	if err != nil {
		return err
	}
	var missing []job.Statement
	if !begun {
		r, err := j.Reader(id)
		if err != nil {
			return err
		}
		b := readBeginning(r.f, r.seed)
		missing = append(missing, beginStatement(id, b.begin))
		if err := r.Close(); err != nil {
			return err
		}
	}
	if !sealed {
		s, err := j.sealStatement(id)
		if err != nil {
			return err
		}
		missing = append(missing, s)
	}
	if len(missing) == 0 {
		return nil
	}
	return j.ledger.add(missing...)
}

// beginning is what stands at the start of a segment.
type beginning struct {
	begin []byte    // payload of the begin frame; nil if it is damaged
	start *job.Mark // nil if it is not there yet
}

// beforeStart bounds the frames that may stand before the start of a process: a
// job that waits for a place has few.
const beforeStart = 4096

func readBeginning(f segment, seed uint32) beginning {
	var b beginning
	s := newScanner(f, seed, preludeSize)
	defer s.close()
	for range beforeStart {
		step, err := s.next()
		if err != nil {
			break
		}
		switch {
		case step.damaged:
		case step.kind == kindBegin:
			b.begin = append([]byte{}, step.payload...)
		case step.kind == kindStart:
			b.start = &job.Mark{Seq: step.seq, At: step.at, Body: append([]byte{}, step.payload...)}
			return b
		case step.kind == kindEnd, step.kind == kindSeal:
			return b
		}
	}
	return b
}

// Remove removes the record of an ended job for good, and says so in the ledger
// first: who, and why.
func (j *Journal) Remove(id job.ID, by, why string) error {
	if err := j.remove(id, by, why); err != nil {
		return fmt.Errorf("remove the record of job %s: %w", id, err)
	}
	return nil
}

func (j *Journal) remove(id job.ID, by, why string) error {
	if j.readOnly != nil {
		return j.readOnly
	}
	s, err := j.sealStatement(id)
	if err != nil {
		return err
	}
	var done Pruned
	return j.removeAll(context.Background(), []job.Statement{s}, why, by, &done)
}

// Share says in the ledger that records begun before a time are not shipped to an
// archive, so that nobody takes them for removed there.
func (j *Journal) Share(archive string, from time.Time, by string) error {
	if j.readOnly != nil {
		return j.readOnly
	}
	return j.ledger.add(job.Statement{Kind: job.EntryShare, From: from.UTC(), Why: archive, By: by})
}
