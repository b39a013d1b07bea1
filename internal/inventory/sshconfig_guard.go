package inventory

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// guard splits a file into statements and drops what cannot be read.
func (s *scanner) guard(path string, data []byte) []line {
	var lines []line
	for number, text := range numbered(data) {
		if len(text) > maxLine {
			if !strings.HasPrefix(strings.TrimLeft(text, blank), "#") {
				s.problem(path, number, "", "the line is longer than %d KiB and was passed over", maxLine>>10)
			}
			continue
		}
		if strings.IndexByte(text, 0) >= 0 {
			s.problem(path, number, "", "the line holds a NUL byte; ssh reads it only up to there")
		}
		word, rest, ok := keywordOf(text)
		if !ok {
			continue
		}
		l := line{number: number, keyword: word, rest: rest}
		var err error
		switch l.args, err = splitArgs(rest); {
		case err != nil:
			s.problem(path, number, "", "%v; ssh refuses the file", err)
			continue
		case len(l.args) == 0 && word != "match":
			s.problem(path, number, "", "no argument after %q; ssh refuses the file", word)
			continue
		}
		if !s.known(l) {
			s.problem(path, number, "", "%q is no keyword of ssh, which may refuse the file", word)
			continue
		}
		if !utf8.ValidString(strings.Join(l.args, "")) && l.keyword == "host" {
			s.problem(path, number, "", "the name of the host is not written in UTF-8")
			continue
		}
		lines = append(lines, l)
	}
	return lines
}

// known reports whether ssh knows a keyword. Apple's ssh has some of its own.
func (s *scanner) known(l line) bool {
	if l.keyword == "ignoreunknown" {
		s.ignore = append(s.ignore, l.args[0])
	}
	if _, ok := keywords[l.keyword]; ok || l.keyword == "usekeychain" {
		return true
	}
	return slices.ContainsFunc(s.ignore, func(list string) bool { return matchesList(l.keyword, list, true) })
}

// runs reports whether there is an exec among the criteria of a Match.
func runs(criteria string) bool {
	d := &delimited{rest: criteria, more: true}
	for {
		word, ok := d.next()
		if !ok || word == "" {
			return false
		}
		switch lower(strings.TrimPrefix(word, "!")) {
		case "exec":
			return true
		case "all", "final", "canonical":
		default:
			_, _ = d.next() // its argument
		}
	}
}
