package journal

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"vmorchestrator/internal/job"
)

// Format is how a record is exported.
type Format string

// The formats. All but Bundle may be of a job that runs: up to now.
const (
	Text   Format = "text"   // the output without escape sequences
	ANSI   Format = "ansi"   // the output, byte for byte
	HTML   Format = "html"   // a page that needs nothing else
	Cast   Format = "cast"   // asciicast v2, for asciinema
	JSON   Format = "json"   // a line for the job, then one for each chunk
	Bundle Format = "record" // the record itself, for Import
)

// Formats are all of them.
var Formats = []Format{Text, ANSI, HTML, Cast, JSON, Bundle}

// exporter writes a record in one format.
type exporter interface {
	begin(what job.Job) error
	chunk(c job.Chunk) error
	end() error
}

// Export writes the record of a job to w. What is damaged in it is told where the
// format has room for it, and by the error, after everything else was written.
func (j *Journal) Export(ctx context.Context, id job.ID, format Format, w io.Writer) error {
	if err := j.export(ctx, id, format, w); err != nil {
		return fmt.Errorf("export job %s: %w", id, err)
	}
	return nil
}

func (j *Journal) export(ctx context.Context, id job.ID, format Format, w io.Writer) error {
	if format == Bundle {
		return j.bundle(ctx, id, w)
	}
	what, err := j.Job(ctx, id)
	if err != nil {
		return err
	}
	r, err := j.Reader(id)
	if err != nil {
		return err
	}
	defer r.Close()
	return r.export(ctx, what, format, w)
}

// Export writes what the reader reads of a job, in every format but Bundle; see
// [Journal.Export].
func (r *Reader) Export(ctx context.Context, what job.Job, format Format, w io.Writer) error {
	if err := r.export(ctx, what, format, w); err != nil {
		return fmt.Errorf("export job %s: %w", what.ID, err)
	}
	return nil
}

func (r *Reader) export(ctx context.Context, what job.Job, format Format, w io.Writer) error {
	out := bufio.NewWriterSize(w, 64<<10)
	x, err := newExporter(format, out)
	if err != nil {
		return err
	}
	if err := x.begin(what); err != nil {
		return err
	}
	damaged := false
	for after := uint64(0); ; {
		page, err := r.Page(after, 1<<20)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			damaged = damaged || c.Note != nil && c.Note.Kind == job.NoteDamage
			if err := x.chunk(c); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		after = page[len(page)-1].Seq
	}
	if err := x.end(); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if damaged {
		return errDamaged
	}
	return nil
}

var errDamaged = fmt.Errorf("part of the record is damaged; everything else of it was written")

func newExporter(format Format, w *bufio.Writer) (exporter, error) {
	switch format {
	case Text:
		return &textExport{w: w}, nil
	case ANSI:
		return ansiExport{w}, nil
	case HTML:
		return newPage(w), nil
	case Cast:
		return &castExport{w: w}, nil
	case JSON:
		return jsonExport{objects(w)}, nil
	}
	names := make([]string, len(Formats))
	for i, f := range Formats {
		names[i] = string(f)
	}
	return nil, job.WithHint(fmt.Errorf("%w: %q is not a format", job.ErrInvalid, format), "The formats are "+strings.Join(names, ", ")+".")
}

func objects(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

type ansiExport struct{ w *bufio.Writer }

func (ansiExport) begin(job.Job) error { return nil }
func (ansiExport) end() error          { return nil }
func (x ansiExport) chunk(c job.Chunk) error {
	_, err := x.w.Write(c.Data)
	return err
}

type textExport struct {
	w     *bufio.Writer
	strip [4]stripper // each stream may stand within a sequence
}

func (*textExport) begin(job.Job) error { return nil }
func (x *textExport) end() error {
	for i := range x.strip {
		if string(x.strip[i].held) == "\r" {
			return x.w.WriteByte('\r')
		}
	}
	return nil
}

func (x *textExport) chunk(c job.Chunk) error {
	if c.Note != nil {
		return nil
	}
	_, err := x.w.Write(x.strip[c.Stream].strip(c.Data))
	return err
}

// jsonExport writes text as text and everything else as base64.
type jsonExport struct{ to *json.Encoder }

func (x jsonExport) begin(what job.Job) error {
	return x.to.Encode(struct {
		Job job.Job `json:"job"`
	}{what})
}

func (jsonExport) end() error { return nil }

func (x jsonExport) chunk(c job.Chunk) error {
	line := struct {
		Seq    uint64     `json:"seq"`
		Stream job.Stream `json:"stream"`
		At     string     `json:"at"`
		Text   string     `json:"text,omitempty"`
		Data   []byte     `json:"data,omitempty"`
		Note   *job.Note  `json:"event,omitempty"`
	}{Seq: c.Seq, Stream: c.Stream, At: c.At.UTC().Format("2006-01-02T15:04:05.000000000Z"), Note: c.Note}
	if utf8.Valid(c.Data) {
		line.Text = string(c.Data)
	} else {
		line.Data = c.Data
	}
	return x.to.Encode(line)
}

// runes makes text of bytes that come in pieces: a character that is not whole
// waits for the rest of it, and what is none is U+FFFD.
type runes struct{ held []byte }

func (r *runes) text(p []byte) string {
	b := append(r.held, p...)
	n := len(b)
	for k := 1; k < utf8.UTFMax && k <= len(b); k++ {
		if c := b[len(b)-k]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-k:]) {
				n = len(b) - k
			}
			break
		}
	}
	text := string(valid(b[:n]))
	r.held = append(r.held[:0], b[n:]...)
	return text
}
