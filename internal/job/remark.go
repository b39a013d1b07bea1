package job

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Marks are what operators have said of a job, as far as a list shows it. They
// come from ledgers and never from the record of a job.
type Marks struct {
	Pinned bool     `json:"pinned,omitempty"`
	Labels []string `json:"labels,omitempty"` // in the order of the alphabet
	Notes  int      `json:"notes,omitempty"`  // how many there are
}

// Remark is one thing that somebody said of a job. Nothing that was said is ever
// taken away; a label that is taken off again leaves both remarks.
type Remark struct {
	Kind EntryKind `json:"kind"` // note, label, unlabel, pin or unpin
	Job  ID        `json:"job"`
	At   time.Time `json:"at" ts_type:"string"`
	By   string    `json:"by"`
	Text string    `json:"text"` // the note, the label, or why it was pinned
}

// Remark is what an entry of a ledger says of a job; not all do.
func (s Statement) Remark() (r Remark, is bool) {
	r = Remark{Kind: s.Kind, Job: s.About, At: s.At, By: s.By, Text: s.Text}
	switch s.Kind {
	case EntryNote, EntryLabel, EntryUnlabel:
	case EntryPin, EntryUnpin:
		r.Job, r.Text = s.Job, s.Why
	default:
		return Remark{}, false
	}
	return r, r.Job != ""
}

// Take takes note of the next remark of a job.
func (m *Marks) Take(r Remark) {
	at, has := slices.BinarySearch(m.Labels, r.Text)
	switch {
	case r.Kind == EntryPin:
		m.Pinned = true
	case r.Kind == EntryUnpin:
		m.Pinned = false
	case r.Kind == EntryNote:
		m.Notes++
	case r.Kind == EntryLabel && !has:
		m.Labels = slices.Insert(m.Labels, at, r.Text)
	case r.Kind == EntryUnlabel && has:
		m.Labels = slices.Delete(m.Labels, at, at+1)
	}
}

// What can be said at once.
const (
	MaxNote  = 4000 // bytes
	MaxLabel = 40   // characters
)

// CheckNote returns a note as it is kept: without blanks around it. Lines and tabs
// may be in it, and nothing else that moves a cursor.
func CheckNote(text string) (string, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	bad := func(r rune) bool { return r != '\n' && r != '\t' && !printable(r) }
	switch {
	case text == "":
		return "", fmt.Errorf("%w: the note is empty", ErrInvalid)
	case len(text) > MaxNote:
		return "", WithHint(fmt.Errorf("%w: the note has %d bytes, and %d are the most", ErrInvalid, len(text), MaxNote),
			"Put what is longer into a file, and its place into the note.")
	case !utf8.ValidString(text), strings.ContainsFunc(text, bad):
		return "", fmt.Errorf("%w: the note has characters that are no text, such as control sequences", ErrInvalid)
	}
	return text, nil
}

// CheckLabel returns a label as it is kept. Commas stand between labels.
func CheckLabel(text string) (string, error) {
	text = strings.TrimSpace(text)
	bad := func(r rune) bool { return r == ',' || !printable(r) }
	switch {
	case text == "":
		return "", fmt.Errorf("%w: the label is empty", ErrInvalid)
	case utf8.RuneCountInString(text) > MaxLabel:
		return "", WithHint(fmt.Errorf("%w: the label is longer than %d characters", ErrInvalid, MaxLabel), "Write what is longer as a note.")
	case !utf8.ValidString(text), strings.ContainsFunc(text, bad):
		return "", fmt.Errorf("%w: the label %q has commas, or characters that are no text", ErrInvalid, text)
	}
	return text, nil
}

// printable is what can be seen where it stands, and turns nothing around.
func printable(r rune) bool {
	return r != unicode.ReplacementChar && (unicode.IsPrint(r) || unicode.Is(unicode.Zs, r)) && !unicode.Is(unicode.Cf, r)
}
