//go:build window

package windowtest

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// drop drags something from the window of another program over this one, and lets
// it go.
func (w *window) drop(what string) {
	t := w.t
	t.Helper()
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "gtk+-3.0").Output()
	if err != nil {
		t.Fatalf("pkg-config for GTK 3: %v (on Debian: apt-get install pkg-config libgtk-3-dev)", err)
	}
	binary := filepath.Join(t.TempDir(), "dragsource")
	args := append([]string{"-o", binary, filepath.Join("testdata", "dragsource.c")}, strings.Fields(string(flags))...)
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, what)
	cmd.Env = append(os.Environ(), "DISPLAY="+w.display, "GDK_BACKEND=x11", "NO_AT_BRIDGE=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	said := bufio.NewScanner(out)
	next := func(want string) {
		t.Helper()
		if !said.Scan() || said.Text() != want {
			t.Fatalf("the other program says %q instead of %q (%v)", said.Text(), want, said.Err())
		}
	}
	next("there")
	w.xdotool("mousemove", "30", "30", "mousedown", "1")
	for x := 40; x < 100; x += 10 { // a drag begins when the pointer has gone some way
		w.xdotool("mousemove", strconv.Itoa(x), "40")
	}
	next("dragging")
	for x := 400; x <= 640; x += 20 {
		w.xdotool("mousemove", "--sync", strconv.Itoa(x), "400")
	}
	w.xdotool("mouseup", "1")
	next("dropped")
	_ = cmd.Process.Kill()
}

// Ensure a folder that is dropped on the window is a project, and is shown; and that
// a link that is dropped does not lead the window away.
func TestWindow_AFolderIsDroppedOnIt(t *testing.T) {
	first, other := project(t, 1), project(t, 1)
	w := start(t, probeWindow, screen(t), t.TempDir(), first)
	w.until("the window shows the first project", `document.querySelector('article header')?.textContent.includes(`+quoted(first)+`)`)
	ask[any](w, `window.stayed = true; return null`)
	w.drop("http://127.0.0.1:9/elsewhere")
	w.drop(other)
	w.until("the window shows the other project", `document.querySelector('article header')?.textContent.includes(`+quoted(other)+`)`)
	if !ask[bool](w, `return window.stayed === true`) {
		t.Error("what was dropped has loaded the page anew")
	}
}

func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}
