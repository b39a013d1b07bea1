package tail

import (
	"bytes"
	"strconv"
	"time"
)

// pieceSize is after how many bytes of a line docker logs --timestamps writes the
// time again, in the middle of the line: the log driver has cut it there.
const pieceSize = 16 << 10

// maxStamp is longer than any time that --timestamps writes.
const maxStamp = 40

// timed is where the stream of a container's log stands in its current line.
type timed struct {
	resume *Mark // what was delivered already is dropped up to here; nil: nothing
	seen   int   // how many lines with the time of resume there were
	since  int64 // what was written before this second was not asked for

	in      bool   // in a line; else its time is being read
	stamp   []byte // the time, with its blank; empty: the line has none, it is a message of the engine
	reading []byte // what may become the stamp
	size    int64  // of the line so far, without stamps
	drop    int64  // how many of its bytes were delivered already; negative: all
}

func (s *stream) dockerSaid(words []string) {
	p := &s.tracker.position
	what := s.tracker.source.String()
	switch {
	case words[0] == "container" && len(words) == 5:
		id, image, started := words[1], words[2], words[3]
		since, err := strconv.ParseInt(words[4], 10, 64)
		s.finishLines()
		s.timed = timed{}
		if err == nil {
			s.timed.since = since
		}
		if s.mark.Container == id && !s.mark.Time.IsZero() {
			m := *s.mark
			s.timed.resume = &m
		} else {
			if *s.mark = (Mark{Container: id}); s.tracker.options.Lines == 0 && p.Container == id && s.timed.since > 0 {
				// More was asked for than this stream had before the tail began.
				s.timed.resume = &Mark{Time: time.Unix(p.Begun, 0)}
			}
		}
		if !s.main {
			return
		}
		switch {
		case p.Container == "":
		case p.Container != id:
			s.tell("%s was recreated: %s (%s) → %s (%s)", what, short(p.Container), p.Image, short(id), image)
		case p.Started != started:
			s.tell("%s was restarted", what)
		}
		p.Container, p.Image, p.Started = id, image, started
	case words[0] == "now" && len(words) == 2:
		if now, err := strconv.ParseInt(words[1], 10, 64); err == nil && p.Begun == 0 {
			p.Begun = now
		}
	case words[0] == "removed":
		s.tell("%s was removed while there was no connection: its last lines may be missing", what)
	case words[0] == "gone":
		s.tell("%s is gone; waiting for it", what)
	case words[0] == "stopped":
		s.tell("%s does not run; waiting for it", what)
	}
}

// short is a container's id as docker ps shows it.
func short(id string) string { return id[:min(12, len(id))] }

// lines takes what the engine wrote.
func (s *stream) lines(p []byte) {
	for l := &s.timed; len(p) > 0; {
		switch {
		case !l.in:
			p = s.readStamp(p)
		case l.size > 0 && l.size%pieceSize == 0 && len(l.stamp) > 0 && l.reading == nil:
			l.reading = []byte{} // is it the time again?
		case l.reading != nil:
			p = s.readPiece(p)
		default:
			n := len(p)
			if len(l.stamp) > 0 {
				n = int(min(int64(n), pieceSize-l.size%pieceSize))
			}
			if i := bytes.IndexByte(p[:n], '\n'); i >= 0 {
				n = i + 1
			}
			s.text(p[:n])
			p = p[n:]
		}
	}
}

// readStamp reads the time that a line begins with.
func (s *stream) readStamp(p []byte) []byte {
	l := &s.timed
	for i, c := range p {
		l.reading = append(l.reading, c)
		digit := c >= '0' && c <= '9'
		switch {
		case c == ' ':
			if at, err := time.Parse(time.RFC3339Nano, string(l.reading[:len(l.reading)-1])); err == nil {
				l.stamp = append(l.stamp[:0], l.reading...)
				l.in, l.size, l.reading = true, 0, nil
				s.begin(at)
				return p[i+1:]
			}
		case (digit || len(l.reading) > 1 && c != '\n') && len(l.reading) < maxStamp:
			continue
		}
		s.untimed()
		return p[i+1:]
	}
	return nil
}

// untimed passes on a line that has no time.
func (s *stream) untimed() {
	l := &s.timed
	read := l.reading
	l.in, l.size, l.reading, l.stamp, l.drop = true, 0, nil, l.stamp[:0], 0
	s.text(read)
}

// readPiece drops the time where docker repeats it, and only there.
func (s *stream) readPiece(p []byte) []byte {
	l := &s.timed
	for i, c := range p {
		if c != l.stamp[len(l.reading)] {
			read := append(l.reading, c)
			l.reading = nil
			s.text(read)
			return p[i+1:]
		}
		if l.reading = append(l.reading, c); len(l.reading) == len(l.stamp) {
			l.reading = nil
			next := min(len(p)-i-1, 1) // it is not asked again at the same place
			s.text(p[i+1 : i+1+next])
			return p[i+1+next:]
		}
	}
	return nil
}

// begin decides whether a line was delivered already.
func (s *stream) begin(at time.Time) {
	l := &s.timed
	if r := l.resume; r != nil {
		switch {
		case at.Before(r.Time):
			l.drop = -1
			return
		case at.Equal(r.Time) && l.seen < r.Lines:
			l.seen++
			l.drop = -1
			return
		case at.Equal(r.Time):
			l.drop, l.resume = r.Bytes, nil
			return
		}
		if l.resume = nil; (l.seen < r.Lines || r.Bytes > 0) && r.Time.Unix() >= l.since {
			s.lost()
		}
	}
	l.drop = 0
	if !at.Equal(s.mark.Time) {
		*s.mark = Mark{Container: s.mark.Container, Time: at}
	}
}

// lost says that the log goes on later than it should.
func (s *stream) lost() {
	_ = s.pass()
	s.tracker.tell("lines of %s may be missing here: its log no longer has the last one that was shown", s.tracker.source)
}

// text takes bytes of the current line, the newline at most at their end.
func (s *stream) text(p []byte) {
	l := &s.timed
	content, ended := bytes.CutSuffix(p, []byte("\n"))
	if l.size += int64(len(content)); l.drop >= 0 {
		skip := min(l.drop, int64(len(content)))
		l.drop -= skip
		s.out = append(s.out, p[skip:]...)
		if len(l.stamp) > 0 {
			s.mark.Bytes += int64(len(content)) - skip
		}
	}
	if !ended {
		return
	}
	if l.drop >= 0 && len(l.stamp) > 0 {
		s.mark.Lines++
		s.mark.Bytes = 0
	}
	l.in, l.reading = false, nil
}

// finishLines passes on what was held to see whether it is a time.
func (s *stream) finishLines() {
	l := &s.timed
	if len(l.reading) == 0 {
		return
	}
	if !l.in {
		s.untimed()
		return
	}
	read := l.reading
	l.reading = nil
	s.text(read)
}
