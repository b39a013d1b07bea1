package journal

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wasilibs/go-re2"

	"vmorchestrator/internal/job"
)

// A pattern finds the lines of a text that match. It may be used by several
// goroutines at once.
//
// The regexp package of Go takes 20 s for a gigabyte where it finds no literal to
// look for, RE2 a second. But RE2 has to be given a copy of the text, so a
// literal that must be in the line is looked for first.
type pattern struct {
	literal []byte // that must be in the line; lower case if fold
	fold    bool   // whatever its case
	exact   bool   // and that is all
	ends    bool   // it asks where a line ends
	asks    bool   // it asks what stands beside the match

	one   *regexp.Regexp // for one line
	every *re2.Regexp    // for many: it takes in the rest of the line, to be there once
}

// newPattern reads a pattern in the syntax of RE2, or text as it is. It is
// matched against lines, so what could match a newline does not.
func newPattern(text string, literal, ignoreCase bool) (*pattern, error) {
	if text == "" {
		return nil, fmt.Errorf("search: %w: the pattern is empty", job.ErrInvalid)
	}
	if literal {
		text = regexp.QuoteMeta(text)
	}
	flags := syntax.Perl &^ syntax.OneLine
	if ignoreCase {
		flags |= syntax.FoldCase
	}
	tree, err := syntax.Parse(text, flags)
	if err != nil {
		return nil, job.WithHint(fmt.Errorf("search: %w: %w", job.ErrInvalid, err),
			"The syntax is that of RE2, https://github.com/google/re2/wiki/Syntax. With -F the pattern is taken as it is.")
	}
	p := &pattern{}
	if !p.withinLine(tree) {
		return nil, job.WithHint(fmt.Errorf("search: %w: %q asks for a newline", job.ErrInvalid, text), "A pattern matches within one line.")
	}
	tree = tree.Simplify()
	p.literal, p.fold, p.exact = required(tree)
	if p.one, err = regexp.Compile(tree.String()); err != nil {
		return nil, fmt.Errorf("search: %w: %w", job.ErrInvalid, err)
	}
	if p.every, err = re2.Compile(`(?:` + tree.String() + `)[^\n]*`); err != nil {
		return nil, fmt.Errorf("search: %w: %w", job.ErrInvalid, err)
	}
	return p, nil
}

// withinLine changes a pattern so that no part of it matches a newline and that
// a text is a line. It is false when it asks for a newline.
func (p *pattern) withinLine(t *syntax.Regexp) bool {
	switch t.Op {
	case syntax.OpLiteral:
		for _, r := range t.Rune {
			if r == '\n' {
				return false
			}
		}
	case syntax.OpCharClass:
		if len(t.Rune) == 2 && t.Rune[0] == '\n' && t.Rune[1] == '\n' {
			return false
		}
		t.Rune = without(t.Rune, '\n')
	case syntax.OpAnyChar:
		t.Op = syntax.OpAnyCharNotNL
	case syntax.OpBeginText:
		t.Op = syntax.OpBeginLine
	case syntax.OpEndText:
		t.Op, t.Flags = syntax.OpEndLine, t.Flags&^syntax.WasDollar
	}
	p.ends = p.ends || t.Op == syntax.OpEndLine
	switch t.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		p.asks = true
	}
	for _, sub := range t.Sub {
		if !p.withinLine(sub) {
			return false
		}
	}
	return true
}

// without removes a rune from the ranges of a class.
func without(ranges []rune, r rune) []rune {
	var out []rune
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		if r < lo || r > hi {
			out = append(out, lo, hi)
			continue
		}
		if lo < r {
			out = append(out, lo, r-1)
		}
		if r < hi {
			out = append(out, r+1, hi)
		}
	}
	return out
}

