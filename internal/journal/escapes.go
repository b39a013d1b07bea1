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
		text = text[i+sequence(text[i:]):]
	}
}

// sequence is the length of the escape sequence that a text begins with
// (ECMA-48): ESC and intermediates and one final byte; ESC [, parameters and a
// final byte; or ESC and one of ]PX^_, a string, and BEL or ESC \.
func sequence(text []byte) int {
	if len(text) < 2 {
		return len(text)
	}
	switch c := text[1]; {
	case c == '[':
		for i := 2; i < len(text); i++ {
			if text[i] < 0x20 || text[i] > 0x3f {
				if text[i] >= 0x40 && text[i] <= 0x7e {
					i++
				}
				return i
			}
		}
		return len(text)
	case bytes.IndexByte([]byte("]PX^_"), c) >= 0:
		for i := 2; i < len(text); i++ {
			switch text[i] {
			case '\n':
				return i
			case 7:
				return i + 1
			case escape:
				if i+1 < len(text) && text[i+1] == '\\' {
					return i + 2
				}
				return i
			}
		}
		return len(text)
	default:
		i := 1
		for i < len(text) && text[i] >= 0x20 && text[i] <= 0x2f {
			i++
		}
		if i < len(text) && text[i] >= 0x30 && text[i] <= 0x7e {
			i++
		}
		return i
	}
}
