package target

import (
	"strings"
	"unicode"
)

const maxHelp = 500 // bytes

// note is a help comment and the marks in it.
type note struct {
	text                string
	tty, stream, hidden bool
}

// or fills what n lacks from other; a later comment of the same kind does not
// replace an earlier one, but marks add up.
func (n note) or(other note) note {
	if other.text != "" && n.text == "" {
		n.text = other.text
	}
	n.tty, n.stream, n.hidden = n.tty || other.tty, n.stream || other.stream, n.hidden || other.hidden
	return n
}

// interactive decides whether the target wants a terminal, and why. @stream
// wins: it is how a makefile contradicts the list of names.
func (n note) interactive(name string) (bool, string) {
	switch {
	case n.stream:
		return false, ""
	case n.tty:
		return true, "marked @tty"
	case Interactive(name):
		return true, "name"
	}
	return false, ""
}

// readNote takes the marks off both ends of a help text, and the name that
// some conventions put before it ("## build: compile everything").
func readNote(text, name string) note {
	var n note
	text = clean(text)
	if rest, ok := strings.CutPrefix(text, name+":"); ok && name != "" {
		text = strings.TrimSpace(rest)
	}
	for n.mark(firstField(text)) {
		text = strings.TrimSpace(text[len(firstField(text)):])
	}
	for n.mark(lastField(text)) {
		text = strings.TrimSpace(text[:len(text)-len(lastField(text))])
	}
	n.text = cut(text, maxHelp)
	return n
}

func (n *note) mark(word string) bool {
	switch word {
	case "@tty":
		n.tty = true
	case "@stream":
		n.stream = true
	case "@hidden":
		n.hidden = true
	default:
		return false
	}
	return true
}

func firstField(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

func lastField(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// comment reads a line that is only a comment, or blank. `# plain` lines may
// stand between help and rule; blank lines may not.
func (f *file) comment(c string) {
	switch {
	case c == "":
		f.above = nil
	case strings.HasPrefix(c, "##@"):
		f.section, f.above = cut(clean(c[3:]), maxHelp), nil
	case strings.HasPrefix(c, "##") && !strings.HasPrefix(c, "###"):
		text := strings.TrimSpace(c[2:])
		if len(f.above) < 20 && strings.IndexFunc(text, wordRune) >= 0 { // not a ruler
			f.above = append(f.above, text)
		}
	}
}

func wordRune(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }

// trailing returns the help in the comment at the end of a line.
func trailing(comment string) string {
	_, text, ok := strings.Cut(comment, "##")
	if !ok || strings.HasPrefix(text, "@ ") {
		return ""
	}
	return strings.TrimSpace(strings.TrimLeft(text, "#"))
}

// clean makes text from a file fit to be shown: valid UTF-8 in one line, with
// nothing that moves a cursor or reorders what stands beside it.
func clean(s string) string {
	plain, blank := true, true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] < 0x7f && !(blank && s[i] == ' ')
		blank = s[i] == ' '
	}
	if plain && !blank || s == "" {
		return s // the usual text is not copied
	}
	if !plain {
		s = strings.Map(func(c rune) rune {
			switch {
			case unicode.IsControl(c) || unicode.IsSpace(c):
				return ' '
			case reorders(c):
				return -1
			}
			return c
		}, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return strings.Join(strings.Fields(s), " ")
}

// reorders reports the characters of the "Trojan Source" attacks
// (CVE-2021-42574) and the two line separators that no Fields knows.
func reorders(c rune) bool {
	return c == 0x061C || c >= 0x200E && c <= 0x200F || c >= 0x2028 && c <= 0x202E || c >= 0x2066 && c <= 0x2069
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
