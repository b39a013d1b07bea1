package job

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Ensure what was said last about a label or a pin holds, and every note counts.
func TestMarks_AreWhatWasSaidLast(t *testing.T) {
	t.Parallel()
	var m Marks
	for _, r := range []Remark{
		{Kind: EntryLabel, Text: "good"}, {Kind: EntryLabel, Text: "bad"}, {Kind: EntryLabel, Text: "good"},
		{Kind: EntryUnlabel, Text: "never there"}, {Kind: EntryNote, Text: "a"}, {Kind: EntryNote, Text: "a"},
		{Kind: EntryPin}, {Kind: EntryUnlabel, Text: "bad"}, {Kind: EntryUnpin}, {Kind: EntryPin},
	} {
		m.Take(r)
	}
	if diff := cmp.Diff(Marks{Pinned: true, Labels: []string{"good"}, Notes: 2}, m); diff != "" {
		t.Error(diff)
	}
}

// Ensure texts that would not stay where they are shown are refused, and that
// what is kept is bounded.
func TestCheckNoteAndLabel_RefuseWhatIsNoText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text        string
		note, label bool
	}{
		{"looks good", true, true}, {"grün – 100 %", true, true}, {"<b>&\"quoted\"", true, true},
		{"two\nlines\tand a tab", true, false}, {"a,b", true, false},
		{"", false, false}, {" \n", false, false},
		{"\x1b[2J", false, false}, {"\x07", false, false}, {"evil\u202etxt", false, false}, {"\xff", false, false}, {"\x00", false, false},
		{strings.Repeat("ä", MaxLabel), true, true}, {strings.Repeat("ä", MaxLabel+1), true, false},
		{strings.Repeat("x", MaxNote), true, false}, {strings.Repeat("x", MaxNote+1), false, false},
	} {
		if _, err := CheckNote(c.text); (err == nil) != c.note || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("note %.20q: %v", c.text, err)
		}
		if _, err := CheckLabel(c.text); (err == nil) != c.label || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("label %.20q: %v", c.text, err)
		}
	}
	if got, err := CheckNote("  one\r\ntwo \n"); got != "one\ntwo" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
