//go:build unix

package main

import (
	"strings"
	"testing"

	"vmorchestrator/internal/job"
)

// Ensure a shell on a host is a terminal there: it is typed into and resized, its
// Ctrl-C is for the program that runs in it, it ends as the shell does, and what
// it showed is recorded, but not what was typed unseen.
func TestShell_IsATerminalOnTheHost(t *testing.T) {
	t.Parallel()
	h, _ := fleet(t, "web1")
	x := h.terminal(h.command("vmo", "shell", "--dir", "/", "web1"))
	x.until(`[#$%>] ?`) // the prompt of whatever shell it is
	// What is typed shows up as well: words that only the output has tell them apart.
	x.typed("PS1='vm''o> '\n")
	x.until(`vmo> `)
	x.typed("echo in$((0))to $PWD $(stty size) ${SSH_TTY:+with a tty}\n")
	x.until(`in0to / 30 100 with a tty\r\n(?s).*vmo> `)
	x.size(77, 22)
	x.typed("until [ \"$(stty size)\" = '22 77' ]; do :; done; echo no''w $(stty size)\n")
	x.until(`now 22 77\r\n(?s).*vmo> `)
	x.typed("sh -c 'echo wait''ing; exec sleep 1000'\n")
	x.until(`waiting\r\n`)
	x.typed("\x03")
	x.until(`vmo> `)
	x.typed("echo en''ded with $?\n")
	x.until(`ended with 130\r\n(?s).*vmo> `)
	x.typed("stty -echo; echo as''king; read secret; stty echo; echo ask''ed\n")
	x.until(`asking\r\n`)
	x.typed("hunter2\n")
	x.until(`asked\r\n(?s).*vmo> `)
	x.typed("exit 7\n")
	if code := x.end(); code != 7 {
		t.Errorf("exit code %d, said %q", code, x.said.String())
	}
	j := h.newest()
	if j.Host != "web1" || !j.TTY || j.State != job.Failed || j.ExitCode == nil || *j.ExitCode != 7 || j.Size != (job.Size{Cols: 100, Rows: 30}) {
		t.Errorf("the job is %+v", j)
	}
	shown := h.must("show", "@1")
	for _, want := range []string{"in0to / 30 100 with a tty", "now 22 77", "ended with 130", "exit 7"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in the record: %q", want, shown)
		}
	}
	if strings.Contains(shown, "hunter2") {
		t.Errorf("what was typed unseen is in the record: %q", shown)
	}
	if chunks := h.must("show", "--json", "@1"); !strings.Contains(chunks, `{"kind":"resize","size":{"cols":77,"rows":22}}`) {
		t.Errorf("the resize is not in the record: %s", chunks)
	}
}

// Ensure a shell is refused where there is no terminal, before anything starts.
func TestShell_NeedsATerminal(t *testing.T) {
	t.Parallel()
	h, s := fleet(t, "web1")
	if _, errs, code := h.vmo("shell", "web1"); code != 2 || !strings.Contains(errs, "needs a terminal") {
		t.Errorf("exit code %d, %q", code, errs)
	}
	if log := s.Log(); strings.Contains(log, "Connection from") || len(h.jobs()) != 0 {
		t.Errorf("connected all the same, or recorded %v: %s", h.jobs(), log)
	}
}
