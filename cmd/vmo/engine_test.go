//go:build unix

package main

import (
	"strings"
	"testing"

	"vmorchestrator/internal/job"
)

// Ensure the engine of a host can be chosen, that the choice holds for what comes
// after it, and that a command is the same with both.
func TestHostsEngine_IsChosen(t *testing.T) {
	t.Parallel()
	h, _ := fleet(t, "web1")
	if got := h.must("hosts", "engine", "web1"); got != "auto\n" {
		t.Errorf("got %q", got)
	}
	for _, engine := range []string{"openssh", "built-in"} {
		h.must("hosts", "engine", "web1", engine)
		if got := h.must("hosts", "engine", "web1"); got != engine+"\n" {
			t.Errorf("got %q", got)
		}
		if out, errs, code := h.vmo("exec", "--on", "web1", "--", "sh", "-c", "echo out; exit 7"); out != "out\n" || code != 7 {
			t.Errorf("%s: got %q, %q, %d", engine, out, errs, code)
		}
		if j := h.newest(); j.Host != "web1" || j.State != job.Failed {
			t.Errorf("the record is %+v", j)
		}
		if out := h.must("hosts", "show", "web1", "--connect"); !strings.Contains(out, "openssh: ssh makes the connection") == (engine == "openssh") {
			t.Errorf("%s: got %s", engine, out)
		}
	}
	h.must("hosts", "engine", "web1", "auto")
	if got := h.must("hosts", "show", "web1", "--connect"); !strings.Contains(got, "auto, now built-in") {
		t.Errorf("got %s", got)
	}
	if _, errs, code := h.vmo("hosts", "engine", "web1", "putty"); code != 2 || !strings.Contains(errs, "built-in") {
		t.Errorf("got %q, %d", errs, code)
	}
	if _, _, code := h.vmo("hosts", "engine", "local", "openssh"); code == 0 {
		t.Error("an engine for this machine was taken")
	}
}
