package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// sealed makes an ended job with a few blocks and returns it with its output
// and its segment.
func sealed(t *testing.T, j *Journal, compress bool) (id job.ID, output, segment []byte) {
	t.Helper()
	r := begin(t, j)
	for i := range 30 {
		p := append(noise(uint64(i), 100), '\n')
		if i == 15 {
			p = noise(99, blockSize) // so that there is more than one block
		}
		output = append(output, p...)
		write(t, r, job.Stdout, p)
	}
	finish(t, r)
	if compress {
		if err := j.Compact(t.Context(), r.ID()); err != nil {
			t.Fatal(err)
		}
	}
	segment, err := os.ReadFile(j.shelfPath(r.ID()))
	if err != nil {
		t.Fatal(err)
	}
	return r.ID(), output, segment
}

// scanned is what a Reader makes of a segment.
type scanned struct {
	output []byte
	chunks map[uint64]string
	shown  bool // damage is shown
}

// scanAll reads a segment from its beginning.
func scanAll(t *testing.T, segment *os.File) scanned {
	t.Helper()
	out := scanned{chunks: map[uint64]string{}}
	r := &Reader{id: job.NewID(), f: segment}
	if err := r.init(); err != nil {
		out.shown = true
		return out
	}
	defer r.scan.close()
	for {
		var last uint64
		for n := range out.chunks {
			last = max(last, n)
		}
		page, err := r.Page(last, 100_000)
		if err != nil {
			t.Fatalf("Page: %v", err)
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			out.output = append(out.output, c.Data...)
			out.chunks[c.Seq] = string(c.Data)
			out.shown = out.shown || c.Note != nil
		}
	}
	if _, err := r.Job(); err != nil {
		t.Fatalf("Job: %v", err)
	}
	if _, err := r.Lines(0, 50); err != nil {
		t.Fatalf("Lines: %v", err)
	}
	return out
}

func segmentFile(t *testing.T, segment []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, segment, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Ensure that no flipped byte, wherever it is, ever changes what a reader
// returns without being shown, and that it costs at most its block.
func TestDamage_EveryByteInTurn(t *testing.T) {
	t.Parallel()
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprintf("compressed=%v", compress), func(t *testing.T) {
			t.Parallel()
			j := open(t, t.TempDir())
			_, want, segment := sealed(t, j, compress)
			f := segmentFile(t, segment)
			whole := scanAll(t, f)
			if !bytes.Equal(whole.output, want) || whole.shown {
				t.Fatal("the segment is not whole to begin with")
			}
			// Of the one large chunk, samples: every byte of it is under the same
			// checksum.
			from, to := 4000, len(segment)-5000
			for i := 0; i < len(segment); i++ {
				if i > from && i < to && i%499 != 0 {
					continue
				}
				if _, err := f.WriteAt([]byte{segment[i] ^ 0xff}, int64(i)); err != nil {
					t.Fatal(err)
				}
				got := scanAll(t, f)
				if _, err := f.WriteAt(segment[i:i+1], int64(i)); err != nil {
					t.Fatal(err)
				}
				if bytes.Equal(got.output, want) {
					continue
				}
				if !got.shown {
					t.Fatalf("byte %d of %d: %d bytes of output instead of %d, and nothing is said", i, len(segment), len(got.output), len(want))
				}
				if lost := len(want) - len(got.output); lost > 2*blockSize {
					t.Fatalf("byte %d of %d: one byte cost %d of %d bytes of output", i, len(segment), lost, len(want))
				}
				for n, data := range got.chunks {
					if data != "" && data != whole.chunks[n] {
						t.Fatalf("byte %d of %d: chunk %d is not what was written", i, len(segment), n)
					}
				}
			}
		})
	}
}

// Ensure that a segment cut anywhere, as a crash may leave it, yields a whole
// prefix of the output.
func TestDamage_TornAnywhere(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	_, want, segment := sealed(t, j, false)
	f := segmentFile(t, segment)
	for n := len(segment) - 1; n >= 0; n-- {
		if n > 8000 && n < len(segment)-8000 && n%499 != 0 {
			continue
		}
		if err := f.Truncate(int64(n)); err != nil {
			t.Fatal(err)
		}
		if got := scanAll(t, f); !bytes.HasPrefix(want, got.output) {
			t.Fatalf("cut at %d: not a prefix", n)
		}
	}
}

// Ensure that a job that prints frames cannot make a reader that looks for the
// next frame behind damage take them for its own.
func TestDamage_OutputIsNeverTakenForFrames(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	_, _, foreign := sealed(t, j, false)
	r := begin(t, j)
	write(t, r, job.Stdout, []byte("before\n"))
	write(t, r, job.Stdout, foreign[preludeSize:])
	write(t, r, job.Stdout, []byte("behind\n"))
	finish(t, r)
	segment, err := os.ReadFile(j.shelfPath(r.ID()))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(segment, []byte("before")) + len("before\n") + headerSize + 2
	segment[at] ^= 1
	read := scanAll(t, segmentFile(t, segment))
	got, shown := read.output, read.shown
	if !shown || !bytes.HasPrefix(got, []byte("before\n")) || !bytes.HasSuffix(got, []byte("behind\n")) {
		t.Fatalf("shown=%v, %d bytes: %.60q…", shown, len(got), got)
	}
	if len(got) > len("before\nbehind\n") && !bytes.Contains(foreign, got[len("before\n"):len(got)-len("behind\n")]) {
		t.Errorf("%d bytes come from nowhere", len(got))
	}
}

