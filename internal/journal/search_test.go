package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/job"
)

// Records of these tests are divided as a large one is.
func init() { smallJob, pieceBlocks, unitSize = 100<<10, 1, 8<<10 }

// looked is what a search found, problems apart.
func looked(t testing.TB, j *Journal, q Query) (hits []Hit, problems []string) {
	t.Helper()
	err := j.Search(t.Context(), q, func(h Hit) error {
		if h.Problem != "" {
			problems = append(problems, h.Problem)
		} else {
			hits = append(hits, h)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return hits, problems
}

func lineNumbers(hits []Hit) []uint64 {
	out := []uint64{}
	for _, h := range hits {
		out = append(out, h.Line)
	}
	return out
}

// plain finds lines in the plainest way: each line as it is shown, and each line
// of a stream that the other interrupted, of which no part matches.
func plain(t testing.TB, j *Journal, id job.ID, re *regexp.Regexp) []uint64 {
	t.Helper()
	r, err := j.Reader(id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	strip := func(b []byte) []byte {
		return bytes.TrimSuffix(appendStripped(nil, b), []byte("\r"))
	}
	found := map[uint64]bool{}
	var line []byte
	number := uint64(0)
	parts := [3][][]byte{}
	last := job.Stream(0)
	end := func(s job.Stream) {
		if len(parts[s]) > 1 && re.Match(strip(bytes.Join(parts[s], nil))) &&
			!slices.ContainsFunc(parts[s], func(p []byte) bool { return re.Match(strip(p)) }) {
			found[number] = true
		}
		parts[s] = nil
	}
	for after := uint64(0); ; {
		page, err := r.Page(after, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			after = c.Seq
			for _, b := range c.Data {
				if s := c.Stream; b == '\n' {
					end(s)
				} else if n := len(parts[s]); n == 0 || last != s {
					parts[s] = append(parts[s], []byte{b})
				} else {
					parts[s][n-1] = append(parts[s][n-1], b)
				}
				last = c.Stream
				if b == '\n' {
					if re.Match(strip(line)) {
						found[number] = true
					}
					line, number = line[:0], number+1
				} else {
					line = append(line, b)
				}
			}
		}
	}
	end(job.Stdout)
	end(job.Stderr)
	if len(line) > 0 && re.Match(strip(line)) {
		found[number] = true
	}
	out := []uint64{}
	for n := range found {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// Ensure a search finds exactly the lines that match, with their numbers,
// however they were cut into chunks, blocks and streams, compressed or not,
// while the job runs and when it has ended.
func TestSearch_FindsWhatMatchesAndNothingElse(t *testing.T) {
	t.Parallel()
	words := []string{"error", "Error", "ERROR", "err", "or", "id=ff", "naïve", "ok", "\xff", "\x1b[31m", "\x1b[0m", "K", "\u212a", "\r\n", "\n", "\n", "\n", " ", "x"}
	patterns := []Query{
		{Pattern: "error"}, {Pattern: "error", Literal: true}, {Pattern: "error", IgnoreCase: true}, {Pattern: "or id"},
		{Pattern: "^error"}, {Pattern: "ok$"}, {Pattern: "^$"}, {Pattern: "^ *$"}, {Pattern: "x*"}, {Pattern: "error.*id"}, {Pattern: "(?i)k"}, {Pattern: "ïv"}, {Pattern: "NAÏVE", IgnoreCase: true},
		{Pattern: `[^a-z]id`}, {Pattern: `\bok\b`}, {Pattern: "e(rr)+or|id=[0-9a-f]{2}"}, {Pattern: `(?s)error.x`}, {Pattern: "nothing like it"}, {Pattern: ".", Literal: true},
	}
	r := rand.New(rand.NewPCG(7, 7))
	for name, shape := range map[string]struct {
		size, chunk, streams int
		states               []string
	}{
		"one stream of large chunks":   {150_000, 60_000, 1, []string{"ended"}},
		"one stream of tiny chunks":    {8_000, 3, 1, []string{"compressed"}},
		"two streams that interrupt":   {8_000, 30, 2, []string{"living", "compressed"}},
		"two streams of many blocks":   {140_000, 4_000, 2, []string{"living", "compressed"}},
		"two streams, seldom the same": {140_000, 20_000, 2, []string{"ended"}},
	} {
		var text bytes.Buffer
		for text.Len() < shape.size {
			text.WriteString(words[r.IntN(len(words))])
		}
		for _, state := range shape.states {
			rest := text.Bytes()
			chunks := rand.New(rand.NewPCG(1, uint64(shape.chunk)))
			t.Run(name+", "+state, func(t *testing.T) {
				t.Parallel()
				j := open(t, t.TempDir())
				rec := begin(t, j)
				for len(rest) > 0 {
					n := min(len(rest), 1+chunks.IntN(shape.chunk))
					write(t, rec, job.Stream(1+chunks.IntN(shape.streams)), rest[:n])
					rest = rest[n:]
				}
				if state != "living" {
					finish(t, rec)
				} else {
					defer finish(t, rec)
				}
				if state == "compressed" {
					if err := j.Compact(t.Context(), rec.ID()); err != nil {
						t.Fatal(err)
					}
				}
				for _, q := range patterns {
					re := q.Pattern
					if q.Literal {
						re = regexp.QuoteMeta(re)
					}
					if q.IgnoreCase {
						re = "(?i)" + re
					}
					want := plain(t, j, rec.ID(), regexp.MustCompile(re))
					hits, problems := looked(t, j, q)
					if diff := cmp.Diff(want, lineNumbers(hits)); diff != "" || len(problems) > 0 {
						t.Errorf("%+v (-want +got): %.2000s %q", q, diff, problems)
					}
					for _, h := range hits {
						if h.At.IsZero() || h.Stream == 0 || !strings.HasPrefix(h.Text[h.From:], h.Text[h.From:h.To]) {
							t.Fatalf("%+v: %+v", q, h)
						}
					}
					q.Count = true
					if counts, _ := looked(t, j, q); len(want) > 0 && (len(counts) != 1 || counts[0].Count != uint64(len(want))) || len(want) == 0 && len(counts) > 0 {
						t.Errorf("%+v: counted %+v, want %d", q, counts, len(want))
					}
				}
			})
		}
	}
}

// Ensure a line that matches is found once, also if it is searched in two pieces
// and one stream's own line, which the other interrupted, ends in it.
func TestSearch_AnInterruptedLineAcrossPiecesIsFoundOnce(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{"ended": " id\n", "without an end": " id"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := open(t, t.TempDir())
			rec := begin(t, j)
			lines := func(n int) {
				for range n {
					write(t, rec, job.Stdout, append(bytes.Repeat([]byte("z"), 999), '\n'))
				}
			}
			lines(100)
			write(t, rec, job.Stdout, []byte("error "))
			for range 50 { // a block ends among them
				write(t, rec, job.Stderr, bytes.Repeat([]byte("y"), 1000))
			}
			write(t, rec, job.Stdout, []byte(end))
			if end == " id\n" {
				lines(100)
			}
			finish(t, rec)
			for _, q := range []Query{{Pattern: "error.*id"}, {Pattern: "^error *id"}, {Pattern: "error y"}, {Pattern: "y id"}} {
				hits, problems := looked(t, j, q)
				if diff := cmp.Diff(plain(t, j, rec.ID(), regexp.MustCompile(q.Pattern)), lineNumbers(hits)); diff != "" || len(hits) != 1 || len(problems) > 0 {
					t.Errorf("%s (-want +got): %s %q", q.Pattern, diff, problems)
				}
				q.Count = true
				if counts, _ := looked(t, j, q); len(counts) != 1 || counts[0].Count != 1 {
					t.Errorf("%s: counted %+v", q.Pattern, counts)
				}
			}
		})
	}
}

// Ensure hits come newest job first, that filter, limit and context hold, and
// that one job can be meant.
func TestSearch_OrderFilterLimitAndContext(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	var ids []job.ID
	for i := range 50 {
		rec := begin(t, j, "job", fmt.Sprint(i%2))
		for n := range 20 {
			write(t, rec, job.Stdout, fmt.Appendf(nil, "line %d of %d\n", n, i))
		}
		ids = append([]job.ID{finish(t, rec).ID}, ids...)
	}
	hits, _ := looked(t, j, Query{Pattern: "line 1[12] of"})
	var want, got []string
	for _, id := range ids {
		want = append(want, fmt.Sprint(id, 11), fmt.Sprint(id, 12))
	}
	for _, h := range hits {
		got = append(got, fmt.Sprint(h.Job, h.Line))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if hits, _ := looked(t, j, Query{Pattern: "line 3 ", Jobs: job.Filter{Text: "job 1"}}); len(hits) != 25 {
		t.Errorf("%d hits in half of the jobs", len(hits))
	}
	if hits, _ := looked(t, j, Query{Pattern: "line", Limit: 7}); len(hits) != 7 || hits[6].Line != 6 || hits[6].Job != ids[0] {
		t.Errorf("of seven hits the last is %+v", hits[len(hits)-1])
	}
	hits, _ = looked(t, j, Query{Pattern: "line [019] of", Job: ids[3], Context: 2})
	if len(hits) != 3 || len(hits[0].Before) != 0 || len(hits[0].After) != 2 || hits[2].Before[0] != "line 7 of 46" || hits[2].After[1] != "line 11 of 46" {
		t.Errorf("around the hits: %+v", hits)
	}
}

// Ensure damage is told and costs only what is damaged, and that the numbers of
// the lines behind it are still those of the log view.
func TestSearch_DamageHidesNothingElse(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	rec := begin(t, j)
	for i := range 20_000 {
		write(t, rec, job.Stdout, fmt.Appendf(nil, "this is line %d\n", i))
	}
	id := finish(t, rec).ID
	path := j.shelfPath(id)
	before, _ := looked(t, j, Query{Pattern: "line"})
	spoil(t, path, 300_000, 2000)
	hits, problems := looked(t, j, Query{Pattern: "line"})
	if len(problems) != 1 || !strings.Contains(problems[0], "damaged") {
		t.Errorf("problems: %q", problems)
	}
	if lost := len(before) - len(hits); lost < 20 || lost > 100 {
		t.Errorf("%d lines of 20000 were lost", lost)
	}
	if last := hits[len(hits)-1]; last.Line != 19_999 || last.Text != "this is line 19999" {
		t.Errorf("the last line is %+v", last)
	}
}

// Ensure a line that has no end needs little memory and is found all the same,
// once.
func TestSearch_AnEndlessLine(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	rec := begin(t, j)
	write(t, rec, job.Stdout, []byte("first\n"))
	piece := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	for i := range 40 {
		write(t, rec, job.Stdout, piece)
		if i%20 == 10 {
			write(t, rec, job.Stdout, []byte("needle"))
		}
	}
	write(t, rec, job.Stdout, []byte("end\nlast"))
	endless(t, j)
	finish(t, rec)
	endless(t, j)
}

func endless(t *testing.T, j *Journal) {
	t.Helper()
	for pattern, want := range map[string][]uint64{
		"needle": {1}, "f0123": {1}, "^0123": {1}, "^4567": {}, "fend$": {1}, "cdef$": {}, ".*": {0, 1, 2}, "(?i)NEEDLE": {1}, "last": {2}, "^last$": {2}, "nothing": {}, `\bneedle`: {},
	} {
		hits, problems := looked(t, j, Query{Pattern: pattern})
		if diff := cmp.Diff(want, lineNumbers(hits)); diff != "" || len(problems) > 0 {
			t.Errorf("%s: %s %q", pattern, diff, problems)
		}
		for _, h := range hits {
			if len(h.Text) > 2*shownText {
				t.Errorf("%s: a hit of %d bytes", pattern, len(h.Text))
			}
		}
	}
}

// Ensure a search can be ended at any time and leaves nothing behind.
func TestSearch_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	rec := begin(t, j)
	for range 40 {
		write(t, rec, job.Stdout, bytes.Repeat([]byte("yes\n"), 16<<10))
	}
	finish(t, rec)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := j.Search(ctx, Query{Pattern: "yes"}, func(Hit) error {
		if n++; n == 1000 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	stop := errors.New("no more")
	if err := j.Search(t.Context(), Query{Pattern: "yes"}, func(Hit) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("it ended with %v", err)
	}
}

// Ensure what cannot be a pattern is refused with a reason.
func TestSearch_RefusesWhatIsNoPattern(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	for _, q := range []Query{{}, {Pattern: "a("}, {Pattern: `a\nb`}, {Pattern: "a\nb", Literal: true}, {Pattern: `\n`}, {Pattern: `(?=a)`}} {
		if err := j.Search(t.Context(), q, func(Hit) error { return nil }); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

// spoil overwrites a place in a file.
func spoil(t testing.TB, path string, at int64, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, n), at); err != nil {
		t.Fatal(err)
	}
}
