package inventory

import (
	"errors"
	"strings"
)

// What OpenSSH takes for white space in its configuration.
const blank = " \t\r\n"

var errQuotes = errors.New("invalid quotes")

// keywordOf splits a line of a configuration into its keyword, in lower case, and
// the text that follows. ok is false for what ssh passes over: an empty line, a
// comment. A NUL ends the line, as it does in C.
func keywordOf(line string) (keyword, rest string, ok bool) {
	if i := strings.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	// A form feed may stand at the end, nowhere else.
	for len(line) > 1 && strings.IndexByte(blank+"\f", line[len(line)-1]) >= 0 {
		line = line[:len(line)-1]
	}
	if line == "" {
		return "", "", false
	}
	d := delimited{rest: line, more: true}
	keyword, ok = d.next()
	if ok && keyword == "" { // what stands before white space
		keyword, ok = d.next()
	}
	if !ok || keyword == "" || keyword[0] == '#' {
		return "", "", false
	}
	return lower(keyword), strings.TrimLeft(d.rest, blank), true
}

// delimited reads the words of a text as strdelim of OpenSSH does, which serves
// keywords and the criteria of Match: a word ends at white space or at one "=",
// and only double quotes are known.
type delimited struct {
	rest string
	more bool // false: no word is left
}

// next returns ok false at the end, and at a quote that is never closed.
func (d *delimited) next() (word string, ok bool) {
	if !d.more {
		return "", false
	}
	s := d.rest
	i := strings.IndexAny(s, blank+`"=`)
	if i < 0 {
		d.rest, d.more = "", false
		return s, true
	}
	if s[i] == '"' {
		j := strings.IndexByte(s[i+1:], '"')
		if j < 0 {
			d.rest, d.more = "", false
			return "", false
		}
		d.rest = strings.TrimLeft(s[i+1+j+1:], blank)
		return s[:i] + s[i+1:i+1+j], true
	}
	d.rest = strings.TrimLeft(s[i+1:], blank)
	if s[i] != '=' && strings.HasPrefix(d.rest, "=") {
		d.rest = strings.TrimLeft(d.rest[1:], blank)
	}
	return s[:i], true
}

// splitArgs splits the arguments of a keyword as argv_split of OpenSSH does: both
// kinds of quotes, also within a word; a backslash before a quote, a backslash
// and, outside of quotes, a space; a comment begins only where a word could.
func splitArgs(s string) ([]string, error) {
	var args []string
	for i := 0; i < len(s); i++ {
		if s[i] == ' ' || s[i] == '\t' {
			continue
		}
		if s[i] == '#' {
			break
		}
		var word strings.Builder
		var quote byte
	word:
		for ; i < len(s); i++ {
			c := s[i]
			switch {
			case c == '\\' && i+1 < len(s) && (s[i+1] == '\'' || s[i+1] == '"' || s[i+1] == '\\' || quote == 0 && s[i+1] == ' '):
				i++
				word.WriteByte(s[i])
			case c == '\\':
				word.WriteByte(c)
			case quote == 0 && (c == ' ' || c == '\t'):
				break word
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			case quote != 0 && c == quote:
				quote = 0
			default:
				word.WriteByte(c)
			}
		}
		if quote != 0 {
			return nil, errQuotes
		}
		args = append(args, word.String())
	}
	return args, nil
}

// lower folds ASCII only: a name may hold bytes that are no UTF-8.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
