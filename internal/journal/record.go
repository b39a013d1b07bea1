package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"time"

	"vmorchestrator/internal/job"
)

// Record is the living record of one job that this process owns.
//
// When a write to one of its writers returns, the bytes are in the segment: a
// death of this process loses nothing of them, a power cut at most the last
// second. If the segment cannot be written, the write waits (see stall.go): it
// neither fails nor drops anything by itself.
type Record struct {
	j     *Journal
	id    job.ID
	file  file
	begun time.Time // with its monotonic reading

	writing  sync.Mutex // one writer at a time; held while a full disk makes it wait
	buf      []byte     // frames that are not in the segment yet
	block    mark       // the open block
	digest   hash.Hash  // of the open block's frames
	chain    [32]byte
	seed     uint32 // of the checksums
	marks    []mark
	prev     uint64 // file offset of the last mark
	seq      uint64
	bytes    uint64
	lines    uint64
	at       int64 // of the last frame
	begin    []byte
	start    []byte    // payload of the start frame
	head     string    // of the chain, once it has ended
	listed   bool      // the ledger says that it was begun
	dropping bool      // not recording, on the operator's word
	gap      uint64    // bytes not recorded since dropping was set
	dropped  uint64    // bytes not recorded in all
	retried  time.Time // when dropping last looked for space
	torn     bool      // part of a frame stands behind the end of the segment
	ending   bool      // what is written now closes the record
	sealed   bool

	mu      sync.Mutex    // guards what follows
	goOn    chan struct{} // closed by Unrecorded; nil unless a write waits
	hurried bool          // nothing waits any more, see DoNotWait
	doubt   string        // what the disk failed to keep
	job     job.Job
	size    int64         // of the segment, whole frames only
	dirty   bool          // not yet on the disk
	touched bool          // counters newer than the catalogue
	done    bool          // finished: nothing will change any more
	changed chan struct{} // closed at the next change, if anybody waits
}

// file is what a segment is written through; tests put failing disks here.
type file interface {
	io.Writer
	Truncate(size int64) error
	Sync() error
	Close() error
}

// startBody is the payload of a start frame.
type startBody struct {
	At  time.Time `json:"at"`
	PID int       `json:"pid"`
}

// ID names the job.
func (r *Record) ID() job.ID { return r.id }

// Job is the job as it stands.
func (r *Record) Job() job.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.job
}

// Writer returns a writer to one of the job's streams. Order between streams is
// the order in which their writes arrive. Writers may be used concurrently.
func (r *Record) Writer(s job.Stream) io.Writer { return streamWriter{r, kind(s)} }

type streamWriter struct {
	r *Record
	k kind
}

func (w streamWriter) Write(p []byte) (int, error) {
	if err := w.r.append(w.k, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Note records an event between two chunks.
func (r *Record) Note(n job.Note) error {
	payload, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("record an event: %w", err)
	}
	return r.append(kindEvent, payload)
}

// Start records that the job's process exists.
func (r *Record) Start(pid int) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	body := startBody{At: r.wall(r.now()), PID: pid}
	payload, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("record the start: %w", err)
	}
	r.start = payload
	r.meta(kindStart, payload)
	if err := r.commit(); err != nil {
		return fmt.Errorf("record the start: %w", err)
	}
	r.mu.Lock()
	r.job.State, r.job.StartedAt = job.Running, &body.At
	r.mu.Unlock()
	r.catalogue()
	return nil
}

// append records output of any length as one or more chunks.
func (r *Record) append(k kind, p []byte) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.sealed {
		return fmt.Errorf("record output of job %s: %w", r.id, job.ErrFinished)
	}
	if r.dropping && !r.resume() {
		if k != kindEvent {
			r.drop(p)
		}
		return nil
	}
	at := r.now()
	for len(p) > 0 {
		n := min(len(p), maxChunk)
		r.chunk(k, at, p[:n])
		p = p[n:]
	}
	return r.commit()
}

// now is the time since the job was begun. It never goes back.
func (r *Record) now() int64 {
	r.at = max(r.at, int64(time.Since(r.begun)))
	return r.at
}

func (r *Record) wall(at int64) time.Time { return after(r.job.QueuedAt, at) }

// chunk puts one chunk into the buffer and closes the block if it is full.
func (r *Record) chunk(k kind, at int64, p []byte) {
	r.seq++
	if r.block.rawLen == 0 {
		r.block.firstSeq, r.block.firstAt = r.seq, at
		r.block.fileOffset = uint64(r.size) + uint64(len(r.buf))
	}
	start := len(r.buf)
	r.buf = appendFrame(r.buf, r.seed, k, r.seq, at, p)
	r.digest.Write(r.buf[start:])
	r.block.rawLen += uint32(len(r.buf) - start)
	r.block.lastSeq, r.block.lastAt = r.seq, at
	if k != kindEvent {
		n := bytes.Count(p, newline)
		r.block.bytes += uint32(len(p))
		r.block.lines += uint32(n)
		r.bytes += uint64(len(p))
		r.lines += uint64(n)
	}
	if r.block.rawLen >= blockSize {
		r.closeBlock()
	}
}

var newline = []byte{'\n'}

// meta puts a frame that is not output into the buffer. A block has only
// output, so it is closed first.
func (r *Record) meta(k kind, payload []byte) {
	r.closeBlock()
	r.buf = appendFrame(r.buf, r.seed, k, r.seq, r.now(), payload)
}

