package journal

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"vmorchestrator/internal/job"
)

// Replica is a copy of a record of another installation, made from the parts that
// the archive holds. It is a segment like any other, so that every reader of a
// journal reads it; it is a cache, and may be deleted at any time.
//
// It may be used by one goroutine at a time and owns none. Close it.
type Replica struct {
	id     job.ID
	f      *os.File
	seed   uint32
	size   int64
	begin  []byte
	chain  [32]byte
	marks  []mark
	prev   uint64
	seq    uint64
	at     int64
	start  *startBody
	ended  *job.Job // what the seal says, if it is known already
	sealed bool
}

// ErrBusy means that another process is writing the same thing.
var ErrBusy = errors.New("another process is at it")

// ErrUnfit means that a part does not fit to what came before it.
var ErrUnfit = errors.New("does not fit its hash chain")

func (j *Journal) replicaPath(id job.ID) string {
	return filepath.Join(j.dir, "replicas", string(id)+segmentSuffix)
}

// dropReplica removes the copy of a record that the archive gave back, if there is
// one: what is removed from this machine must not stay in a cache.
func (j *Journal) dropReplica(id job.ID) error {
	if err := os.Remove(j.replicaPath(id)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Replica opens the replica of a record, or begins it. It fails with ErrBusy if
// another process has it open.
func (j *Journal) Replica(o job.Opening) (*Replica, error) {
	r, err := j.replica(o)
	if err != nil {
		return nil, fmt.Errorf("copy the record of job %s: %w", o.ID, err)
	}
	return r, nil
}

func (j *Journal) replica(o job.Opening) (*Replica, error) {
	if _, err := job.ParseID(string(o.ID)); err != nil {
		return nil, err
	}
	path := j.replicaPath(o.ID)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j.trimReplicas(path, replicaSpace)
	r := &Replica{id: o.ID, f: f, begin: o.Begin}
	if err := lockFile(f); err != nil {
		if errors.Is(err, errLocked) {
			err = ErrBusy
		}
		return nil, errors.Join(err, f.Close())
	}
	if err := r.open(o); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// replicaSpace is how much replicas may take: it is a cache, and the archive has
// them all.
const replicaSpace = 4 << 30

// trimReplicas removes the replicas that were not written to for the longest,
// except one that is wanted now and those that somebody is writing. What fails
// is tried again with the next replica.
func (j *Journal) trimReplicas(wanted string, space int64) {
	entries, err := os.ReadDir(filepath.Dir(wanted))
	if err != nil {
		return
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			files = append(files, info)
			space -= info.Size()
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range files {
		path := filepath.Join(filepath.Dir(wanted), info.Name())
		if space >= 0 {
			return
		}
		if path == wanted {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if lockFile(f) == nil && os.Remove(path) == nil {
			space += info.Size()
		}
		f.Close()
	}
}

// open reads what is there, or writes the beginning.
func (r *Replica) open(o job.Opening) error {
	info, err := r.f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, len(o.Prelude))
	if info.Size() >= preludeSize {
		if _, err := r.f.ReadAt(head, 0); err != nil {
			return err
		}
	}
	if string(head) != string(o.Prelude) { // none yet, or of something else
		if err := errors.Join(r.f.Truncate(0), r.write(o.Prelude)); err != nil {
			return err
		}
		if r.seed, err = parsePrelude(r.f); err != nil {
			return err
		}
		r.link(o.Begin)
		return r.frame(kindBegin, 0, 0, o.Begin)
	}
	if r.seed, err = parsePrelude(r.f); err != nil {
		return err
	}
	return r.resume()
}

// resume finds out where a replica that was begun earlier ends.
func (r *Replica) resume() error {
	r.size = preludeSize
	s := newScanner(r.f, r.seed, preludeSize)
	s.whole = true
	defer s.close()
	for {
		step, err := s.next()
		if errors.Is(err, errTail) {
			break
		}
		if err != nil {
			return err
		}
		if step.damaged {
			break // what is behind it comes once more
		}
		r.size, r.seq, r.at = step.to, step.seq, step.at
		switch step.kind {
		case kindBegin:
			r.link(append([]byte{}, step.payload...))
		case kindStart:
			r.start = decode[startBody](step.payload)
		case kindMark:
			if m, ok := parseMark(step.payload); ok {
				r.marks, r.chain, r.prev = append(r.marks, m), m.chain, uint64(step.from)
			}
		case kindSeal:
			r.sealed = true
		}
	}
	return r.f.Truncate(r.size)
}

func (r *Replica) link(begin []byte) {
	r.begin = begin
	r.chain = sha256.Sum256(begin)
}

// Next is the number of the block that it needs next.
func (r *Replica) Next() uint32 { return uint32(len(r.marks)) }

// Complete reports whether the record has ended and is all there.
func (r *Replica) Complete() bool { return r.sealed }

// Close gives it free for others.
func (r *Replica) Close() error { return r.f.Close() }

// Add appends a part that begins with block Next. It fails with ErrUnfit, and
// leaves out everything from there on, when a block is not the next of its chain.
func (r *Replica) Add(p job.Part) error {
	if err := r.add(p); err != nil {
		return fmt.Errorf("copy the record of job %s: %w", r.id, err)
	}
	return nil
}

func (r *Replica) add(p job.Part) error {
	if r.sealed {
		return nil
	}
	if p.Start != nil && r.start == nil {
		r.start = decode[startBody](p.Start.Body)
		if err := r.frame(kindStart, r.seq, max(r.at, p.Start.At), p.Start.Body); err != nil {
			return err
		}
	}
	for _, b := range p.Blocks {
		if err := r.block(b); err != nil {
			return err
		}
	}
	if p.Sealed && p.End != nil {
		return r.seal(*p.End)
	}
	return nil
}

func (r *Replica) block(b job.Block) error {
	m := markOf(b)
	m.link(r.chain)
	if b.Number != r.Next() || m.chain != b.Chain {
		return fmt.Errorf("block %d: %w", b.Number, ErrUnfit)
	}
	m.fileOffset, m.prev = uint64(r.size), r.prev
	m.fileLen = uint32(headerSize + markSize + len(b.Data))
	buf := appendFrame(nil, r.seed, kindBlock, m.lastSeq, m.lastAt, append(m.append(nil), b.Data...))
	prev := uint64(r.size) + uint64(len(buf))
	buf = appendFrame(buf, r.seed, kindMark, m.lastSeq, m.lastAt, m.append(nil))
	if err := r.write(buf); err != nil {
		return err
	}
	r.marks, r.chain, r.prev, r.seq, r.at = append(r.marks, m), m.chain, prev, m.lastSeq, m.lastAt
	return nil
}

func (r *Replica) seal(end job.Mark) error {
	if err := r.frame(kindEnd, r.seq, max(r.at, end.At), end.Body); err != nil {
		return err
	}
	what := r.ended
	if what == nil {
		var err error
		if what, err = r.summary(end); err != nil {
			return err
		}
	}
	r.sealed = true
	return r.write(appendSeal(nil, r.seed, r.size, sealBody{
		Begin: json.RawMessage(r.begin), Job: *what, Head: head(r.chain, end.Body),
	}, r.marks, r.seq, r.at))
}

// summary is the job as the parts tell it.
func (r *Replica) summary(end job.Mark) (*job.Job, error) {
	what := decode[job.Job](r.begin)
	exit := decode[job.Exit](end.Body)
	if what == nil || exit == nil {
		return nil, fmt.Errorf("%w: how it began or ended is not readable", job.ErrInvalid)
	}
	if r.start != nil {
		what.StartedAt = &r.start.At
	}
	what.End(*exit)
	if n := len(r.marks); n > 0 {
		m := r.marks[n-1]
		what.Chunks, what.Bytes, what.Lines = m.lastSeq, m.endOffset(), m.endLine()
	}
	return what, nil
}

func (r *Replica) frame(k kind, seq uint64, at int64, payload []byte) error {
	r.at = at
	return r.write(appendFrame(nil, r.seed, k, seq, at, payload))
}

func (r *Replica) write(b []byte) error {
	n, err := r.f.Write(b)
	if err != nil {
		return errors.Join(err, r.f.Truncate(r.size))
	}
	r.size += int64(n)
	return nil
}
