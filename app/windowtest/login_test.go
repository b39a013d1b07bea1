//go:build window

package windowtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Ensure a window that a desktop starts runs its targets with the PATH and the
// agent that a terminal would have.
func TestWindow_FromADesktopHasTheLoginShell(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	home, dir := t.TempDir(), project(t, 1)
	for name, text := range map[string]string{
		filepath.Join(home, ".bash_profile"): "echo Welcome; export PATH=\"$HOME/tools:$PATH\" SSH_AUTH_SOCK=\"$HOME/agent\"\n",
		filepath.Join(home, "tools", "tool"): "#!/bin/sh\necho found in PATH, agent at $SSH_AUTH_SOCK\n",
		filepath.Join(dir, "Makefile"):       ".PHONY: hello\nhello: ## Use a tool of the login shell\n\t@tool\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w := start(t, probeWindow, screen(t), home, dir, "TERM=", "SHELL="+bash, "PATH=/usr/bin:/bin", "SSH_AUTH_SOCK=/of/the/desktop")
	w.click(w.place(runButton("hello")))
	w.until("the pane says how it ended", `document.querySelector('[data-testid=job-pane][data-state=succeeded], [data-testid=job-pane][data-state=failed]')`)
	w.awaitJobs(1)
	if got, want := string(w.journal("show", "@1")), "found in PATH, agent at "+home+"/agent\n"; !strings.HasSuffix(got, want) {
		t.Errorf("the target printed %q, want %q", got, want)
	}
	// And Diagnostics says where it has them from.
	w.click(w.place(`[data-testid=diagnostics-button]`))
	for name, want := range map[string]string{"PATH": "login shell " + bash, "SSH_AUTH_SOCK": "login shell " + bash, "web view": "WebKitGTK 2.", "window": "dev"} {
		w.until(name+" is shown", `document.querySelector('[data-testid=diagnostics-check][data-name="`+name+`"]')?.textContent.includes('`+want+`')`)
	}
}