func (r *Record) closeBlock() {
	m := &r.block
	if m.rawLen == 0 {
		return
	}
	m.fileLen, m.prev = m.rawLen, r.prev
	r.digest.Sum(m.digest[:0])
	m.link(r.chain)
	r.prev = uint64(r.size) + uint64(len(r.buf))
	r.buf = appendFrame(r.buf, r.seed, kindMark, r.seq, m.lastAt, m.append(nil))
	r.chain = m.chain
	r.marks = append(r.marks, *m)
	r.digest.Reset()
	r.block = mark{number: m.number + 1, offset: m.endOffset(), firstLine: m.endLine()}
}

// commit writes the buffer to the segment. It returns when it is there or when
// the operator has decided to go on without. It fails when the journal is closed
// while it waits, and when nobody wants to wait for the end of a record. See
// stall.go.
func (r *Record) commit() error {
	for {
		err := r.flush()
		if err == nil {
			break
		}
		if r.ending && r.j.releaseBallast() {
			continue // this is what it is for
		}
		if err = r.stall(err); err != nil {
			return err
		}
		if r.dropping {
			break
		}
	}
	r.publish()
	return nil
}

// flush writes the buffer in one write. A full disk takes what fits: whole
// frames of that stay, since a reader may have seen them, the rest is cut off
// before anything else is written, and the buffer keeps what is not there yet.
func (r *Record) flush() error {
	if err := r.mend(); err != nil || len(r.buf) == 0 {
		return err
	}
	n, err := r.file.Write(r.buf)
	if err != nil {
		whole := wholeFrames(r.buf[:n])
		n, r.torn = whole, n > whole
	}
	r.mu.Lock()
	r.size += int64(n)
	r.dirty = r.dirty || n > 0
	r.mu.Unlock()
	r.buf = append(r.buf[:0], r.buf[n:]...)
	if err != nil {
		return errors.Join(err, r.mend())
	}
	return nil
}

// mend cuts off what a failed write left.
func (r *Record) mend() error {
	if !r.torn {
		return nil
	}
	err := r.file.Truncate(r.size)
	r.torn = err != nil
	return err
}

// publish makes the new counters visible and wakes who waits for them.
func (r *Record) publish() {
	r.mu.Lock()
	r.job.Bytes, r.job.Chunks, r.job.Lines = r.bytes, r.seq, r.lines
	r.job.Unrecorded = r.dropped
	r.touched = true
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
	r.mu.Unlock()
	r.j.hint(r.id)
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// wait returns a channel that is closed at the next change.
func (r *Record) wait() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return closed
	}
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}

// Finish records how the job ended and seals the segment. After it has returned
// the whole record is on the disk. It cannot be cancelled, and it waits like
// every write if the disk is full, unless [Record.DoNotWait] was called: a record
// that could not be completed is given up, and the next sweep ends it as lost.
func (r *Record) Finish(exit job.Exit) (job.Job, error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.sealed {
		return r.Job(), fmt.Errorf("finish job %s: %w", r.id, job.ErrFinished)
	}
	ended, err := r.end(exit)
	r.sealed = true
	if err != nil {
		r.j.giveUp(r)
		return r.Job(), fmt.Errorf("complete the record of job %s: %w", r.id, err)
	}
	ended, err = r.j.finish(r, ended)
	r.mu.Lock()
	r.job, r.done = ended, true
	r.mu.Unlock()
	r.publish()
	if err != nil {
		return ended, fmt.Errorf("seal the record of job %s: %w", r.id, err)
	}
	return ended, nil
}

// end writes what closes the segment: the exit, and the seal with the index.
func (r *Record) end(exit job.Exit) (job.Job, error) {
	r.ending = true
	if r.dropping {
		r.closeGap()
	}
	if exit.At.IsZero() {
		exit.At = r.wall(r.now())
	}
	r.mu.Lock()
	exit.Detail = also(exit.Detail, r.doubt)
	r.mu.Unlock()
	payload, err := json.Marshal(exit)
	if err != nil {
		return job.Job{}, err
	}
	r.meta(kindEnd, payload)
	ended := r.Job()
	ended.End(exit)
	ended.Bytes, ended.Chunks, ended.Lines, ended.Unrecorded = r.bytes, r.seq, r.lines, r.dropped
	r.head = head(r.chain, payload)
	r.buf = appendSeal(r.buf, r.seed, r.size+int64(len(r.buf)), sealBody{
		Begin: r.begin, Job: ended, Head: r.head,
	}, r.marks, r.seq, r.now())
	return ended, r.commit()
}

// also joins two sentences.
func also(text, more string) string {
	if text == "" || more == "" {
		return text + more
	}
	return text + "; " + more
}

// catalogue copies the job into the catalogue. A failure is not the job's: the
// catalogue is a cache, and the flusher tries again.
func (r *Record) catalogue() {
	r.mu.Lock()
	current := r.job
	r.touched = false
	r.mu.Unlock()
	if err := r.j.cat.put(current); err != nil {
		r.mu.Lock()
		r.touched = true
		r.mu.Unlock()
	}
}

// newRecord writes the beginning of a segment through f.
func newRecord(j *Journal, f file, begun time.Time, what job.Job) (*Record, error) {
	begin, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	r := &Record{
		j: j, id: what.ID, file: f, begun: begun, job: what,
		digest: sha256.New(), begin: begin, chain: sha256.Sum256(begin),
	}
	r.buf, r.seed = appendPrelude(nil)
	r.buf = appendFrame(r.buf, r.seed, kindBegin, 0, 0, begin)
	if err := r.flush(); err != nil {
		return nil, err
	}
	if err := r.file.Sync(); err != nil {
		return nil, err
	}
	r.dirty = false
	return r, nil
}
