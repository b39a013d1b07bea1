package journal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/job"
)

func open(t *testing.T, dir string, change ...func(*Config)) *Journal {
	t.Helper()
	c := Config{Dir: dir}
	for _, f := range change {
		f(&c)
	}
	j, err := Open(t.Context(), c)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return j
}

func begin(t *testing.T, j *Journal, argv ...string) *Record {
	t.Helper()
	if len(argv) == 0 {
		argv = []string{"true"}
	}
	run := job.NewRun(job.Spec{Argv: argv})
	r, err := j.Begin(run.Begin("", "tester@here", time.Now()))
	if err != nil {
		t.Fatalf("Begin: %v", err)
	}
	if err := r.Start(1); err != nil {
		t.Fatalf("Start: %v", err)
	}
	return r
}

func write(t *testing.T, r *Record, s job.Stream, p []byte) {
	t.Helper()
	if _, err := r.Writer(s).Write(p); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func finish(t *testing.T, r *Record) job.Job {
	t.Helper()
	code := 0
	ended, err := r.Finish(job.Exit{State: job.Succeeded, Cause: job.CauseExit, Code: &code})
	if err != nil {
		t.Fatalf("Finish: %v", err)
	}
	return ended
}

func reader(t *testing.T, j *Journal, id job.ID) *Reader {
	t.Helper()
	r, err := j.Reader(id)
	if err != nil {
		t.Fatalf("Reader: %v", err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// readAll returns the output of a job and its events, checking the promises
// that every page makes: numbers without gaps, times that never decrease.
func readAll(t *testing.T, r *Reader) (output []byte, notes []job.Note) {
	t.Helper()
	var after uint64
	var at time.Time
	for {
		page, err := r.Page(after, 100_000)
		if err != nil {
			t.Fatalf("Page(%d): %v", after, err)
		}
		if len(page) == 0 {
			return output, notes
		}
		for _, c := range page {
			damage := c.Note != nil && (c.Note.Kind == job.NoteDamage || c.Note.Kind == job.NoteRemoved)
			if c.Seq != after+1 && !damage || c.Seq <= after {
				t.Fatalf("chunk %d follows chunk %d", c.Seq, after)
			}
			if c.At.Before(at) {
				t.Fatalf("chunk %d is at %v, the one before at %v", c.Seq, c.At, at)
			}
			after, at = c.Seq, c.At
			if c.Note != nil {
				notes = append(notes, *c.Note)
			}
			output = append(output, c.Data...)
		}
	}
}

// Ensure what was written in pieces of every size comes back byte for byte, from
// the living record, from the sealed one, and from another process's view.
func TestRecord_ComesBackByteForByte(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 100, 5_000, 3_000_000} {
		for _, piece := range []int{1, 7, 4096, 1 << 20} {
			if size/piece > 20_000 {
				continue
			}
			t.Run(fmt.Sprintf("%d bytes in pieces of %d", size, piece), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				j, other := open(t, dir), open(t, dir)
				want := noise(uint64(size), size)
				r := begin(t, j)
				for p := want; len(p) > 0; p = p[min(piece, len(p)):] {
					write(t, r, job.Stdout, p[:min(piece, len(p))])
				}
				live := reader(t, other, r.ID())
				check := func(when string, rd *Reader) {
					t.Helper()
					got, notes := readAll(t, rd)
					if !bytes.Equal(got, want) || len(notes) > 0 {
						t.Errorf("%s: %d bytes with sha256 %x and events %v, want %d with %x", when,
							len(got), sha256.Sum256(got), notes, len(want), sha256.Sum256(want))
					}
				}
				check("living", live)
				if live.Ended() {
					t.Error("a living record says that it ended")
				}
				ended := finish(t, r)
				if ended.Bytes != uint64(size) {
					t.Errorf("the job has %d bytes, want %d", ended.Bytes, size)
				}
				check("the reader that was there before the end", live)
				if !live.Ended() {
					t.Error("a reader that has seen everything says that there is more")
				}
				check("sealed", reader(t, other, r.ID()))
				again, err := reader(t, other, r.ID()).Job()
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(ended, again); diff != "" {
					t.Errorf("the segment tells another job (-finished +read):\n%s", diff)
				}
				if err := other.Compact(t.Context(), r.ID()); err != nil {
					t.Fatalf("Compact: %v", err)
				}
				check("compressed", reader(t, j, r.ID()))
			})
		}
	}
}

func noise(seed uint64, n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1}).Read(p)
	return p
}

