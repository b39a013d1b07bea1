package target

import "strings"

// What make's NEXT_TOKEN skips.
const space = " \t\v\f\r\n"

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// logical is a line as make reads it: physical lines that end in an odd number
// of backslashes are joined, with "\n" left between them.
type logical struct {
	line int // of its first physical line
	text string
	nul  bool // a NUL byte cut it short
}

type lineReader struct {
	rest string
	line int // of the next physical line
}

func newLineReader(data []byte) *lineReader {
	return &lineReader{rest: strings.TrimPrefix(string(data), "\uFEFF"), line: 1}
}

func (l *lineReader) next() (logical, bool) {
	if l.rest == "" {
		return logical{}, false
	}
	out := logical{line: l.line}
	var joined strings.Builder
	for {
		physical, nul := l.physical()
		out.nul = out.nul || nul
		if l.rest != "" && backslashes(physical)%2 == 1 {
			joined.WriteString(physical)
			joined.WriteByte('\n')
			continue
		}
		if joined.Len() == 0 {
			out.text = physical // the usual line is not copied
		} else {
			joined.WriteString(physical)
			out.text = joined.String()
		}
		return out, true
	}
}

// physical takes one line without its LF or CRLF. Make ignores what follows a
// NUL on it.
func (l *lineReader) physical() (text string, nul bool) {
	text, l.rest, _ = strings.Cut(l.rest, "\n")
	l.line++
	text = strings.TrimSuffix(text, "\r")
	if i := strings.IndexByte(text, 0); i >= 0 {
		return text[:i], true
	}
	return text, false
}

// backslashes counts those at the end of s.
func backslashes(s string) int {
	n := 0
	for n < len(s) && s[len(s)-1-n] == '\\' {
		n++
	}
	return n
}

// collapse turns each continuation and the blanks around it into one space, as
// make does everywhere but in recipes.
func collapse(text string) string {
	if strings.IndexByte(text, '\n') < 0 {
		return text
	}
	var b strings.Builder
	for first := true; ; first = false {
		piece, rest, more := strings.Cut(text, "\n")
		if !first {
			piece = strings.TrimLeft(piece, space)
		}
		if !more {
			b.WriteString(piece)
			return b.String()
		}
		n := backslashes(piece)
		kept := strings.TrimRight(piece[:len(piece)-(n+1)/2], " \t")
		b.WriteString(kept)
		b.WriteByte(' ')
		text = rest
	}
}

// skipRef returns the index after the variable reference that starts at s[i],
// a "$". Only the kind of bracket that opened it counts, as in make.
func skipRef(s string, i int) int {
	if i+1 >= len(s) {
		return len(s)
	}
	end := closer(s[i+1])
	if end == 0 {
		return i + 2
	}
	depth := 0
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case s[i+1]:
			depth++
		case end:
			if depth--; depth == 0 {
				return j + 1
			}
		}
	}
	return len(s)
}

func closer(open byte) byte {
	switch open {
	case '(':
		return ')'
	case '{':
		return '}'
	}
	return 0
}

// find returns the index of the first of the bytes in stop that stands outside
// of a variable reference and is not escaped by a backslash, or -1.
func find(s, stop string) int {
	slashes := 0
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '\\':
			slashes++
			i++
			continue
		case c == '$':
			i = skipRef(s, i)
		case slashes%2 == 0 && strings.IndexByte(stop, c) >= 0:
			return i
		default:
			i++
		}
		slashes = 0
	}
	return -1
}

// cutComment splits a line at its comment; comment starts with "#" or is "".
func cutComment(s string) (body, comment string) {
	if i := find(s, "#"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// words splits at blanks that are neither escaped nor inside a reference.
func words(s string) []string {
	var out []string
	for {
		s = strings.TrimLeft(s, space)
		if s == "" {
			return out
		}
		i := find(s, space)
		if i < 0 {
			return append(out, s)
		}
		out = append(out, s[:i])
		s = s[i:]
	}
}

// unescape removes the backslashes that protect a character from make.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		n := 0
		for i+n < len(s) && s[i+n] == '\\' {
			n++
		}
		if n > 0 && i+n < len(s) && strings.IndexByte(" \t:#%", s[i+n]) >= 0 {
			b.WriteString(s[i : i+n/2])
		} else {
			b.WriteString(s[i : i+n])
		}
		if i += n; i < len(s) {
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String()
}

// firstWord splits off the first blank-separated word.
func firstWord(s string) (word, rest string) {
	i := strings.IndexAny(s, space)
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], space)
}
