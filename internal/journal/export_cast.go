package journal

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"vmorchestrator/internal/job"
)

// castExport writes asciicast v2,
// https://docs.asciinema.org/manual/asciicast/v2/.
type castExport struct {
	w     *bufio.Writer
	begun time.Time
	tty   bool
	of    [4]runes
	last  time.Duration
	cr    bool // the last byte was a carriage return
}

func (x *castExport) begin(what job.Job) error {
	x.begun, x.tty = what.QueuedAt, what.TTY
	if what.StartedAt != nil {
		x.begun = *what.StartedAt
	}
	size := what.Size
	if size.Cols == 0 || size.Rows == 0 {
		size = job.Size{Cols: 80, Rows: 24}
	}
	header := struct {
		Version   int               `json:"version"`
		Width     uint16            `json:"width"`
		Height    uint16            `json:"height"`
		Timestamp int64             `json:"timestamp"`
		Duration  float64           `json:"duration,omitempty"`
		Command   string            `json:"command"`
		Title     string            `json:"title"`
		Env       map[string]string `json:"env"`
	}{
		Version: 2, Width: size.Cols, Height: size.Rows, Timestamp: x.begun.Unix(),
		Command: strings.Join(what.Argv, " "), Title: what.Title(), Env: map[string]string{"TERM": "xterm-256color"},
	}
	if what.FinishedAt != nil {
		header.Duration = max(0, what.FinishedAt.Sub(x.begun).Seconds())
	}
	return objects(x.w).Encode(header)
}

func (x *castExport) chunk(c job.Chunk) error {
	switch {
	case c.Note == nil:
		return x.event(c.At, "o", x.newlines(x.of[c.Stream].text(c.Data)))
	case c.Note.Kind == job.NoteResize:
		return x.event(c.At, "r", fmt.Sprintf("%dx%d", c.Note.Size.Cols, c.Note.Size.Rows))
	case c.Note.Kind == job.NoteGap, c.Note.Kind == job.NoteDamage, c.Note.Kind == job.NoteRemoved:
		return x.event(c.At, "o", "\r\n["+string(valid([]byte(c.Note.Text)))+"]\r\n")
	}
	return nil
}

func (x *castExport) event(at time.Time, kind, text string) error {
	if text == "" {
		return nil
	}
	x.last = max(x.last, at.Sub(x.begun)) // time does not go back
	return objects(x.w).Encode([]any{x.last.Seconds(), kind, text})
}

// newlines makes of the output of pipes what a terminal would be sent.
func (x *castExport) newlines(text string) string {
	if x.tty || text == "" {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		if text[i] == '\n' && !x.cr {
			b.WriteByte('\r')
		}
		x.cr = text[i] == '\r'
		b.WriteByte(text[i])
	}
	return b.String()
}

func (x *castExport) end() error {
	for s := range x.of {
		if n := len(x.of[s].held); n > 0 { // what was never whole
			if err := x.event(x.begun, "o", strings.Repeat("\uFFFD", n)); err != nil {
				return err
			}
		}
	}
	return nil
}
