package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// faulty is a disk that fails once, at the n-th call, in one of its ways.
type faulty struct {
	mu    sync.Mutex
	n     int
	half  bool // what fits is taken, as a full disk does
	err   error
	calls []string
	hit   string // the call that failed
}

type faultyFile struct {
	file
	*faulty
}

func (f *faulty) fails(call string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
	if len(f.calls) != f.n {
		return false
	}
	f.hit = call
	return true
}

func (f faultyFile) Write(p []byte) (int, error) {
	if !f.fails("write") {
		return f.file.Write(p)
	}
	n := 0
	if f.half {
		n, _ = f.file.Write(p[:len(p)*2/3])
	}
	return n, f.err
}

func (f faultyFile) Sync() error {
	if f.fails("sync") {
		return f.err
	}
	return f.file.Sync()
}

func (f faultyFile) Truncate(size int64) error {
	if f.fails("truncate") {
		return f.err
	}
	return f.file.Truncate(size)
}

// Ensure that whichever call to the disk fails, nothing that was acknowledged is
// lost, no byte is wrong, the record ends, and a disk that did not keep what it
// was given is never passed over in silence.
func TestFault_EveryCallInTurn(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, half := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, half=%t", cause, half), func(t *testing.T) {
				t.Parallel()
				for n := 1; ; n++ {
					f := &faulty{n: n, half: half, err: cause}
					scenario(t, f)
					if f.hit == "" {
						if n < 10 {
							t.Errorf("only %d calls", n)
						}
						return
					}
				}
			})
		}
	}
}

func scenario(t *testing.T, f *faulty) {
	t.Helper()
	dir := t.TempDir()
	j := open(t, dir, func(c *Config) { c.wrap = func(to file) file { return faultyFile{to, f} } })
	run := job.NewRun(job.Spec{Argv: []string{"true"}})
	r, err := j.Begin(run.Begin("", "tester@here", time.Now()))
	if err != nil {
		if f.hit == "" || !errors.Is(err, f.err) {
			t.Fatalf("Begin: %v", err)
		}
		// Refused: no job, nothing left behind.
		if entries, _ := os.ReadDir(filepath.Join(dir, "open")); len(entries) > 0 {
			t.Errorf("call %d (%s): a refused job left %v", f.n, f.hit, entries)
		}
		return
	}
	if err := r.Start(1); err != nil {
		t.Fatalf("Start: %v", err)
	}
	watcher := reader(t, j, r.ID())
	var want, seen []byte
	look := func() {
		page, err := watcher.Page(watcher.spot.seq, 1<<30)
		if err != nil {
			t.Fatalf("call %d (%s): Page: %v", f.n, f.hit, err)
		}
		for _, c := range page {
			if c.Note != nil {
				t.Errorf("call %d (%s): a reader sees %+v", f.n, f.hit, *c.Note)
			}
			seen = append(seen, c.Data...)
		}
	}
	for i, size := range []int{10, 200_000, 1, 70_000} {
		p := noise(uint64(i), size)
		want = append(want, p...)
		write(t, r, job.Stdout, p)
		r.sync()
		look()
		if !bytes.Equal(seen, want) {
			t.Fatalf("call %d (%s): acknowledged %d bytes, a reader sees %d", f.n, f.hit, len(want), len(seen))
		}
	}
	code := 0
	ended, err := r.Finish(job.Exit{State: job.Succeeded, Cause: job.CauseExit, Code: &code})
	if err != nil && f.hit != "sync" {
		t.Fatalf("call %d (%s): Finish: %v", f.n, f.hit, err)
	}
	if f.hit == "sync" && ended.Detail == "" {
		t.Errorf("call %d: a failed fsync is not mentioned", f.n)
	}
	got, notes := readAll(t, reader(t, j, r.ID()))
	if !bytes.Equal(got, want) || len(notes) > 0 {
		t.Errorf("call %d (%s): %d bytes and %v, want %d", f.n, f.hit, len(got), notes, len(want))
	}
	if err := j.Compact(t.Context(), r.ID()); err != nil {
		t.Fatal(err)
	}
	again := reader(t, j, r.ID())
	if got, _ := readAll(t, again); !bytes.Equal(got, want) || !again.Ended() {
		t.Errorf("call %d (%s): compressed, it has %d bytes, want %d", f.n, f.hit, len(got), len(want))
	}
	// The seal must stand in a whole chain: compressing refuses anything else.
	if raw, _ := os.ReadFile(j.shelfPath(r.ID())); len(raw) > len(want)*2 {
		t.Errorf("call %d (%s): the segment has %d bytes for %d", f.n, f.hit, len(raw), len(want))
	}
}

// broken is a disk that takes nothing any more once it is told so.
type broken struct {
	file
	now *bool
}

func (b broken) Write(p []byte) (int, error) {
	if *b.now {
		return 0, syscall.ENOSPC
	}
	return b.file.Write(p)
}

