package tail

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
)

// Tracker follows one source over any number of connections:
//
//	t := tail.NewTracker(source, options, boundary)
//	for {
//		run t.Command() on the host, its output to t.Stdout(record) and t.Stderr(record)
//		if the connection was not lost: t.Flush() and stop
//	}
//
// Each Command goes on where the output so far ended. What a script said and what
// it was cut off in is held back until it is known which it is, so that Flush is
// needed when a command has ended by itself, and must not be called when its
// connection was lost.
type Tracker struct {
	source   Source
	options  Options
	boundary func(string)

	mu       sync.Mutex
	position Position
	runs     int
	out, err stream
}

// NewTracker makes a Tracker that begins where options.Resume says. Boundary is
// told what became of the source, between the bytes before and after; it may be
// nil, must not call the Tracker, and its text is one line.
func NewTracker(s Source, o Options, boundary func(string)) *Tracker {
	if boundary == nil {
		boundary = func(string) {}
	}
	t := &Tracker{source: s, options: o, boundary: boundary, position: o.Resume}
	t.out = stream{tracker: t, mark: &t.position.Stdout, main: true}
	t.err = stream{tracker: t, mark: &t.position.Stderr}
	return t
}

// Command is what to run now. Output of a command before it is no longer
// understood.
func (t *Tracker) Command() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.options
	o.Resume, o.Nonce = t.position, NewNonce()
	t.out.reset(o.Nonce)
	t.err.reset(o.Nonce)
	if t.runs++; t.source.Kind == Cmd && t.runs > 1 {
		t.tell("the command was started anew: what it printed meanwhile is missing, and it may repeat itself")
	}
	return t.source.Command(o)
}

// Position is how far the output was passed on.
func (t *Tracker) Position() Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.position
	p.Before = bytes.Clone(p.Before)
	return p
}

// Stdout is where the command's output goes, on its way to w.
func (t *Tracker) Stdout(w io.Writer) io.Writer { return t.writer(&t.out, w) }

// Stderr is where its messages go. A container's stderr is among them.
func (t *Tracker) Stderr(w io.Writer) io.Writer { return t.writer(&t.err, w) }

func (t *Tracker) writer(s *stream, w io.Writer) io.Writer {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.to = w
	return s
}

// Flush passes on what was held back, when a command has ended by itself.
func (t *Tracker) Flush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range []*stream{&t.out, &t.err} {
		if len(s.control) == 0 || !bytes.HasPrefix(s.held, s.control) { // half a line of the script's own is nobody's
			s.content(s.held)
		}
		s.held = nil
		s.finish()
		if err := s.pass(); err != nil {
			return err
		}
	}
	return nil
}

// tell reports a boundary. Names in it are a host's word.
func (t *Tracker) tell(format string, args ...any) {
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, fmt.Sprintf(format, args...))
	t.boundary(fmt.Sprintf("%.300s", text))
}

// stream is one of the two outputs of the command. All of it needs tracker.mu.
type stream struct {
	tracker *Tracker
	to      io.Writer
	main    bool // stdout, which tells the boundaries
	mark    *Mark

	control []byte // how a line of the script's own begins; empty: it has none
	held    []byte // the beginning of such a line, or what looks like it
	out     []byte // to be passed on

	timed timed // of a container
	entry entry // of the journal
}

// maxControl bounds the script's own lines.
const maxControl = 4 << 10

func (s *stream) reset(nonce string) {
	s.held, s.out, s.control = nil, s.out[:0], nil
	if k := s.tracker.source.Kind; k != Cmd {
		s.control = []byte("\x1evmo-tail " + nonce + " ")
	}
	s.timed, s.entry = timed{}, entry{expect: s.tracker.position.Cursor}
}

// Write passes on what belongs to the log.
func (s *stream) Write(p []byte) (int, error) {
	t := s.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := p
	if len(s.held) > 0 {
		rest = append(s.held, p...)
		s.held = nil
	}
	for len(rest) > 0 {
		i := bytes.IndexByte(rest, 0x1e)
		if i < 0 || len(s.control) == 0 {
			s.content(rest)
			break
		}
		s.content(rest[:i])
		rest = rest[i:]
		if n := min(len(rest), len(s.control)); !bytes.Equal(rest[:n], s.control[:n]) {
			s.content(rest[:1])
			rest = rest[1:]
			continue
		}
		end := bytes.IndexByte(rest, '\n')
		if end < 0 && len(rest) < maxControl { // nothing but the end of the connection can cut it here
			s.held = bytes.Clone(rest)
			break
		}
		if end < 0 || end < len(s.control) {
			s.content(rest[:1])
			rest = rest[1:]
			continue
		}
		s.said(strings.Fields(string(rest[len(s.control):end])))
		rest = rest[end+1:]
	}
	return len(p), s.pass()
}

// pass writes what has been understood.
func (s *stream) pass() error {
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.to.Write(s.out)
	s.out = s.out[:0]
	return err
}

// tell reports a boundary behind what was before it.
func (s *stream) tell(format string, args ...any) {
	if s.main {
		_ = s.pass() // the next Write meets the same error
		s.tracker.tell(format, args...)
	}
}

// content takes bytes that the script did not say itself.
func (s *stream) content(p []byte) {
	switch k := s.tracker.source.Kind; {
	case len(p) == 0:
	case k == Docker || k == Compose:
		s.lines(p)
	case k == Journal && s.main:
		s.entries(p)
	case k == File && s.main:
		s.bytes(p)
	default:
		s.out = append(s.out, p...)
	}
}

// said takes a line of the script's own.
func (s *stream) said(words []string) {
	if len(words) == 0 {
		return
	}
	switch k := s.tracker.source.Kind; k {
	case Docker, Compose:
		s.dockerSaid(words)
	case File:
		s.fileSaid(words)
	case Journal:
		if len(words) == 2 && words[0] == "cursor" {
			s.tracker.position.Cursor, s.entry.expect = words[1], words[1]
		}
	}
}

// finish passes on what waits for more.
func (s *stream) finish() {
	switch s.tracker.source.Kind {
	case Docker, Compose:
		s.finishLines()
	case Journal:
		s.finishEntries()
	}
}
