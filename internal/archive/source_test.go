package archive

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// journal is a Source of generated records. It is no journal: its frames cannot
// be read. That is the point: the archive does not read them either.
type journal struct {
	id string

	mu      sync.Mutex
	entries []job.Entry
	records map[job.ID]*record
	fail    map[job.ID]error // of Open
	given   int              // blocks, by Part
	endless job.ID           // prints a block whenever it is looked at
	open    int              // records
	most    int              // that were open at once
}

type record struct {
	opening    job.Opening
	blocks     []job.Block
	start, end *job.Mark
	sealed     bool
}

func newJournal(id string) *journal {
	return &journal{id: id, records: map[job.ID]*record{}, fail: map[job.ID]error{}}
}

func (j *journal) ID() string { return j.id }

func (j *journal) Entries(after uint64, limit int) ([]job.Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	rest := j.entries[min(after, uint64(len(j.entries))):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (j *journal) Open(id job.ID) (Record, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.fail[id]; err != nil {
		return nil, err
	}
	if j.records[id] == nil {
		return nil, job.ErrNotFound
	}
	j.open++
	j.most = max(j.most, j.open)
	return &reading{j, id}, nil
}

type reading struct {
	j  *journal
	id job.ID
}

func (r *reading) Close() error {
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	r.j.open--
	return nil
}

func (r *reading) Left(from uint32) (n uint64, err error) {
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	blocks := r.j.records[r.id].blocks
	for _, b := range blocks[min(int(from), len(blocks)):] {
		n += uint64(b.Bytes)
	}
	return n, nil
}

func (r *reading) Part(from uint32, limit int) (job.Part, error) {
	if r.id == r.j.endless {
		r.j.print(r.id, 10)
	}
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	rec := r.j.records[r.id]
	p := job.Part{Opening: rec.opening, Start: rec.start, End: rec.end}
	n := 0
	for _, b := range rec.blocks[min(int(from), len(rec.blocks)):] {
		if n > 0 && n >= limit {
			break
		}
		p.Blocks = append(p.Blocks, b)
		n += len(b.Data)
	}
	r.j.given += len(p.Blocks)
	p.Sealed = rec.sealed && int(from)+len(p.Blocks) == len(rec.blocks)
	return p, nil
}

func (j *journal) append(s job.Statement) {
	s.N, s.Installation, s.At = uint64(len(j.entries))+1, j.id, time.Now().UTC()
	if len(j.entries) > 0 {
		h := j.entries[len(j.entries)-1].Hash()
		s.Prev = hex.EncodeToString(h[:])
	}
	body, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	j.entries = append(j.entries, job.Entry{Body: body, Sig: []byte{1, 2, 3}})
}

// begin begins a record.
func (j *journal) begin(what job.Job) job.ID {
	j.mu.Lock()
	defer j.mu.Unlock()
	begin, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	digest := sha256.Sum256(begin)
	j.records[what.ID] = &record{opening: job.Opening{ID: what.ID, Prelude: []byte("VMOSEG\x01\x00\xff\xfe" + what.ID), Begin: begin}}
	j.append(job.Statement{Kind: job.EntryBegin, Job: what.ID, Digest: hex.EncodeToString(digest[:])})
	return what.ID
}

func (j *journal) start(id job.ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records[id].start = &job.Mark{At: 1000, Body: []byte(`{"at":"2026-11-25T12:00:00Z","pid":17}`)}
}

// print adds a block with so many bytes.
func (j *journal) print(id job.ID, size int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	rec := j.records[id]
	b := job.Block{FirstSeq: 1, Bytes: uint32(size), Lines: 3, RawLen: uint32(size) + 28, Data: make([]byte, size)}
	if n := len(rec.blocks); n > 0 {
		last := rec.blocks[n-1]
		b.Number, b.FirstSeq, b.FirstAt = last.Number+1, last.LastSeq+1, last.LastAt
		b.Offset, b.FirstLine, b.Chain = last.Offset+uint64(last.Bytes), last.FirstLine+uint64(last.Lines), last.Chain
	}
	b.LastSeq, b.LastAt = b.FirstSeq+4, b.FirstAt+1e6
	var seed [32]byte
	copy(seed[:], id)
	binary.LittleEndian.PutUint32(seed[28:], b.Number)
	rand.NewChaCha8(seed).Read(b.Data)
	b.Digest = sha256.Sum256(b.Data)
	b.Chain = sha256.Sum256(append(b.Chain[:], b.Digest[:]...))
	rec.blocks = append(rec.blocks, b)
}

// seal ends a record.
func (j *journal) seal(id job.ID, exit job.Exit) {
	j.mu.Lock()
	defer j.mu.Unlock()
	rec := j.records[id]
	exit.At = time.Now().UTC()
	body, err := json.Marshal(exit)
	if err != nil {
		panic(err)
	}
	rec.end, rec.sealed = &job.Mark{At: 1 << 40, Body: body}, true
	s := job.Statement{Kind: job.EntrySeal, Job: id, Blocks: uint32(len(rec.blocks))}
	if n := len(rec.blocks); n > 0 {
		last := rec.blocks[n-1]
		rec.end.Seq, s.Chunks, s.Bytes = last.LastSeq, last.LastSeq, last.Offset+uint64(last.Bytes)
	}
	j.append(s)
}

// run records a job that succeeds, with so many blocks of a size.
func (j *journal) run(blocks, size int) job.ID {
	id := j.begin(aJob())
	j.start(id)
	for range blocks {
		j.print(id, size)
	}
	j.seal(id, succeeded())
	return id
}

func aJob() job.Job {
	return job.NewRun(job.Spec{Argv: []string{"make", "test"}, Target: "test", Project: "vmo"}, "web-1").Begin("web-1", "anna@laptop", time.Now())
}

func succeeded() job.Exit {
	zero := 0
	return job.Exit{State: job.Succeeded, Cause: job.CauseExit, Code: &zero}
}

// quick makes an archive of which nothing waits longer than a test should.
func quick(cfg Config) *Archive {
	a := Open(cfg)
	a.pace.poll, a.pace.settle, a.pace.presence, a.pace.notify = 20*time.Millisecond, time.Millisecond, 50*time.Millisecond, 5*time.Millisecond
	a.pace.backoff, a.pace.maxBack, a.pace.slow, a.pace.watch, a.pace.rewatch = 2*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
	return a
}

func shipOnce(t testing.TB, a *Archive) Report {
	t.Helper()
	r, err := a.ShipOnce(t.Context())
	if err != nil {
		t.Fatalf("%v (hint %q)", err, job.HintOf(err))
	}
	return r
}

// until waits for something that another goroutine brings about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	over := time.After(60 * time.Second)
	for !ok() {
		select {
		case <-over:
			t.Fatalf("after a minute still not: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// background runs the shipper until the test ends.
func background(t testing.TB, a *Archive) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// same pulls everything that a journal has out of an archive, and compares it
// byte for byte.
func same(t testing.TB, a *Archive, j *journal) {
	t.Helper()
	if err := differs(t, a, j); err != nil {
		t.Fatal(err)
	}
}

func differs(t testing.TB, a *Archive, j *journal) error {
	t.Helper()
	ctx := t.Context()
	var entries []job.Entry
	for {
		page, err := a.Entries(ctx, j.id, uint64(len(entries)), 300)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		entries = append(entries, page...)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if got, want := fmt.Sprint(entries), fmt.Sprint(j.entries); got != want {
		return fmt.Errorf("ledger: %d entries, want %d, or they differ", len(entries), len(j.entries))
	}
	for id, rec := range j.records {
		got, err := pull(ctx, a, id)
		if err != nil {
			return err
		}
		if a, b := sum(got), sum(*rec); a != b {
			return fmt.Errorf("job %s: what came back differs: %d of %d blocks, sealed %t and %t", id, len(got.blocks), len(rec.blocks), got.sealed, rec.sealed)
		}
	}
	return nil
}

// pull reads a whole record.
func pull(ctx context.Context, a *Archive, id job.ID) (rec record, err error) {
	for {
		p, err := a.Part(ctx, id, uint32(len(rec.blocks)), 1<<20)
		if err != nil {
			return rec, err
		}
		rec.opening, rec.start, rec.end, rec.sealed = p.Opening, p.Start, p.End, p.Sealed
		for _, b := range p.Blocks {
			if int(b.Number) != len(rec.blocks) {
				return rec, errors.New("the order is not kept")
			}
			rec.blocks = append(rec.blocks, b)
		}
		if p.Sealed || len(p.Blocks) == 0 {
			return rec, nil
		}
	}
}

func sum(r record) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %x %x %t %v %v\n", r.opening.ID, r.opening.Prelude, r.opening.Begin, r.sealed, r.start, r.end)
	for _, b := range r.blocks {
		data := sha256.Sum256(b.Data)
		b.Data = nil
		fmt.Fprintf(h, "%+v %x\n", b, data)
	}
	return hex.EncodeToString(h.Sum(nil))
}
