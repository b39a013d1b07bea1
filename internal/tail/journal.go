package tail

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// maxEntry bounds what is held of one entry of a journal.
const maxEntry = 4 << 20

// entry is where the stream of a journal stands: an entry is passed on when all
// of it is there.
type entry struct {
	expect string // cursor of the entry that must come first, as it was delivered already; empty: none
	line   []byte
	skip   bool // it is too large: up to its end
}

// fields are those of an entry that are shown.
type fields struct {
	Cursor  string          `json:"__CURSOR"`
	Micros  string          `json:"__REALTIME_TIMESTAMP"`
	Host    json.RawMessage `json:"_HOSTNAME"`
	Ident   json.RawMessage `json:"SYSLOG_IDENTIFIER"`
	Comm    json.RawMessage `json:"_COMM"`
	PID     json.RawMessage `json:"_PID"`
	LogPID  json.RawMessage `json:"SYSLOG_PID"`
	Message json.RawMessage `json:"MESSAGE"`
}

func (s *stream) entries(p []byte) {
	e := &s.entry
	for len(p) > 0 {
		n, ended := len(p), false
		if i := bytes.IndexByte(p, '\n'); i >= 0 {
			n, ended = i+1, true
		}
		if !e.skip {
			if e.line = append(e.line, p[:n]...); len(e.line) > maxEntry {
				e.line, e.skip = nil, true
				s.tell("an entry of %s is larger than %d MiB and is left out", s.tracker.source, maxEntry>>20)
			}
		}
		if p = p[n:]; ended {
			if !e.skip {
				s.line(e.line)
			}
			e.line, e.skip = e.line[:0], false
		}
	}
}

// line takes one line: an entry, or a remark of journalctl's.
func (s *stream) line(line []byte) {
	var f fields
	if json.Unmarshal(line, &f) != nil || f.Cursor == "" {
		s.out = append(s.out, line...)
		return
	}
	expect := s.entry.expect
	s.entry.expect = ""
	s.tracker.position.Cursor = f.Cursor
	if expect == f.Cursor {
		return
	}
	if expect != "" {
		s.tell("lines of %s may be missing here: the journal no longer has the last one that was shown", s.tracker.source)
	}
	s.out = f.append(s.out)
}

// append formats an entry as journalctl -o short-iso-precise does, in UTC: how far
// the host's clock is from it is not in the entry.
func (f fields) append(out []byte) []byte {
	begin := len(out)
	micros, _ := strconv.ParseInt(f.Micros, 10, 64)
	out = time.UnixMicro(micros).UTC().AppendFormat(out, "2006-01-02T15:04:05.000000Z")
	out = append(append(out, ' '), text(f.Host)...)
	ident := text(f.Ident)
	if ident == "" {
		ident = text(f.Comm)
	}
	if out = append(append(out, ' '), ident...); ident == "" {
		out = append(out, "unknown"...)
	}
	pid := text(f.PID)
	if pid == "" {
		pid = text(f.LogPID)
	}
	if pid != "" {
		out = append(append(append(out, '['), pid...), ']')
	}
	out = append(out, ": "...)
	indent := strings.Repeat(" ", len(out)-begin)
	message := strings.ReplaceAll(strings.TrimRight(text(f.Message), "\n"), "\n", "\n"+indent)
	return append(append(out, message...), '\n')
}

// text is a field's value: a string, the bytes of what is not one, or the first
// of several.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var several []json.RawMessage
	if json.Unmarshal(raw, &several) != nil || len(several) == 0 {
		return ""
	}
	if b := make([]byte, 0, len(several)); several[0][0] >= '0' && several[0][0] <= '9' {
		for _, v := range several {
			n, err := strconv.ParseUint(string(v), 10, 8)
			if err != nil {
				return ""
			}
			b = append(b, byte(n))
		}
		return string(b)
	}
	return text(several[0])
}

// finishEntries passes on a last line that has no end.
func (s *stream) finishEntries() {
	if len(s.entry.line) > 0 {
		s.line(s.entry.line)
		s.entry.line = nil
	}
}
