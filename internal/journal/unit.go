package journal

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
)

// shownText is how much of a line a hit has.
const shownText = 4 << 10

// unit matches the whole lines of the text and keeps the rest.
func (l *looker) unit() error {
	end := bytes.LastIndexByte(l.text, '\n') + 1
	if end == 0 {
		if len(l.text) < longLine {
			return nil
		}
		err := l.match(l.text, true)
		l.long = true
		l.keep(len(l.text) - longOverlap)
		return err
	}
	err := l.match(l.text[:end-1], false)
	l.line += uint64(countLines(l.text[:end]))
	l.long, l.told = false, false
	l.keep(end)
	return err
}

// rest matches what is there, whether it has an end or not.
func (l *looker) rest() error {
	var err error
	if len(l.text) > 0 {
		err = l.match(bytes.TrimSuffix(l.text, newline), false)
		l.line += uint64(countLines(l.text))
	} else if len(l.woven) > 0 {
		l.merge(len(l.hits))
	}
	l.long, l.told = false, false
	l.keep(len(l.text))
	return err
}

// keep drops the text before from.
func (l *looker) keep(from int) {
	n := sort.Search(len(l.runs), func(i int) bool { return l.runs[i].from > from })
	l.runs = append(l.runs[:0], l.runs[max(0, n-1):]...)
	for i := range l.runs {
		l.runs[i].from = max(0, l.runs[i].from-from)
	}
	if from == len(l.text) {
		l.runs = l.runs[:0]
	}
	l.text = append(l.text[:0], l.text[from:]...)
}

// match finds lines in a text of whole lines, of which the last may only be a
// part of one.
func (l *looker) match(text []byte, part bool) error {
	clean := l.m.clean(text, &l.m.cleaned)
	var err error
	base, at, raw := len(l.hits), 0, 0
	number := l.line
	found := func(i int) bool {
		if l.q.Count && len(l.woven) == 0 {
			l.x.count++
			return true
		}
		n := countLines(clean[at:i])
		number, at = number+uint64(n), i
		for range n { // the same place in the text as it was recorded
			raw += bytes.IndexByte(text[raw:], '\n') + 1
		}
		l.hit(number, clean, i, raw)
		if len(l.woven) == 0 && len(l.hits) >= batchSize {
			err = l.flush()
			base = len(l.hits)
		}
		return err == nil && !l.full()
	}
	from := 0
	if l.long || part {
		from = l.within(clean, part, found)
	}
	if from <= len(clean) {
		l.m.each(clean[from:], func(i int) bool { return found(from + i) })
	}
	if len(l.woven) > 0 {
		l.merge(base)
	}
	return err
}

// within matches the piece of a long line that a text begins with, and returns
// where the next line begins. A match at an end of the piece that is none of the
// line proves nothing if the pattern asks what stands beside it.
func (l *looker) within(text []byte, part bool, found func(int) bool) (next int) {
	piece := text
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		piece, part = text[:i], false
	}
	if l.told {
		return len(piece) + 1
	}
	if !l.m.asks {
		l.m.each(piece, func(i int) bool { l.told = true; return found(i) })
		return len(piece) + 1
	}
	for _, m := range l.m.one.FindAllIndex(piece, -1) {
		if (m[0] > 0 || !l.long) && (m[1] < len(piece) || !part) {
			l.told = true
			found(m[0])
			break
		}
	}
	return len(piece) + 1
}

// hit notes the line of a text in which at is. It begins at raw in the text as
// it was recorded.
func (l *looker) hit(number uint64, text []byte, at, raw int) {
	begin := bytes.LastIndexByte(text[:at], '\n') + 1
	end := len(text)
	if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
		end = at + n
	}
	h := Hit{Job: l.x.job.ID, Line: number}
	h.Text, h.From, h.To = l.m.window(text[begin:end])
	if n := sort.Search(len(l.runs), func(i int) bool { return l.runs[i].from > raw }); n > 0 {
		h.At, h.Stream = after(l.x.job.QueuedAt, l.runs[n-1].at), l.runs[n-1].stream
	}
	l.hits = append(l.hits, h)
	l.matched++
}

// interrupted notes a hit in a line of one stream that the other interrupted, if
// no part of it is one by itself.
func (l *looker) interrupted(at int64, number uint64, w interrupted) {
	var scratch []byte
	if !l.m.one.Match(l.m.clean(w.text, &scratch)) {
		return
	}
	from := 0
	for _, cut := range append(w.cuts, len(w.text)) {
		if l.m.one.Match(l.m.clean(w.text[from:cut], &scratch)) {
			return
		}
		from = cut
	}
	h := Hit{Job: l.x.job.ID, Line: number, At: after(l.x.job.QueuedAt, at), Stream: w.stream}
	h.Text, h.From, h.To = l.m.window(l.m.clean(w.text, &scratch))
	l.woven = append(l.woven, h)
}

// merge puts the hits of interrupted lines between the others from base on.
func (l *looker) merge(base int) {
	l.hits = append(l.hits, l.woven...)
	l.woven = l.woven[:0]
	mine := l.hits[base:]
	slices.SortStableFunc(mine, func(a, b Hit) int { return cmp.Compare(a.Line, b.Line) })
	mine = slices.CompactFunc(mine, func(a, b Hit) bool { return a.Line == b.Line })
	l.hits = l.hits[:base+len(mine)]
	if l.q.Count {
		l.x.count += uint64(len(mine))
		l.hits = l.hits[:base]
	}
}

// window is what is shown of a line, and where in it the match is.
func (p *pattern) window(line []byte) (text string, from, to int) {
	a, b, _ := p.within(line)
	lo, hi := 0, len(line)
	if len(line) > shownText {
		lo = max(0, min(a-shownText/4, len(line)-shownText))
		hi = min(len(line), lo+shownText)
		b = min(b, hi)
	}
	before, match, behind := shown(line[lo:a]), shown(line[a:b]), shown(line[b:hi])
	return before + match + behind, len(before), len(before) + len(match)
}

// shown is a text of a line as it is matched and may be written as JSON.
func shown(text []byte) string {
	if bytes.IndexByte(text, escape) >= 0 {
		text = appendStripped(nil, text)
	}
	return string(valid(bytes.TrimSuffix(text, []byte("\r"))))
}
