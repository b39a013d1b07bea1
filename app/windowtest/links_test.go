//go:build window

package windowtest

import (
	"net/url"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// follow starts the program once more with a link, as a browser does, and waits
// until that has ended well.
func (w *window) follow(link string) {
	w.t.Helper()
	cmd := exec.Command(w.cmd.Path, link)
	cmd.Env = w.cmd.Env
	done := make(chan error, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		if len(out) > 0 {
			w.t.Logf("the second start said: %s", out)
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			w.t.Fatalf("the second start: %v", err)
		}
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		<-done
		w.t.Fatal("the second start has opened a window of its own")
	}
}

const armed = `document.querySelector('[data-testid=link-dialog][data-armed=true]')`

// Ensure a second start gives its link to the window that is open, where a form
// opens that starts nothing before its button is pressed; and that a link to a
// record shows the line that it names.
func TestWindow_ALinkOpensAFormAndStartsNothing(t *testing.T) {
	dir := project(t, 1)
	w := start(t, probeWindow, screen(t), t.TempDir(), dir)
	w.until("the project is shown", `document.querySelector('[data-testid=target-row][data-name=hello]')`)
	wish := "vmo://run?dir=" + url.QueryEscape(dir) + "&target=hello"

	w.follow(wish)
	w.until("the form is there and its button can be pressed", armed+` && !document.querySelector('[data-testid=link-run]').disabled`)
	w.xdotool("key", "Return") // the answer that has the keyboard is the one that does nothing
	w.until("the form is away", `!document.querySelector('[data-testid=link-dialog]')`)
	w.follow("vmo://run?dir=" + url.QueryEscape(dir) + "&target=hello&var.A=%24%28shell%20touch%20pwned%29")
	w.until("the window says why it does not follow a link", `document.querySelector('[role=alert]')?.textContent.includes('could take for something to do')`)
	if all := w.jobs(); len(all) > 0 {
		t.Fatalf("links have started %+v", all)
	}

	w.follow(wish)
	w.until("the form is there again", armed)
	w.click(w.place(`[data-testid=link-run]`))
	w.until("the folder has to be trusted", `[...document.querySelectorAll('dialog h2')].some(h => h.textContent === 'Trust this folder?')`)
	if all := w.jobs(); len(all) > 0 {
		t.Fatalf("before the question was answered there is %+v", all)
	}
	w.click(w.place(`dialog:last-of-type footer button.primary`))
	j := w.awaitJobs(1)
	if j.Target != "hello" || j.State != "succeeded" {
		t.Errorf("the journal has %+v", j)
	}

	w.click(w.place(`[data-testid=close-pane]`))
	w.follow("vmo://job/" + j.ID + "#2")
	w.until("the record is shown at its line", `document.querySelector('[data-testid=job-pane][data-job="`+j.ID+`"] .line.found')?.textContent.includes('second line')`)
	if all := w.jobs(); len(all) != 1 {
		t.Errorf("showing a record has left %+v", all)
	}
}

// Ensure a link opens the window where none is open, and that the next window
// takes links although the one before was killed.
func TestWindow_ALinkOpensTheWindow(t *testing.T) {
	display, dir, home := screen(t), project(t, 1), t.TempDir()
	wish := "vmo://run?dir=" + url.QueryEscape(dir) + "&target=hello"
	w := start(t, probeWindow, display, home, wish)
	w.until("the form is there", armed)
	w.until("the folder has to be added first", `document.querySelector('[data-testid=link-add]') && document.querySelector('[data-testid=link-run]').disabled`)
	w.kill(syscall.SIGKILL)
	again := start(t, probeWindow, display, home, dir)
	again.until("the project is shown", `document.querySelector('[data-testid=target-row][data-name=hello]')`)
	again.follow(wish)
	again.until("the form is there", armed)
	if all := again.jobs(); len(all) > 0 {
		t.Errorf("links have started %+v", all)
	}
}