// Ensure that a job that is being stopped waits for no disk, and that a record
// which cannot be completed ends as lost instead of staying alive for ever.
func TestFinish_GivesUpWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	full := false
	j := open(t, dir, func(c *Config) { c.wrap = func(f file) file { return broken{f, &full} } })
	r := begin(t, j)
	write(t, r, job.Stdout, []byte("kept\n"))
	full = true
	r.DoNotWait()
	write(t, r, job.Stdout, []byte("gone\n")) // does not wait
	if _, err := r.Finish(job.Exit{State: job.Cancelled, Cause: job.CauseCancel}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Finish: %v", err)
	}
	other := open(t, dir) // its first sweep ends the job
	got, err := other.Job(t.Context(), r.ID())
	if err != nil || got.State != job.Lost {
		t.Errorf("the job is %+v, %v", got, err)
	}
	if out, _ := readAll(t, reader(t, other, r.ID())); string(out) != "kept\n" {
		t.Errorf("its output is %q", out)
	}
}

// Ensure a process that compresses never harms the record that another has just
// compressed. Both opened the same temporary file, and the second emptied it
// after it had become the record.
func TestCompact_ByTwoAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	for range 20 {
		id, want, _ := sealed(t, a, false)
		var group sync.WaitGroup
		for _, j := range []*Journal{a, b, a, b} {
			group.Go(func() {
				if err := j.Compact(t.Context(), id); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got, notes := readAll(t, reader(t, a, id)); !bytes.Equal(got, want) || len(notes) > 0 {
			t.Fatalf("%d bytes and %v, want %d", len(got), notes, len(want))
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "jobs/*/*/*/*.compact")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Ensure what a process left that died while it compressed is in nobody's way.
func TestCompact_AfterOneThatDied(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	id, want, segment := sealed(t, j, false)
	if err := os.WriteFile(j.shelfPath(id)+".compact", segment[:len(segment)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := readAll(t, reader(t, j, id)); !bytes.Equal(got, want) {
		t.Error("before: the record is not whole")
	}
	if err := j.Compact(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got, _ := readAll(t, reader(t, j, id)); !bytes.Equal(got, want) {
		t.Error("after: the record is not whole")
	}
}

// Ensure a record whose owner died between its end and its seal ends as it did.
// In a large one the end stood behind the last mark and was overlooked.
func TestSweep_KeepsAnEndWithoutSeal(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 3 * tailWindow} {
		dir := t.TempDir()
		j := open(t, dir)
		r := begin(t, j)
		write(t, r, job.Stdout, noise(1, size))
		finish(t, r)
		segment, err := os.ReadFile(j.shelfPath(r.ID()))
		if err != nil {
			t.Fatal(err)
		}
		sealAt := bytes.LastIndex(segment, []byte{magic0, magic1, byte(kindSeal), 0})
		if err := errors.Join(os.Remove(j.shelfPath(r.ID())), os.WriteFile(j.openPath(r.ID()), segment[:sealAt], 0o600)); err != nil {
			t.Fatal(err)
		}
		open(t, dir) // sweeps
		what, err := j.reread(r.ID())
		if err != nil || what.State != job.Succeeded || what.Bytes != uint64(size) || what.StartedAt == nil {
			t.Errorf("%d bytes: %+v, %v", size, what, err)
		}
	}
}

// Ensure a million chunks of a byte each come back, and cost no more than their
// frames.
func TestRecord_AMillionBytesOneByOne(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	j := open(t, t.TempDir())
	r := begin(t, j)
	want := noise(7, 1_000_000)
	for i := range want {
		write(t, r, job.Stdout, want[i:i+1])
	}
	if ended := finish(t, r); ended.Chunks != 1_000_000 {
		t.Errorf("%d chunks", ended.Chunks)
	}
	if got, _ := readAll(t, reader(t, j, r.ID())); !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
}

// FuzzScanner feeds a reader with segments that were changed and with bytes that
// were never a segment: it never panics, and returns nothing that was not
// written.
func FuzzScanner(f *testing.F) {
	prelude, seed := appendPrelude(nil)
	valid := appendFrame(prelude, seed, kindBegin, 0, 0, []byte(`{"id":"x"}`))
	written := map[string]bool{"": true}
	for i := range uint64(5) {
		data := fmt.Sprintf("line %d\n", i)
		written[data] = true
		valid = appendFrame(valid, seed, kindStdout, i+1, int64(i), []byte(data))
	}
	f.Add(uint32(3), []byte{1}, true)
	f.Add(uint32(200), []byte("garbage"), false)
	f.Add(uint32(60), []byte{magic0, magic1, byte(kindBlock), 0, 255, 255, 255, 31}, true)
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, inside bool) {
		segment := bytes.Clone(valid)
		if inside {
			copy(segment[int(at)%len(segment):], patch)
		} else {
			segment = append(segment[:int(at)%(len(segment)+1)], patch...)
		}
		file := segmentFile(t, segment)
		r := &Reader{id: job.NewID(), f: file}
		if r.init() != nil {
			return
		}
		defer r.scan.close()
		for after := uint64(0); ; {
			page, err := r.Page(after, 1<<20)
			if err != nil || len(page) == 0 {
				break
			}
			for _, c := range page {
				if !written[string(c.Data)] {
					t.Fatalf("chunk %d is %q, which nobody wrote", c.Seq, c.Data)
				}
			}
			if last := page[len(page)-1].Seq; last <= after {
				t.Fatalf("after %d comes %d", after, last)
			} else {
				after = last
			}
		}
		_, _ = r.Job()
		_, _ = r.Lines(-10, 10)
		_, _ = r.Tail(10)
	})
}
