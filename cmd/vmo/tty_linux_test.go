package main

import (
	"strings"
	"testing"
)

// Ensure vmo leaves its terminal alone when there is nothing to ask: what it runs
// here sees that it has not opened it.
func TestTTY_IsOpenedOnlyForConnections(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	x := h.terminal(h.command("vmo", "exec", "--", "sh", "-c", `for f in /proc/$PPID/fd/*; do readlink $f; done | grep -c /dev/tty; [ -e /proc/$PPID/fd/0 ] && echo looked`))
	if code := x.end(); code != 0 || !strings.Contains(x.said.String(), "0\r\nlooked") {
		t.Errorf("exit code %d, %q", code, x.said.String())
	}
}