// Ensure streams, events and times are kept, in the order of their arrival.
func TestRecord_KeepsStreamsEventsAndOrder(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	r := begin(t, j)
	write(t, r, job.Stdout, []byte("out\n"))
	write(t, r, job.Stderr, []byte("err\n"))
	if err := r.Note(job.Note{Kind: job.NoteResize, Size: job.Size{Cols: 100, Rows: 30}}); err != nil {
		t.Fatal(err)
	}
	write(t, r, job.TTY, []byte{0xe2, 0x82})
	finish(t, r)
	page, err := reader(t, j, r.ID()).Page(0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Seq    uint64
		Stream string
		Data   string
		Kind   job.NoteKind
	}
	var got []row
	for _, c := range page {
		x := row{c.Seq, c.Stream.String(), string(c.Data), ""}
		if c.Note != nil {
			x.Kind = c.Note.Kind
		}
		got = append(got, x)
	}
	want := []row{{1, "stdout", "out\n", ""}, {2, "stderr", "err\n", ""}, {3, "event", "", job.NoteResize}, {4, "tty", "\xe2\x82", ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Ensure the job is on the disk before its process can exist: another process
// that opens the journal right after Begin knows all about it.
func TestBegin_IsDurableBeforeTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir)
	run := job.NewRun(job.Spec{Argv: []string{"make", "deploy"}, Target: "deploy", Dir: "/srv", Env: map[string]string{"TOKEN": "secret-value"}})
	r, err := j.Begin(run.Begin("", "ann@laptop", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "open", string(r.ID())+".seg"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("secret-value")) {
		t.Error("the value of an environment variable is in the segment")
	}
	got, err := reader(t, open(t, dir), r.ID()).Job()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Job(), got); diff != "" {
		t.Error(diff)
	}
	if got.State != job.Pending || got.Target != "deploy" || got.Operator != "ann@laptop" || got.EnvNames[0] != "TOKEN" {
		t.Errorf("got %+v", got)
	}
	finish(t, r)
}

// Ensure a reader finds the chunk of every byte, line and moment, and that the
// lines it shows are those that cutting the whole output would give.
func TestReader_SeeksByByteLineAndTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir)
	rng := rand.New(rand.NewPCG(1, 2))
	var all []byte
	r := begin(t, j)
	for i := range 6_000 {
		p := fmt.Appendf(nil, "%d %x", i, noise(uint64(i), rng.IntN(120)))
		if rng.IntN(3) > 0 {
			p = append(p, '\n')
		}
		if rng.IntN(50) == 0 {
			p = append(p, "\n\n"...)
		}
		all = append(all, p...)
		write(t, r, job.Stream(1+rng.IntN(2)), p)
	}
	for _, state := range []string{"living", "sealed", "compressed"} {
		t.Run(state, func(t *testing.T) {
			switch state {
			case "sealed":
				finish(t, r)
			case "compressed":
				if err := j.Compact(t.Context(), r.ID()); err != nil {
					t.Fatal(err)
				}
			}
			rd := reader(t, j, r.ID())
			for range 200 {
				offset := rng.Uint64N(uint64(len(all)))
				p, err := rd.SeekByte(offset)
				if err != nil {
					t.Fatal(err)
				}
				page, err := rd.Page(p.Seq, 1)
				if err != nil || len(page) == 0 {
					t.Fatalf("Page(%d): %v, %v", p.Seq, page, err)
				}
				if got, want := page[0].Data[offset-p.Offset], all[offset]; got != want {
					t.Fatalf("byte %d is %q, want %q", offset, got, want)
				}
				if want := uint64(bytes.Count(all[:p.Offset], newline)); p.Line != want {
					t.Fatalf("place %+v: %d lines before it, want %d", p, p.Line, want)
				}
				q, err := rd.SeekTime(page[0].At)
				if err != nil || q.Seq < page[0].Seq {
					t.Fatalf("SeekTime(%v) = %+v, %v; want chunk %d or later", page[0].At, q, err, page[0].Seq)
				}
			}
			lines := bytes.Split(all, newline)
			if len(lines[len(lines)-1]) == 0 {
				lines = lines[:len(lines)-1]
			}
			for range 200 {
				from, count := rng.IntN(len(lines)), rng.IntN(60)
				got, err := rd.Lines(int64(from), count)
				if err != nil {
					t.Fatal(err)
				}
				if int(got.Total) != len(lines) || len(got.Lines) != min(count, len(lines)-from) {
					t.Fatalf("Lines(%d, %d): %d of %d, want %d of %d", from, count, len(got.Lines), got.Total, min(count, len(lines)-from), len(lines))
				}
				for i, l := range got.Lines {
					if want := lines[from+i]; l.Number != uint64(from+i) || !bytes.Equal(text(l), want) {
						t.Fatalf("line %d is %d %q, want %q", from+i, l.Number, text(l), want)
					}
				}
				p, err := rd.SeekLine(uint64(from))
				if err != nil || p.Line > uint64(from) {
					t.Fatalf("SeekLine(%d) = %+v, %v", from, p, err)
				}
			}
			last, err := rd.Lines(-5, 5)
			if err != nil || len(last.Lines) != 5 || !bytes.Equal(text(last.Lines[4]), lines[len(lines)-1]) {
				t.Fatalf("the last five lines are %v, %v", last, err)
			}
			tail, err := rd.Tail(1000)
			if err != nil {
				t.Fatal(err)
			}
			if n := uint64(len(all)) - tail.Offset; n < 1000 || n > 1000+maxChunk {
				t.Errorf("Tail(1000) leaves %d bytes", n)
			}
		})
	}
}

