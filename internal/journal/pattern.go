package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wasilibs/go-re2"

	"vmorchestrator/internal/job"
)

// A pattern finds the lines of a text that match. It may be used by several
// goroutines at once.
//
// The regexp package of Go takes 20 s for a gigabyte where it finds no literal to
// look for, RE2 one or two. Looking for a literal takes a quarter of one: so if
// there is one that must be in the line and is in few, only those lines are
// matched.
type pattern struct {
	needs [][]byte // that must all be in the line; lower case if fold
	fold  bool     // whatever their case
	exact bool     // there is one, and that is the pattern
	ends  bool     // it asks where a line ends
	asks  bool     // it asks what stands beside the match

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
	p.need(tree)
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

// need notes the literals that whatever matches must contain.
func (p *pattern) need(t *syntax.Regexp) {
	needs := required(t, nil)
	p.exact = len(needs) == 1 && needs[0].whole
	for _, n := range needs {
		p.fold = p.fold || n.fold
	}
	for _, n := range needs {
		if p.fold {
			n.text = strings.ToLower(n.text)
		}
		p.needs = append(p.needs, []byte(n.text))
	}
}

// need is a literal that must be there, whatever its case if fold: one that is
// folded is ASCII only. It may be the whole pattern.
type need struct {
	text        string
	fold, whole bool
}

func required(t *syntax.Regexp, needs []need) []need {
	switch t.Op {
	case syntax.OpLiteral:
		n := need{string(t.Rune), t.Flags&syntax.FoldCase != 0, true}
		if !n.fold || isASCII(n.text) {
			needs = append(needs, n)
		}
	case syntax.OpCapture:
		return required(t.Sub[0], needs)
	case syntax.OpPlus:
		return parts(required(t.Sub[0], needs))
	case syntax.OpConcat:
		for _, sub := range t.Sub {
			needs = required(sub, needs)
		}
		return parts(needs)
	}
	return needs
}

func parts(needs []need) []need {
	for i := range needs {
		needs[i].whole = false
	}
	return needs
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// A matcher is a pattern with the buffers of one goroutine, and what it has
// learnt of the text.
type matcher struct {
	*pattern
	cleaned, lowered []byte
	lines            []byte // those that have the literal
	starts           []start

	rare  finder // of what is needed, that which is in the fewest lines; empty: all are in most
	units int    // until it is looked for anew

	single bool // the regexp package is faster, line by line
	trial  int  // until that is tried out anew
}

// finder looks for a literal by its end, from the byte on that is rarest in the
// text: bytes.Index stops at every byte that is the first.
type finder struct {
	literal []byte
	from    int
}

func (f finder) index(text []byte) int {
	for done := 0; ; {
		i := bytes.Index(text[done:], f.literal[f.from:])
		if i < 0 {
			return -1
		}
		at := done + i - f.from
		if at >= 0 && bytes.Equal(text[at:at+f.from], f.literal[:f.from]) {
			return at
		}
		done += i + 1
	}
}

// rarest makes the finder of a literal for texts like one of which the bytes are
// counted.
func rarest(literal []byte, counts *[256]int) finder {
	f := finder{literal: literal}
	for i := range len(literal) - 3 { // what is left must tell something, too
		if counts[literal[i]] < counts[literal[f.from]] {
			f.from = i
		}
	}
	return f
}

// start is where a line in the text begins that was put with others.
type start struct{ at, line int }

// rarely is how often the rarest of the literals is looked for anew.
const rarely = 64

// each calls found with a place in each line of text that matches, in order,
// until it returns false. The text is clean, and without its last newline.
func (m *matcher) each(text []byte, found func(at int) bool) {
	in := text
	if m.fold {
		var ascii bool
		if m.lowered, ascii = appendLower(m.lowered[:0], text); !ascii { // K may be the sign for kelvin
			m.all(text, found)
			return
		}
		in = m.lowered
	}
	few := m.choose(in)
	switch {
	case m.exact:
		eachLine(in, m.rare, func(begin, at, end int) bool { return found(at) })
	case !few:
		m.all(text, found)
	default:
		m.some(text, in, found)
	}
}

// choose reports whether there is a literal that is in few lines.
func (m *matcher) choose(in []byte) bool {
	if m.units--; m.units > 0 {
		return m.rare.literal != nil
	}
	m.units, m.rare = rarely, finder{}
	var counts [256]int
	for _, c := range in {
		counts[c]++
	}
	if m.exact {
		m.rare = rarest(m.needs[0], &counts)
		return true
	}
	best := counts['\n']/2 + 1
	for _, n := range m.needs {
		if c := bytes.Count(in, n); c < best {
			best, m.rare = c, rarest(n, &counts)
		}
	}
	return m.rare.literal != nil
}

// some asks only of the lines that have the literal, all together.
func (m *matcher) some(text, in []byte, found func(at int) bool) {
	m.lines, m.starts = m.lines[:0], m.starts[:0]
	eachLine(in, m.rare, func(begin, _, end int) bool {
		m.starts = append(m.starts, start{len(m.lines), begin})
		m.lines = append(append(m.lines, text[begin:end]...), '\n')
		return true
	})
	if len(m.starts) <= 4 { // not worth the way to RE2
		for _, s := range m.starts {
			line := m.lines[s.at:]
			if m.one.Match(line[:bytes.IndexByte(line, '\n')]) && !found(s.line) {
				return
			}
		}
		return
	}
	i := 0
	m.all(m.lines[:len(m.lines)-1], func(at int) bool {
		for i+1 < len(m.starts) && m.starts[i+1].at <= at {
			i++
		}
		return found(m.starts[i].line)
	})
}

// eachLine calls do with every line that has a literal: where it begins, where
// the literal is, and where it ends.
func eachLine(text []byte, f finder, do func(begin, at, end int) bool) {
	for from := 0; from <= len(text); {
		i := f.index(text[from:])
		if i < 0 {
			return
		}
		at := from + i
		end := len(text)
		if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
			end = at + n
		}
		if !do(bytes.LastIndexByte(text[from:at], '\n')+1+from, at, end) {
			return
		}
		from = end + 1
	}
}

// all asks for all lines. A call of RE2 costs as much as a hundred bytes of its
// matching do: where most lines match, the regexp package can be faster line by
// line. Which one is, is tried out now and then.
func (m *matcher) all(text []byte, found func(at int) bool) {
	if m.trial--; m.trial <= 0 {
		m.trial = rarely
		sample := text[:min(len(text), 8<<10)]
		began := time.Now()
		m.every.FindAllIndex(sample, -1)
		together := time.Since(began)
		began = time.Now()
		m.byLine(sample, func(int) bool { return true })
		m.single = time.Since(began) < together
	}
	if m.single {
		m.byLine(text, found)
		return
	}
	for _, at := range m.every.FindAllIndex(text, -1) {
		if !found(at[0]) {
			return
		}
	}
}

func (m *matcher) byLine(text []byte, found func(at int) bool) {
	for from := 0; from <= len(text); {
		end := len(text)
		if n := bytes.IndexByte(text[from:], '\n'); n >= 0 {
			end = from + n
		}
		if m.one.Match(text[from:end]) && !found(from) {
			return
		}
		from = end + 1
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

// appendLower appends a text with the letters of ASCII in lower case, eight bytes
// at a time. It is false when there are others.
func appendLower(out, text []byte) ([]byte, bool) {
	const ones = 0x0101010101010101
	out = slices.Grow(out, len(text))
	var all uint64
	for len(text) >= 8 {
		x := binary.LittleEndian.Uint64(text)
		all |= x
		low := x & (0x7f * ones)
		upper := (low + (0x80-'A')*ones) ^ (low + (0x80-'Z'-1)*ones) // the high bit of letters
		out = binary.LittleEndian.AppendUint64(out, x|upper&(0x80*ones)>>2)
		text = text[8:]
	}
	for _, c := range text {
		all |= uint64(c)
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		out = append(out, c)
	}
	return out, all&(0x80*ones) == 0
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
