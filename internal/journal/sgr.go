package journal

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// style is how text is drawn, of what the output may ask for: a whitelist. The
// colours are those of the table of 256; -1 is none.
type style struct {
	fg, bg                                    int
	bold, dim, italic, under, inverse, struck bool
}

var plainStyle = style{fg: -1, bg: -1}

// classes names the style for a style sheet.
func (s style) classes() string {
	var c []string
	fg, bg := s.fg, s.bg
	if s.inverse {
		c = append(c, "v")
		fg, bg = bg, fg
	}
	if fg >= 0 {
		c = append(c, "f"+strconv.Itoa(fg))
	}
	if bg >= 0 {
		c = append(c, "b"+strconv.Itoa(bg))
	}
	for _, flag := range []struct {
		on   bool
		name string
	}{{s.bold, "o"}, {s.dim, "d"}, {s.italic, "i"}, {s.under, "u"}, {s.struck, "s"}} {
		if flag.on {
			c = append(c, flag.name)
		}
	}
	return strings.Join(c, " ")
}

// sgr changes a style by the sequence ESC [ … m; every other does nothing.
func (s *style) sgr(sequence []byte) {
	if len(sequence) < 3 || sequence[1] != '[' || sequence[len(sequence)-1] != 'm' || len(sequence) > 200 {
		return
	}
	var codes []int
	for _, field := range bytes.FieldsFunc(append([]byte("0"), sequence[2:len(sequence)-1]...), func(r rune) bool { return r == ';' || r == ':' }) {
		n, err := strconv.Atoi(string(field))
		if err != nil {
			return
		}
		codes = append(codes, n)
	}
	for len(codes) > 0 {
		codes = s.apply(codes)
	}
}

// apply follows the first code, with its operands, and returns the rest.
func (s *style) apply(codes []int) []int {
	c, rest := codes[0], codes[1:]
	switch {
	case c == 0:
		*s = plainStyle
	case c == 1:
		s.bold = true
	case c == 2:
		s.dim = true
	case c == 3:
		s.italic = true
	case c == 4:
		s.under = true
	case c == 7:
		s.inverse = true
	case c == 9:
		s.struck = true
	case c == 22:
		s.bold, s.dim = false, false
	case c == 23:
		s.italic = false
	case c == 24:
		s.under = false
	case c == 27:
		s.inverse = false
	case c == 29:
		s.struck = false
	case c >= 30 && c <= 37:
		s.fg = c - 30
	case c == 38:
		return colour(&s.fg, rest)
	case c == 39:
		s.fg = -1
	case c >= 40 && c <= 47:
		s.bg = c - 40
	case c == 48:
		return colour(&s.bg, rest)
	case c == 49:
		s.bg = -1
	case c >= 90 && c <= 97:
		s.fg = c - 90 + 8
	case c >= 100 && c <= 107:
		s.bg = c - 100 + 8
	}
	return rest
}

// colour reads 5;N or 2;R;G;B, which becomes the nearest of the table.
func colour(to *int, codes []int) []int {
	switch {
	case len(codes) >= 2 && codes[0] == 5:
		if codes[1] < 256 {
			*to = codes[1]
		}
		return codes[2:]
	case len(codes) >= 4 && codes[0] == 2:
		at := 16
		for i, weight := range []int{36, 6, 1} {
			at += weight * ((min(codes[1+i], 255) + 25) / 51)
		}
		*to = at
		return codes[4:]
	}
	return nil
}

// palette is the style sheet of the 256 colours.
func palette() string {
	base := strings.Fields("#000 #c33 #3a3 #a80 #36c #a3a #299 #bbb #666 #f66 #5d5 #fc4 #69f #e7e #5dd #fff")
	level := []int{0, 95, 135, 175, 215, 255}
	var b strings.Builder
	for i := range 256 {
		c := ""
		switch {
		case i < 16:
			c = base[i]
		case i < 232:
			n := i - 16
			c = fmt.Sprintf("#%02x%02x%02x", level[n/36], level[n/6%6], level[n%6])
		default:
			g := 8 + 10*(i-232)
			c = fmt.Sprintf("#%02x%02x%02x", g, g, g)
		}
		fmt.Fprintf(&b, ".f%d{color:%s}.b%d{background:%s}", i, c, i, c)
	}
	return b.String()
}