func text(l Line) (b []byte) {
	for _, p := range l.Parts {
		b = append(b, p.Text...)
	}
	return b
}

// Ensure a line without end costs no more than its two ends.
func TestLines_AreCutInTheMiddle(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	r := begin(t, j)
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	write(t, r, job.Stdout, []byte("first\n"))
	write(t, r, job.Stdout, long)
	write(t, r, job.Stdout, []byte("\nlast\n"))
	rd := reader(t, j, r.ID())
	got, err := rd.Lines(0, 10)
	if err != nil || len(got.Lines) != 3 {
		t.Fatalf("Lines: %d lines, %v", len(got.Lines), err)
	}
	l := got.Lines[1]
	if n := uint64(len(text(l))) + l.Cut; n != uint64(len(long)) {
		t.Errorf("shown and cut are %d bytes, want %d", n, len(long))
	}
	if len(text(l)) > 2*lineEnd || !bytes.HasPrefix(long, l.Parts[0].Text) || !bytes.HasSuffix(long, l.Parts[len(l.Parts)-1].Text) {
		t.Errorf("the line is shown as %d bytes: %.40q…", len(text(l)), text(l))
	}
	if string(text(got.Lines[2])) != "last" || got.Lines[2].Number != 2 {
		t.Errorf("behind it stands %q", text(got.Lines[2]))
	}
	finish(t, r)
}

