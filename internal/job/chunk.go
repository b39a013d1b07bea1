package job

import (
	"fmt"
	"time"
)

// Stream says where a chunk came from.
type Stream uint8

// The streams of a job. A job has either Stdout and Stderr or TTY; Event chunks
// carry no output.
const (
	Stdout Stream = 1
	Stderr Stream = 2
	TTY    Stream = 3
	Event  Stream = 4
)

var streamNames = [...]string{Stdout: "stdout", Stderr: "stderr", TTY: "tty", Event: "event"}

func (s Stream) String() string {
	if s >= 1 && int(s) < len(streamNames) {
		return streamNames[s]
	}
	return fmt.Sprintf("stream-%d", uint8(s))
}

// MarshalText writes the stream's name.
func (s Stream) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the stream's name.
func (s *Stream) UnmarshalText(text []byte) error {
	for i, name := range streamNames {
		if name != "" && name == string(text) {
			*s = Stream(i)
			return nil
		}
	}
	return fmt.Errorf("%w: %q is not a stream", ErrInvalid, text)
}

// Chunk is what one read from a job's output returned, or an event between two
// of them. Seq starts at 1 and has no gaps; At never decreases with Seq. Data
// is raw bytes: a chunk may end inside a character or an escape sequence. Its
// JSON form carries Data as base64.
type Chunk struct {
	Seq    uint64    `json:"seq"`
	Stream Stream    `json:"stream"`
	At     time.Time `json:"at"`
	Data   []byte    `json:"data"`
	Note   *Note     `json:"event,omitempty"` // set when Stream is Event
}

// Note is what an Event chunk says.
type Note struct {
	Kind  NoteKind `json:"kind"`
	Size  Size     `json:"size,omitzero"`   // resize: the new size
	Bytes uint64   `json:"bytes,omitempty"` // gap, damage: how many bytes of output are missing, if known
	Until uint64   `json:"until,omitempty"` // damage: the last sequence number that is missing, if known
	Text  string   `json:"text,omitempty"`  // in words
}

// NoteKind is the kind of a Note.
type NoteKind string

// The kinds of events in a record.
const (
	NoteResize   NoteKind = "resize"   // the terminal has a new size
	NoteGap      NoteKind = "gap"      // output that was never recorded, on an operator's word
	NoteDamage   NoteKind = "damage"   // output that was recorded and cannot be read any more
	NoteRemoved  NoteKind = "removed"  // output that was recorded and was removed on purpose
	NoteSignal   NoteKind = "signal"   // a signal was sent to the job
	NoteLink     NoteKind = "link"     // the connection to the host was lost, or is there again
	NoteBoundary NoteKind = "boundary" // what a log tail follows was replaced, such as a container
)
