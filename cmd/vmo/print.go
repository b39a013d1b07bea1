package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"vmorchestrator/internal/job"
)

// visible makes a text from outside safe to print in a line: whatever could
// move the cursor, change colours or reorder the text becomes an escape.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.Is(unicode.Cf, r) {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func printJSON(v any) error { return objectsTo(os.Stdout).Encode(v) }

// objectsTo writes one JSON object a line. They go to a terminal or a file, never
// into a web page: > stays >.
func objectsTo(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}

// printer writes pages of a record to where their streams belong.
type printer struct {
	discard bool        // only watch
	json    bool        // one object for each chunk
	stamped bool        // each line with its time
	raw     bool        // to a terminal that adds no carriage return
	damaged bool        // something could not be read
	host    string      // stands before each line, which is then printed whole
	lock    *sync.Mutex // of what several printers print to; nil: there is one

	out, err stream
}

// close prints what is left of lines that had no end.
func (p *printer) close() error {
	if p.lock != nil {
		p.lock.Lock()
		defer p.lock.Unlock()
	}
	return errors.Join(p.out.close(), p.err.close())
}

// page writes one page. Bytes are written as they are, and what belongs to one
// stream at once: a million chunks of a byte are not a million writes.
func (p *printer) page(chunks []job.Chunk) error {
	if p.lock != nil {
		p.lock.Lock()
		defer p.lock.Unlock()
	}
	if p.json {
		return p.objects(chunks)
	}
	var last *stream
	for _, c := range chunks {
		if c.Note == nil && p.discard {
			continue
		}
		to := p.stream(c.Stream)
		to.prefix = p.host
		if last != nil && last != to {
			if err := last.Flush(); err != nil {
				return err
			}
		}
		last = to
		if c.Note != nil {
			p.note(c)
		} else if err := to.write(c, p.stamped); err != nil {
			return err
		}
	}
	if last == nil {
		return nil
	}
	return last.Flush()
}

// stream returns where a stream is printed.
func (p *printer) stream(s job.Stream) *stream {
	to, f := &p.out, os.Stdout
	if s == job.Stderr || s == job.Event {
		to, f = &p.err, os.Stderr
	}
	if to.Writer == nil {
		to.Writer = bufio.NewWriterSize(f, 64<<10)
	}
	return to
}

func (p *printer) objects(chunks []job.Chunk) error {
	w := bufio.NewWriter(os.Stdout)
	enc := objectsTo(w)
	for _, c := range chunks {
		if c.Note != nil && c.Note.Kind == job.NoteDamage {
			p.damaged = true
		}
		if c.Data == nil {
			c.Data = []byte{}
		}
		if err := enc.Encode(c); err != nil {
			return err
		}
	}
	return w.Flush()
}

// note says what is missing. Resizes are no news to a reader of text.
func (p *printer) note(c job.Chunk) {
	switch c.Note.Kind {
	case job.NoteDamage:
		p.damaged = true
	case job.NoteGap, job.NoteLink, job.NoteBoundary:
	default:
		return
	}
	if p.discard {
		return
	}
	for line := range strings.Lines(c.Note.Text) {
		end := "\n"
		if p.raw {
			end = "\r\n"
		}
		fmt.Fprintf(os.Stderr, "vmo: %s%s%s", p.host, visible(strings.TrimRight(line, "\n")), end)
	}
}

// stream is standard output or standard error.
type stream struct {
	*bufio.Writer
	inLine bool   // something of the line is printed
	prefix string // before each line
	rest   []byte // a line that has no end yet, if there is a prefix
}

// maxLine is when a line without an end is printed all the same.
const maxLine = 64 << 10

// lines prints whole lines with the host before them, so that those of several
// hosts do not run into each other.
func (s *stream) lines(data []byte) (err error) {
	for line := range bytes.Lines(data) {
		s.rest = append(s.rest, line...)
		if line[len(line)-1] == '\n' || len(s.rest) > maxLine {
			_, err = s.WriteString(s.prefix)
			_, errLine := s.Write(s.rest)
			err = errors.Join(err, errLine)
			if s.rest[len(s.rest)-1] != '\n' {
				err = errors.Join(err, s.WriteByte('\n'))
			}
			s.rest = s.rest[:0]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) close() error {
	if len(s.rest) == 0 {
		return nil
	}
	return errors.Join(s.lines([]byte{'\n'}), s.Flush())
}

// write puts the time before each line, if that is wanted.
func (s *stream) write(c job.Chunk, stamped bool) error {
	if s.prefix != "" {
		return s.lines(c.Data)
	}
	if !stamped {
		_, err := s.Write(c.Data)
		return err
	}
	for line := range strings.Lines(string(c.Data)) {
		if !s.inLine {
			s.WriteString(c.At.UTC().Format("2006-01-02T15:04:05.000Z07:00 "))
		}
		if _, err := s.WriteString(line); err != nil {
			return err
		}
		s.inLine = !strings.HasSuffix(line, "\n")
	}
	return nil
}

// ago is how long something is past, for people.
func ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(max(0, d).Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return t.Local().Format("2006-01-02 15:04")
}

// length is a duration for people.
func length(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// size is a number of bytes for people.
func size(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1000, 0
	for ; f >= 999.5; i++ {
		f /= 1000
	}
	return fmt.Sprintf("%.3g %cB", f, units[i])
}