// Ensure Follow shows everything and ends with the job, in the process that owns
// it and in another.
func TestFollow_EndsWithTheJob(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"owner", "other process"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j := open(t, dir)
			from := j
			if who != "owner" {
				from = open(t, dir)
			}
			r := begin(t, j)
			rd := reader(t, from, r.ID())
			seen := make(chan int, 1)
			done := make(chan error, 1)
			var got []byte
			go func() {
				done <- rd.Follow(t.Context(), 0, func(page []job.Chunk) error {
					for _, c := range page {
						got = append(got, c.Data...)
					}
					select {
					case seen <- len(got):
					default:
					}
					return nil
				})
			}()
			var want []byte
			for i := range 50 {
				p := fmt.Appendf(nil, "line %d\n", i)
				want = append(want, p...)
				write(t, r, job.Stdout, p)
				<-seen // each line is shown while the job lives
			}
			finish(t, r)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("followed %d bytes, want %d", len(got), len(want))
			}
		})
	}
}

// Ensure a job is found by its id, by any unique beginning and by its age.
func TestFind_ByIDPrefixAndAge(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	var ids []job.ID
	for range 3 {
		r := begin(t, j)
		finish(t, r)
		ids = append(ids, r.ID())
	}
	for name, want := range map[string]job.ID{
		string(ids[0]): ids[0], string(ids[1][:35]): ids[1], "@1": ids[2], "@3": ids[0],
	} {
		if got, err := j.Find(t.Context(), name); err != nil || got.ID != want {
			t.Errorf("Find(%q) = %s, %v; want %s", name, got.ID, err, want)
		}
	}
	for name, want := range map[string]error{
		string(ids[0][:4]): job.ErrAmbiguous, "@4": job.ErrNotFound, "@0": job.ErrInvalid, "": job.ErrInvalid,
		"ffffffff": job.ErrNotFound, "%": job.ErrInvalid, "../../etc": job.ErrInvalid,
	} {
		if _, err := j.Find(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("Find(%q): %v, want %v", name, err, want)
		}
	}
	list, err := j.Jobs(t.Context(), job.Filter{}, "", 2)
	if err != nil || len(list) != 2 || list[0].ID != ids[2] || list[1].ID != ids[1] {
		t.Fatalf("Jobs: %v, %v", list, err)
	}
	if next, err := j.Jobs(t.Context(), job.Filter{}, list[1].ID, 2); err != nil || len(next) != 1 || next[0].ID != ids[0] {
		t.Errorf("the next page is %v, %v", next, err)
	}
}

// Ensure nobody else on the machine can read a journal.
func TestJournal_IsPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "vmo")
	j := open(t, dir)
	finish(t, begin(t, j))
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s has mode %o", path, mode)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Ensure a reader never takes the frame that is just being written for damage.
// The scan looked for the next frame behind a partial one, and the writer had
// meanwhile put one there; small writes from one goroutine never showed it.
func TestFollow_NeverSeesDamageInALivingRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, other := open(t, dir), open(t, dir)
	r := begin(t, j)
	readers := []*Reader{reader(t, j, r.ID()), reader(t, other, r.ID())}
	piece := noise(3, 150_000)
	const pieces = 300
	errs := make(chan error, len(readers))
	for _, rd := range readers {
		go func() {
			n := 0
			errs <- rd.Follow(t.Context(), 0, func(page []job.Chunk) error {
				for _, c := range page {
					if c.Note != nil {
						return fmt.Errorf("chunk %d: %+v", c.Seq, *c.Note)
					}
					for len(c.Data) > 0 {
						rest := piece[n%len(piece):]
						k := min(len(rest), len(c.Data))
						if !bytes.Equal(rest[:k], c.Data[:k]) {
							return fmt.Errorf("chunk %d: wrong bytes at %d", c.Seq, n)
						}
						c.Data, n = c.Data[k:], n+k
					}
				}
				return nil
			})
		}()
	}
	for range pieces {
		write(t, r, job.Stdout, piece)
	}
	finish(t, r)
	for range readers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
