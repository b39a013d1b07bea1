package journal

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html"
	"strings"
	"time"
	"unicode"

	"vmorchestrator/internal/job"
)

var (
	//go:embed export_page.css
	pageStyle string
	//go:embed export_page.js
	pageScript string
)

// pageExport writes a page that needs nothing else and can do nothing else: its
// policy allows its own style sheet and script, by their hashes, and no
// connection. What comes from the job is text, and of its escape sequences only
// colours are followed.
type pageExport struct {
	w     *bufio.Writer
	begun time.Time
	tty   bool
	of    [4]sheet
}

// sheet is the line in which a stream stands.
type sheet struct {
	style style
	held  []byte // what may be the beginning of a sequence
	text  runes
	line  strings.Builder // HTML
	size  int
	at    time.Time // of its first byte
}

// longSheet is when a line without an end is broken.
const longSheet = 64 << 10

func newPage(w *bufio.Writer) *pageExport {
	x := &pageExport{w: w}
	for s := range x.of {
		x.of[s].style = plainStyle
	}
	return x
}

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (x *pageExport) begin(what job.Job) error {
	x.begun, x.tty = what.QueuedAt, what.TTY
	if what.StartedAt != nil {
		x.begun = *what.StartedAt
	}
	css := pageStyle + palette()
	fmt.Fprintf(x.w, `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src %s; script-src %s; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width">
<title>%s</title>
<style>%s</style>
<header><h1>%[3]s</h1>
<dl>
`, hashSource(css), hashSource(pageScript), safe(what.Title()), css)
	for _, row := range facts(what) {
		if row[1] != "" {
			fmt.Fprintf(x.w, "<dt>%s<dd>%s\n", safe(row[0]), safe(row[1]))
		}
	}
	link := job.Address{Job: what.ID}.String() // an id has no character that HTML minds
	fmt.Fprintf(x.w, "<dt>Link<dd><a href=\"%s\">%[1]s</a>\n</dl>\n</header>\n", link)
	x.w.WriteString(`<nav hidden><button id="play">Play</button><select id="speed" aria-label="Speed">` +
		`<option value="1">1×<option value="2">2×<option value="5">5×<option value="20">20×</select>` +
		`<input type="range" id="seek" min="0" max="1000" aria-label="Time"><span id="clock"></span></nav>` + "\n<main>\n")
	if what.TTY {
		x.w.WriteString("<p>This was a terminal. The text is here in its order, without where the cursor went; vmo export --format cast has that too.</p>\n")
	}
	return nil
}

// facts are what is told of a job before its output.
func facts(what job.Job) [][2]string {
	host := what.Host
	if host == "" {
		host = "local"
	}
	end := string(what.State)
	switch {
	case what.Detail != "":
		end += ": " + what.Detail
	case what.Signal != "":
		end += ": " + what.Signal
	case what.ExitCode != nil:
		end += fmt.Sprintf(": exit code %d", *what.ExitCode)
	}
	moment := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.UTC().Format("2006-01-02 15:04:05.000 UTC")
	}
	return [][2]string{
		{"Command", strings.Join(what.Argv, " ")}, {"Folder", what.Dir}, {"Host", host}, {"Project", what.Project}, {"Operator", what.Operator},
		{"State", end}, {"Started", moment(what.StartedAt)}, {"Ended", moment(what.FinishedAt)}, {"Job", string(what.ID)},
	}
}

func (x *pageExport) chunk(c job.Chunk) error {
	if c.Note != nil {
		if c.Note.Text != "" {
			fmt.Fprintf(x.w, "<p%s>%s</p>\n", x.times(c.At), safe(c.Note.Text))
		}
		return nil
	}
	s := &x.of[c.Stream]
	if s.size == 0 {
		s.at = c.At
	}
	text := append(s.held, c.Data...)
	for len(text) > 0 {
		i := bytes.IndexAny(text, "\x1b\n\r")
		if i < 0 {
			s.add(text)
			text = nil
			break
		}
		s.add(text[:i])
		text = text[i:]
		n, whole := 1, true
		switch text[0] {
		case '\n':
			x.line(c.Stream, c.At)
		case '\r':
			if len(text) == 1 {
				whole = false
			} else if text[1] != '\n' && text[1] != '\r' { // what follows stands over it
				s.line.Reset()
				s.size = 0
			}
		case escape:
			if n, whole = sequence(text); whole || len(text) > longSequence {
				s.style.sgr(text[:n])
				whole = true
			}
		}
		if !whole {
			break
		}
		text = text[n:]
	}
	s.held = append(s.held[:0], text...)
	if s.size > longSheet {
		x.line(c.Stream, c.At)
	}
	return nil
}

// add puts text into the line.
func (s *sheet) add(p []byte) {
	if len(p) == 0 {
		return
	}
	text := safe(s.text.text(p))
	s.size += len(p)
	if classes := s.style.classes(); classes != "" {
		fmt.Fprintf(&s.line, `<span class="%s">%s</span>`, classes, text)
	} else {
		s.line.WriteString(text)
	}
}

// line ends the line of a stream.
func (x *pageExport) line(stream job.Stream, at time.Time) {
	s := &x.of[stream]
	class := ""
	if stream == job.Stderr {
		class = ` class="e"`
	}
	fmt.Fprintf(x.w, "<div%s%s>%s</div>\n", class, x.times(s.at), s.line.String())
	s.line.Reset()
	s.size, s.at = 0, at
}

func (x *pageExport) times(at time.Time) string {
	return fmt.Sprintf(` data-t="%.3f" data-at="%s"`, max(0, at.Sub(x.begun).Seconds()), at.UTC().Format("15:04:05.000"))
}

func (x *pageExport) end() error {
	for s := range x.of {
		if x.of[s].size > 0 {
			x.line(job.Stream(s), x.of[s].at)
		}
	}
	_, err := fmt.Fprintf(x.w, "</main>\n<script>%s</script>\n</html>\n", pageScript)
	return err
}

// safe is a text as HTML: whatever could reorder or hide it is made visible.
func safe(text string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return r
		case r < 0x20:
			return 0x2400 + r // its picture
		case r == 0x7f:
			return 0x2421
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return unicode.ReplacementChar
		}
		return r
	}, text))
}
