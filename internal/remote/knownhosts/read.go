package knownhosts

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// line is a line in its parts. Its key is looked at only when its names match:
// files have thousands of lines, and a connection wants one of them.
type line struct {
	Place
	marker Marker
	hosts  string
	rest   string // type, key and comment
	user   bool
}

const blanks = " \t"

// parse splits a file into the lines that are about hosts.
func parse(file string, text []byte) (lines []line, problems []Problem) {
	for n := 1; len(text) > 0; n++ {
		var raw []byte
		raw, text, _ = bytes.Cut(text, []byte{'\n'})
		l, err := parseLine(raw)
		switch {
		case err != nil:
			problems = append(problems, Problem{file, n, err.Error()})
		case l.hosts != "":
			l.Place = Place{file, n}
			lines = append(lines, l)
		}
	}
	return lines, problems
}

// parseLine returns a line without hosts when it is empty or a comment.
func parseLine(raw []byte) (line, error) {
	raw, _, _ = bytes.Cut(raw, []byte{0}) // where ssh ends a line too
	text := strings.TrimLeft(strings.TrimSuffix(string(raw), "\r"), blanks)
	if text == "" || text[0] == '#' {
		return line{}, nil
	}
	var l line
	if text[0] == '@' {
		mark, rest := word(text)
		l.marker = Marker(mark)
		switch {
		case l.marker != MarkCA && l.marker != MarkRevoked:
			return line{}, fmt.Errorf("unknown marker %s", quote(mark))
		case l.marker == MarkCA && strings.HasPrefix(text[len(mark):], "\t") && strings.Contains(text, " "):
			// ssh looks for a blank first, and believes no authority by such a line.
			// Its like about a revoked key we take for what it is meant to be.
			return line{}, errors.New("a tab behind the marker, where ssh wants a blank")
		case strings.HasPrefix(rest, "@"):
			return line{}, errors.New("more than one marker")
		}
		text = rest
	}
	l.hosts, l.rest = word(text)
	switch {
	case l.hosts == "":
		return line{}, errors.New("no host name")
	case l.rest == "" || l.rest[0] == '#':
		return line{}, errors.New("no key after the host name")
	case l.hosts[0] == hashDelim:
		if _, _, err := splitHash(l.hosts); err != nil {
			return line{}, err
		}
	}
	return l, nil
}

// word cuts the first word off.
func word(s string) (first, rest string) {
	i := strings.IndexAny(s, blanks)
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], blanks)
}

// key reads the key of a line: its type, then its blob in base64.
func (l *line) key() (ssh.PublicKey, error) { return parseKey(l.rest) }

func parseKey(text string) (ssh.PublicKey, error) {
	kind, rest := word(text)
	encoded, _ := word(rest)
	if encoded == "" {
		return nil, fmt.Errorf("no key after its type %s", quote(kind))
	}
	blob, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("the %s key is not base64: %w", quote(kind), err)
	}
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return nil, fmt.Errorf("not a %s key: %w", quote(kind), err)
	}
	if key.Type() != kind {
		return nil, fmt.Errorf("said to be a %s key, but holds one of type %s", quote(kind), quote(key.Type()))
	}
	return key, nil
}

// quote makes a piece of a file fit for a message.
func quote(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return fmt.Sprintf("%q", s)
}
