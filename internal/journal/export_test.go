package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/job"
)

func exported(t testing.TB, j *Journal, id job.ID, format Format) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := j.Export(t.Context(), id, format, &out); err != nil {
		t.Fatalf("Export as %s: %v", format, err)
	}
	return out.Bytes()
}

// Ensure what an export makes of output does not depend on where it was cut into
// chunks, for every cut: within characters and escape sequences too.
func TestExport_IsTheSameForEveryCut(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	output := []byte("a\x1b[1;31mb\x1b[0mµ€😀\r\nc\x1b]0;title\x07d\x1b(Be\x1b]8;;x\x1b\\f\rg\xff\xe2\x82h\n<i>&\n")
	text := func(format Format, cut int) string {
		rec := begin(t, j)
		write(t, rec, job.Stdout, output[:cut])
		write(t, rec, job.Stdout, output[cut:])
		id := finish(t, rec).ID
		out := string(exported(t, j, id, format))
		switch format {
		case Cast:
			var all strings.Builder
			for line := range strings.Lines(out) {
				var event []any
				if json.Unmarshal([]byte(line), &event) == nil && event[1] == "o" {
					all.WriteString(event[2].(string))
				}
			}
			return all.String()
		case HTML:
			_, out, _ = strings.Cut(out, "<main>")
			for line := range strings.Lines(out) {
				at := strings.Index(line, " data-t=")
				if end := strings.Index(line, ">"); at > 0 && end > at {
					out = strings.Replace(out, line, line[:at]+line[end:], 1)
				}
			}
			out = strings.ReplaceAll(out, `</span><span class="f1 o">`, "")
		}
		return out
	}
	for _, format := range []Format{Text, ANSI, Cast, HTML} {
		want := text(format, 0)
		for cut := range output {
			if diff := cmp.Diff(want, text(format, cut)); diff != "" {
				t.Fatalf("%s, cut at %d:\n%s", format, cut, diff)
			}
		}
		if !utf8.ValidString(want) && (format == Cast || format == HTML) {
			t.Errorf("%s is not UTF-8", format)
		}
	}
	if got := text(Text, 7); got != "abµ€😀\ncdef\rg\xff\xe2\x82h\n<i>&\n" {
		t.Errorf("the text is %q", got)
	}
	page := text(HTML, 9)
	for _, want := range []string{`a<span class="f1 o">b</span>µ€😀`, "&lt;i&gt;&amp;"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in %s", want, page)
		}
	}
}

