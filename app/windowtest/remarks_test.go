//go:build window

package windowtest

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
)

// Ensure a label and a note that are written in the pane of a job are in the signed
// ledger, said by the operator of that job, and that nothing of its record changed.
func TestWindow_ANoteAndALabelAreInTheLedger(t *testing.T) {
	w := start(t, probeWindow, screen(t), t.TempDir(), project(t, 1))
	w.click(w.place(runButton("hello")))
	j := w.awaitJobs(1)
	w.until("the pane says how it ended", `document.querySelector('[data-testid=job-pane][data-state=succeeded]')`)
	before := string(w.journal("show", "--json", j.ID))

	w.click(w.place(`[data-testid=remarks-button]`))
	const label, note = "release-7", "Seen by two: it's $(id) & <b>fine</b>"
	w.write(`label-input`, label)
	w.until("the label stands in the pane", `[...document.querySelectorAll('[data-testid=remarks] .chip')].some(c => c.textContent.trim() === `+quoted(label)+`)`)
	w.write(`note-input`, note)
	w.until("the note stands in the pane", `[...document.querySelectorAll('[data-testid=remarks] li.note .text')].some(n => n.textContent === `+quoted(note)+`)`)
	w.kill(syscall.SIGKILL) // what is shown is on the disk

	var said []string
	for d := json.NewDecoder(strings.NewReader(string(w.journal("audit", "--json")))); ; {
		var a struct{ What, By, Job, Text string }
		if err := d.Decode(&a); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if a.What == "note" || a.What == "label" {
			if a.Job != j.ID || a.By == "" {
				t.Errorf("the ledger has %+v, of job %s", a, j.ID)
			}
			said = append(said, a.What+": "+a.Text)
		}
	}
	if want := []string{"note: " + note, "label: " + label}; fmt.Sprint(said) != fmt.Sprint(want) {
		t.Errorf("the ledger has %q, want %q", said, want)
	}
	if after := string(w.journal("show", "--json", j.ID)); after != before {
		t.Errorf("the record was\n%s\nand is\n%s", before, after)
	}
	if verdict := string(w.journal("verify", j.ID)); !strings.Contains(verdict, "intact") {
		t.Errorf("vmo verify says %q", verdict)
	}
}

// write types into a field of the page and ends with Enter.
func (w *window) write(testid, text string) {
	w.t.Helper()
	w.click(w.place(`[data-testid=` + testid + `]`))
	w.until(testid+" has the keyboard", `document.activeElement?.dataset.testid === '`+testid+`'`)
	w.xdotool("type", "--delay", "20", text)
	w.until("what was typed stands in "+testid, `document.activeElement.value === `+quoted(text))
	w.xdotool("key", "Return")
}
