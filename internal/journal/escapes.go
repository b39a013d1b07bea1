package journal

import "bytes"

const escape = 0x1b

// appendStripped appends a text without escape sequences: what an operator saw
// of it, give or take where the cursor went. A sequence ends at a newline at the
// latest, so lines stay lines.
func appendStripped(out, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, escape)
		if i < 0 {
			return append(out, text...)
		}
		out = append(out, text[:i]...)
		n, _ := sequence(text[i:])
		text = text[i+n:]
	}
}

// sequence is the length of the escape sequence that a text begins with
// (ECMA-48): ESC and intermediates and one final byte; ESC [, parameters and a
// final byte; or ESC and one of ]PX^_, a string, and BEL or ESC \. It is not
// whole if the text may end within it.
func sequence(text []byte) (n int, whole bool) {
	if len(text) < 2 {
		return len(text), false
	}
	switch c := text[1]; {
	case c == '[':
		for i := 2; i < len(text); i++ {
			if text[i] < 0x20 || text[i] > 0x3f {
				if text[i] >= 0x40 && text[i] <= 0x7e {
					i++
				}
				return i, true
			}
		}
		return len(text), false
	case bytes.IndexByte([]byte("]PX^_"), c) >= 0:
		for i := 2; i < len(text); i++ {
			switch text[i] {
			case '\n':
				return i, true
			case 7:
				return i + 1, true
			case escape:
				if i+1 < len(text) && text[i+1] == '\\' {
					return i + 2, true
				}
				return i, i+1 < len(text)
			}
		}
		return len(text), false
	default:
		i := 1
		for i < len(text) && text[i] >= 0x20 && text[i] <= 0x2f {
			i++
		}
		whole = i < len(text)
		if whole && text[i] >= 0x30 && text[i] <= 0x7e {
			i++
		}
		return i, whole
	}
}

// stripper takes escape sequences out of a stream that comes in pieces, and the
// carriage returns before newlines.
type stripper struct{ held, out []byte }

// longSequence is how much of a sequence without an end is waited for.
const longSequence = 64 << 10

// strip returns what is known of the text behind p. It is valid until the next
// call.
func (s *stripper) strip(p []byte) []byte {
	text := append(s.held, p...)
	s.out = s.out[:0]
	for len(text) > 0 {
		i := bytes.IndexAny(text, "\x1b\r")
		if i < 0 {
			s.out, text = append(s.out, text...), nil
			break
		}
		s.out, text = append(s.out, text[:i]...), text[i:]
		if text[0] == '\r' {
			if len(text) == 1 {
				break
			}
			if text[1] != '\n' {
				s.out = append(s.out, '\r')
			}
			text = text[1:]
			continue
		}
		n, whole := sequence(text)
		if !whole && len(text) < longSequence {
			break
		}
		text = text[n:]
	}
	s.held = append(s.held[:0], text...)
	return s.out
}