// Ensure damage in one job never touches another, nor the list.
func TestDamage_StaysInItsJob(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir)
	bad, _, _ := sealed(t, j, false)
	good, want, _ := sealed(t, j, false)
	if err := os.WriteFile(j.shelfPath(bad), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := readAll(t, reader(t, j, good)); !bytes.Equal(got, want) {
		t.Error("the other job is not what it was")
	}
	found, err := j.Reindex(t.Context())
	if err != nil || found.Jobs != 1 || len(found.Problems) != 1 || !strings.Contains(found.Problems[0].Error(), string(bad)) {
		t.Errorf("Reindex: %+v, %v", found, err)
	}
}

// Ensure a deleted or broken catalogue costs nothing.
func TestCatalogue_IsOnlyACache(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(path string) error{
		"deleted": os.Remove,
		"garbage": func(path string) error { return os.WriteFile(path, noise(1, 20_000), 0o600) },
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"cut":     func(path string) error { return os.Truncate(path, 5000) },
		"header":  func(path string) error { return flip(path, 20) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j := open(t, dir)
			var want []job.Job
			for range 3 {
				want = append(want, finish(t, begin(t, j)))
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, catalogueName)
			os.Remove(path + "-wal")
			os.Remove(path + "-shm")
			if err := harm(path); err != nil {
				t.Fatal(err)
			}
			again := open(t, dir)
			got, err := again.Jobs(t.Context(), job.Filter{}, "", 10)
			if err != nil || len(got) != 3 || got[0].ID != want[2].ID || got[2].State != job.Succeeded {
				t.Fatalf("Jobs: %d jobs, %v", len(got), err)
			}
			finish(t, begin(t, again))
		})
	}
}

func flip(path string, at int) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[at] ^= 0xff
	return os.WriteFile(path, data, 0o600)
}

// Ensure what a newer version wrote is refused in clear words and left alone.
func TestOpen_RefusesANewerJournal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.json")
	if err := os.WriteFile(path, []byte(`{"format":2,"id":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{Dir: dir})
	if !errors.Is(err, job.ErrNewer) || job.HintOf(err) == "" || !strings.Contains(err.Error(), dir) {
		t.Errorf("Open: %v (hint %q)", err, job.HintOf(err))
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the folder now holds %v", entries)
	}
}

// Ensure one segment of a newer version costs only itself.
func TestReader_RefusesANewerSegment(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	id, _, segment := sealed(t, j, false)
	head, _ := appendPrelude(nil)
	copy(segment, newer(head))
	if err := os.WriteFile(j.shelfPath(id), segment, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Reader(id); !errors.Is(err, job.ErrNewer) {
		t.Errorf("Reader: %v", err)
	}
}

// Ensure a job whose owner is gone becomes lost with all its output, within the
// next sweep, and that a living job of another process is not touched.
func TestSweep_EndsOnlyJobsWithoutOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	changed := make(chan job.ID, 1000)
	watching := open(t, dir, func(c *Config) {
		c.Changed = func(id job.ID) {
			select {
			case changed <- id:
			default:
			}
		}
		c.Descendants = func(job.Job, int) []job.Survivor {
			return []job.Survivor{{PID: 42, Command: "sleep", Why: "still running"}}
		}
	})
	named := func(c *Config) { c.Descendants = watching.config.Descendants }
	owner, other := open(t, dir, named), open(t, dir, named)
	r, alive := begin(t, owner), begin(t, other)
	write(t, r, job.Stdout, []byte("seen\nhalf"))
	write(t, alive, job.Stdout, []byte("alive\n"))
	// The death of a process gives its locks back; so does closing the file.
	r.file.Close()
	deadline := time.After(10 * time.Second)
	for {
		got, err := watching.Job(t.Context(), r.ID())
		if err != nil {
			t.Fatal(err)
		}
		if got.State == job.Lost {
			if got.Cause != job.CauseOwner || got.Bytes != 9 || got.FinishedAt == nil || len(got.Survivors) != 1 {
				t.Errorf("the lost job is %+v", got)
			}
			break
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("still %s", got.State)
		}
	}
	if out, notes := readAll(t, reader(t, watching, r.ID())); string(out) != "seen\nhalf" || len(notes) > 0 {
		t.Errorf("its output is %q, %v", out, notes)
	}
	if got := finish(t, alive); got.State != job.Succeeded {
		t.Errorf("the living job is %s", got.State)
	}
	owner.mu.Lock()
	delete(owner.live, r.ID())
	owner.mu.Unlock()
}

// Ensure a torn frame at the end of a lost job is cut off and nothing else.
func TestSweep_CutsATornFrame(t *testing.T) {
	t.Parallel()
	for _, torn := range []int{1, headerSize - 1, headerSize + 3} {
		dir := t.TempDir()
		owner := open(t, dir)
		r := begin(t, owner)
		write(t, r, job.Stdout, []byte("whole\n"))
		path := owner.openPath(r.ID())
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(appendFrame(nil, r.seed, kindStdout, 2, 1, []byte("never acknowledged"))[:torn]); err != nil {
			t.Fatal(err)
		}
		f.Close()
		r.file.Close()
		delete(owner.live, r.ID())
		other := open(t, dir)
		got, err := other.Job(t.Context(), r.ID())
		if err != nil || got.State != job.Lost {
			t.Fatalf("torn by %d: %s, %v", torn, got.State, err)
		}
		if out, notes := readAll(t, reader(t, other, r.ID())); string(out) != "whole\n" || len(notes) > 0 {
			t.Errorf("torn by %d: %q, %v", torn, out, notes)
		}
	}
}

func newer(prelude []byte) []byte {
	prelude[6] = 9
	binary.LittleEndian.PutUint32(prelude[32:], crc32.Checksum(prelude[:32], castagnoli))
	return prelude
}
