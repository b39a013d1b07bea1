package journal

import (
	"bytes"

	"vmorchestrator/internal/job"
)

// weave follows the lines of standard output and standard error each for itself,
// to find those that the other stream interrupted.
type weave struct {
	last job.Stream
	of   [3]thread
}

// thread is the line in which a stream stands.
type thread struct {
	tail []byte // of it so far
	cuts []int  // where in tail the other stream came between
	lost bool   // where it began is not known, or it is too long
}

// interrupted is a line of one stream, and where in it the other came between.
type interrupted struct {
	stream job.Stream
	text   []byte
	cuts   []int
}

// reset forgets everything. If it is not known that both streams are at the
// beginning of a line, the first line of each is passed over.
func (w *weave) reset(known bool) {
	w.last = 0
	for s := range w.of {
		t := &w.of[s]
		t.tail, t.cuts, t.lost = t.tail[:0], nil, !known
	}
}

// add takes output of a stream and returns the line that it ends, if that was
// interrupted.
func (w *weave) add(s job.Stream, p []byte) *interrupted {
	t, other := &w.of[s], &w.of[job.Stdout+job.Stderr-s]
	if w.last != s && w.last != 0 && len(other.tail) > 0 {
		other.cuts = append(other.cuts, len(other.tail))
	}
	w.last = s
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		t.grow(p)
		return nil
	}
	var out *interrupted
	if len(t.cuts) > 0 {
		out = &interrupted{s, append(bytes.Clone(t.tail), p[:i]...), t.cuts}
	}
	t.tail, t.cuts, t.lost = t.tail[:0], nil, false
	t.grow(p[bytes.LastIndexByte(p, '\n')+1:])
	return out
}

func (t *thread) grow(p []byte) {
	if t.lost || len(t.tail)+len(p) > longOverlap {
		t.tail, t.cuts, t.lost = t.tail[:0], nil, t.lost || len(p) > 0
		return
	}
	t.tail = append(t.tail, p...)
}

// left returns the lines that were interrupted and have no end.
func (w *weave) left() (out []interrupted) {
	for _, s := range []job.Stream{job.Stdout, job.Stderr} {
		if t := &w.of[s]; len(t.cuts) > 0 {
			out = append(out, interrupted{s, t.tail, t.cuts})
		}
	}
	return out
}