// Ensure nothing that a job prints, is called or does can become part of the
// page, and that the page allows only its own script and style sheet.
func TestExport_APageIsNothingButText(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir())
	evil := `"'><script>alert(1)</script><img src=x onerror=alert(1)></main></html>` + "\u202e\u0085\x00"
	run := job.NewRun(job.Spec{Argv: []string{evil}, Target: evil, Dir: evil, Project: evil})
	rec, err := j.Begin(run.Begin(evil, evil, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	write(t, rec, job.Stderr, []byte(evil+"\n\x1b[38;5;\"><script>m"+evil))
	if err := rec.Note(job.Note{Kind: job.NoteLink, Text: evil}); err != nil {
		t.Fatal(err)
	}
	page := string(exported(t, j, finish(t, rec).ID, HTML))
	if n := strings.Count(page, "<script"); n != 1 || strings.Contains(page, "<img") || strings.Count(page, "</main>") != 1 {
		t.Errorf("what was printed is in the page:\n%s", page[strings.Index(page, "<header>"):])
	}
	if strings.ContainsAny(page, "\u202e\u0085\x00") {
		t.Error("what reorders or hides text is in the page")
	}
	between := func(from, to string) string {
		_, rest, _ := strings.Cut(page, from)
		text, _, _ := strings.Cut(rest, to)
		return text
	}
	for _, own := range []string{between("<script>", "</script>"), between("<style>", "</style>")} {
		if !strings.Contains(page, hashSource(own)) {
			t.Error("the policy does not allow what the page needs")
		}
	}
}

// Ensure an imported record is the same to the byte, is known as imported, also
// after the list was made anew, and that a second import changes nothing.
func TestImport_IsTheSameRecordFromElsewhere(t *testing.T) {
	t.Parallel()
	here, there := open(t, t.TempDir()), open(t, t.TempDir())
	rec := begin(t, here, "make", "deploy")
	for range 3000 {
		write(t, rec, job.Stdout, []byte("some output that is long enough for several blocks\n"))
	}
	want := finish(t, rec)
	bundle := exported(t, here, want.ID, Bundle)
	for range 2 {
		got, err := there.Import(t.Context(), bytes.NewReader(bundle), "me@there")
		if err != nil {
			t.Fatal(err)
		}
		want.Origin = here.ID()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
	if _, err := there.Reindex(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := there.Job(t.Context(), want.ID)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	if again := exported(t, there, want.ID, Bundle); !bytes.Equal(again, bundle) {
		t.Error("exported again it is another one")
	}
	entries, err := there.Entries(0, 100)
	if err != nil {
		t.Fatal(err)
	}
	imports := 0
	for _, e := range entries {
		if s, err := e.Statement(); err == nil && s.Kind == job.EntryImport && s.Job == want.ID && s.By == "me@there" {
			imports++
		}
	}
	if imports != 1 {
		t.Errorf("the ledger tells of %d imports", imports)
	}
	if back, err := here.Import(t.Context(), bytes.NewReader(bundle), "me@here"); err != nil || back.Origin != "" {
		t.Errorf("back home it is %+v, %v", back, err)
	}
}

// Ensure no byte of a record can be changed on its way without the import being
// refused, or the change being of no consequence, and that what is refused leaves
// nothing behind.
func TestImport_RefusesWhatWasChanged(t *testing.T) {
	t.Parallel()
	here, there := open(t, t.TempDir()), open(t, t.TempDir())
	rec := begin(t, here, "make", "deploy")
	write(t, rec, job.Stdout, []byte("the output\n"))
	id := finish(t, rec).ID
	bundle := exported(t, here, id, Bundle)
	line, segment, _ := bytes.Cut(bundle, []byte("\n"))
	var head bundleHead
	if err := json.Unmarshal(line, &head); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i := range segment {
		changed := bytes.Clone(segment)
		changed[i] ^= 0x41
		sum := sha256.Sum256(changed)
		head.SHA256 = hex.EncodeToString(sum[:])
		line, err := json.Marshal(head)
		if err != nil {
			t.Fatal(err)
		}
		got, err := there.Import(t.Context(), bytes.NewReader(append(append(line, '\n'), changed...)), "me@there")
		if err != nil {
			if !errors.Is(err, job.ErrInvalid) && !errors.Is(err, job.ErrNewer) {
				t.Fatalf("byte %d: %v", i, err)
			}
			continue
		}
		taken++
		if out, _ := readAll(t, reader(t, there, id)); string(out) != "the output\n" || got.Argv[1] != "deploy" {
			t.Fatalf("byte %d: taken in as %q, %+v", i, out, got)
		}
		if err := there.Remove(id, "me@there", "test"); err != nil {
			t.Fatal(err)
		}
	}
	if taken > preludeSize { // of which each byte is there three times
		t.Errorf("%d changes of %d bytes were taken in", taken, len(segment))
	}
	if n, err := there.Count(t.Context(), job.Filter{}); err != nil || n.All() != 0 {
		t.Errorf("%d jobs are left, %v", n.All(), err)
	}
	for cut := range len(bundle) {
		if cut%7 == 0 {
			if _, err := there.Import(t.Context(), bytes.NewReader(bundle[:cut]), "me@there"); !errors.Is(err, job.ErrInvalid) {
				t.Fatalf("cut off at %d: %v", cut, err)
			}
		}
	}
}
