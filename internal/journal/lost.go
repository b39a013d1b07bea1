package journal

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"

	"vmorchestrator/internal/job"
)

// seal ends the segment of a job whose owner died. What is whole in it stays as
// it is; a torn last frame is cut off. The caller holds the lock.
func (j *Journal) seal(id job.ID, f *os.File) (job.Job, error) {
	r := &Reader{j: j, id: id, f: f, begun: id.Time()}
	if err := r.init(); err != nil {
		return job.Job{}, err
	}
	defer r.scan.close()
	what, err := r.Job()
	if err != nil || r.index.seal != nil {
		return what, err // sealed, but its owner could not move it
	}
	var rest scanRest
	if err := rest.read(r); err != nil {
		return what, err
	}
	if err := f.Truncate(rest.size); err != nil {
		return what, err
	}
	begin, err := json.Marshal(what)
	if r.index.begin != nil {
		begin, err = rest.begin, nil
	}
	if err != nil {
		return what, err
	}
	buf := rest.closeBlock(nil, r.seed)
	exit := job.Exit{State: job.Lost, Cause: job.CauseOwner, At: after(r.begun, rest.at),
		Detail: lostDetail}
	if what.State == job.Pending {
		exit.Detail = "the program that was to run it died before its command was started"
	}
	if r.index.end != nil { // it ended well, only the seal is missing
		exit = *r.index.end
	} else if find := j.config.Descendants; find != nil {
		exit.Survivors = find(what, r.PID())
	}
	payload, err := json.Marshal(exit)
	if err != nil {
		return what, err
	}
	if r.index.end == nil {
		buf = appendFrame(buf, r.seed, kindEnd, rest.seq, rest.at, payload)
	}
	what.End(exit)
	buf = appendSeal(buf, r.seed, rest.size+int64(len(buf)), sealBody{
		Begin: begin, Job: what, Head: head(rest.chain, payload),
	}, rest.marks, rest.seq, rest.at)
	if _, err := f.Write(buf); err != nil {
		return what, errors.Join(err, f.Truncate(rest.size))
	}
	return what, f.Sync()
}

const lostDetail = "the program that ran it died, or could not complete this record; its output up to then is here, how it ended is not known"

// ownerGone reports whether nobody owns the open segment of a job. It is for
// journals that cannot be written, where nobody ends such jobs.
func (j *Journal) ownerGone(id job.ID) bool {
	f, err := os.Open(j.openPath(id))
	if err != nil {
		return false
	}
	defer f.Close() // gives the lock back
	return lockFile(f) == nil && sameFile(f, j.openPath(id))
}

// scanRest is what a whole scan of an unsealed segment finds out in order to
// close it: the marks, and the block that is still open.
type scanRest struct {
	size   int64 // of the whole frames
	begin  []byte
	chain  [32]byte
	marks  []mark
	prev   uint64
	block  mark
	digest hash.Hash
	seq    uint64
	at     int64
}

func (x *scanRest) read(r *Reader) error {
	x.size, x.digest = preludeSize, sha256.New()
	s := newScanner(r.f, r.seed, preludeSize)
	defer s.close()
	for {
		step, err := s.next()
		if errors.Is(err, errTail) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("scan the segment: %w", err)
		}
		x.size = step.to
		if step.damaged {
			continue
		}
		x.seq, x.at = step.seq, step.at
		switch {
		case step.kind == kindBegin:
			x.begin = append([]byte(nil), step.payload...)
			x.chain = sha256.Sum256(x.begin)
		case step.kind == kindMark:
			if m, ok := parseMark(step.payload); ok {
				x.marks, x.chain, x.prev = append(x.marks, m), m.chain, uint64(step.from)
				x.block = mark{number: m.number + 1, offset: m.endOffset(), firstLine: m.endLine()}
				x.digest.Reset()
			}
		case step.kind.isChunk():
			x.add(step, r.seed)
		}
	}
}

func (x *scanRest) add(step found, seed uint32) {
	m := &x.block
	if m.rawLen == 0 {
		m.firstSeq, m.firstAt, m.fileOffset = step.seq, step.at, uint64(step.from)
	}
	x.digest.Write(appendFrame(nil, seed, step.kind, step.seq, step.at, step.payload))
	m.rawLen += uint32(headerSize + len(step.payload))
	m.lastSeq, m.lastAt = step.seq, step.at
	if step.kind != kindEvent {
		m.bytes += uint32(len(step.payload))
		m.lines += uint32(countLines(step.payload))
	}
}

func (x *scanRest) closeBlock(buf []byte, seed uint32) []byte {
	m := &x.block
	if m.rawLen == 0 {
		return buf
	}
	m.fileLen, m.prev = uint32(uint64(x.size)-m.fileOffset), x.prev
	x.digest.Sum(m.digest[:0])
	m.link(x.chain)
	x.chain = m.chain
	x.marks = append(x.marks, *m)
	return appendFrame(buf, seed, kindMark, x.seq, m.lastAt, m.append(nil))
}