// required is the longest literal that whatever matches must contain; exact if it
// is the whole pattern. One that is folded is ASCII only.
func required(t *syntax.Regexp) (literal []byte, fold, exact bool) {
	switch t.Op {
	case syntax.OpLiteral:
		fold = t.Flags&syntax.FoldCase != 0
		text := string(t.Rune)
		if !fold {
			return []byte(text), false, true
		}
		for _, r := range t.Rune {
			if r >= utf8.RuneSelf {
				return nil, false, false
			}
		}
		return []byte(strings.ToLower(text)), true, true
	case syntax.OpCapture:
		return required(t.Sub[0])
	case syntax.OpPlus:
		literal, fold, _ = required(t.Sub[0])
	case syntax.OpConcat:
		for _, sub := range t.Sub {
			if l, f, _ := required(sub); len(l) > len(literal) {
				literal, fold = l, f
			}
		}
	}
	return literal, fold, false
}

// lines calls found with a place in each line of text that matches, in order,
// until it returns false. The text is clean, and without its last newline.
func (p *pattern) lines(text []byte, scratch *[]byte, found func(at int) bool) {
	in := text
	if p.fold {
		*scratch = append((*scratch)[:0], text...)
		if !lowerASCII(*scratch) { // K may be the sign for kelvin
			p.all(text, 0, found)
			return
		}
		in = *scratch
	}
	if len(p.literal) == 0 {
		p.all(text, 0, found)
		return
	}
	for from, tried := 0, 0; from <= len(text); {
		i := bytes.Index(in[from:], p.literal)
		if i < 0 {
			return
		}
		at := from + i
		end := len(text)
		if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
			end = at + n
		}
		if !p.exact {
			begin := bytes.LastIndexByte(text[:at], '\n') + 1
			if tried++; tried > 16 && tried*1024 > end { // it is in too many lines to be of use
				p.all(text, begin, found)
				return
			}
			if !p.one.Match(text[begin:end]) {
				from = end + 1
				continue
			}
		}
		if !found(at) {
			return
		}
		from = end + 1
	}
}

// all asks RE2 for all lines from a place on.
func (p *pattern) all(text []byte, from int, found func(at int) bool) {
	for _, m := range p.every.FindAllIndex(text[from:], -1) {
		if !found(from + m[0]) {
			return
		}
	}
}

// within is where in a line the match is.
func (p *pattern) within(line []byte) (from, to int, ok bool) {
	m := p.one.FindIndex(line)
	if m == nil {
		return 0, 0, false
	}
	return m[0], m[1], true
}

// lowerASCII makes letters lower case in place. It is false when there are others
// than those of ASCII.
func lowerASCII(b []byte) bool {
	var all byte
	for i, c := range b {
		all |= c
		if c-'A' < 26 {
			b[i] = c | 0x20
		}
	}
	return all < utf8.RuneSelf
}

// clean is a text as it is matched: what is not UTF-8 replaced, without escape
// sequences, and, where the pattern asks for the end of a line, without the
// carriage return before it. Newlines stay. It returns the text itself if there
// is nothing to do, else what it made in scratch.
func (p *pattern) clean(text []byte, scratch *[]byte) []byte {
	if bytes.IndexByte(text, escape) >= 0 {
		*scratch = appendStripped((*scratch)[:0], text)
		text = *scratch
	}
	if p.ends && bytes.IndexByte(text, '\r') >= 0 {
		text = bytes.TrimSuffix(bytes.ReplaceAll(text, crlf, newline), crlf[:1])
	}
	if !p.literalOnly() && !utf8.Valid(text) {
		text = valid(text)
	}
	return text
}

// literalOnly reports whether bytes are compared and nothing else.
func (p *pattern) literalOnly() bool { return p.exact && !p.fold }

var crlf = []byte("\r\n")

// valid replaces each byte that is not UTF-8, as Go's regexp does and RE2 does
// not: it would see nothing behind the first.
func valid(text []byte) []byte {
	out := make([]byte, 0, len(text)+64)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			out = utf8.AppendRune(out, unicode.ReplacementChar)
		} else {
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	return out
}
