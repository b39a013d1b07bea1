package tail

import (
	"strconv"
	"time"
)

// Position is how far a source was delivered. It is plain data and may be stored;
// the zero Position is the beginning.
type Position struct {
	// Containers.
	Container string `json:"container,omitempty"` // its id
	Image     string `json:"image,omitempty"`
	Started   string `json:"started,omitempty"` // when it was, as the engine says it
	Begun     int64  `json:"begun,omitempty"`   // when the tail began, by the host's clock
	Stdout    Mark   `json:"stdout,omitzero"`
	Stderr    Mark   `json:"stderr,omitzero"`

	// The journal.
	Cursor string `json:"cursor,omitempty"` // of the last entry

	// Files.
	Inode  string `json:"inode,omitempty"`
	Offset int64  `json:"offset,omitempty"` // of the next byte
	Before []byte `json:"before,omitempty"` // the bytes before it, 64 at most: to know the file again
}

// Mark is a place in one stream of a container's log: so many lines of those with
// this time, and so many bytes of the line after them.
type Mark struct {
	Container string    `json:"container"`
	Time      time.Time `json:"time"`
	Lines     int       `json:"lines"`
	Bytes     int64     `json:"bytes"`
}

// margin is how much more is asked for than is needed. Of the two streams one may
// be ahead of the other by what is on its way when a connection is lost; on a slow
// one that is the server's whole window.
const margin = time.Minute

// dockerSince is the container to go on with, and from which second on its log is
// needed again. Both are empty when nothing is lost by beginning anew.
func (p Position) dockerSince(o Options) (container, since string) {
	var last, from time.Time
	for _, m := range []Mark{p.Stdout, p.Stderr} {
		if m.Container == p.Container && m.Time.After(last) {
			last = m.Time
		}
	}
	if last.IsZero() {
		if p.Container == "" || o.Lines != 0 || o.Since != 0 {
			return "", ""
		}
		return p.Container, strconv.FormatInt(p.Begun, 10)
	}
	from = last.Add(-margin)
	for _, m := range []Mark{p.Stdout, p.Stderr} {
		if m.Container == p.Container && m.Bytes > 0 && m.Time.Before(from) { // a line without an end
			from = m.Time.Add(-time.Second)
		}
	}
	return p.Container, strconv.FormatInt(max(1, from.Unix()), 10) // zero would mean everything
}
