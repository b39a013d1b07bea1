package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

// full is an engine with web1, whose user has a home on a disk that is full, and
// web2, where there is space.
func full(t *testing.T) (e *Engine, s *remotetest.Server, free func()) {
	t.Helper()
	e, s = fleet(t, remotetest.Config{SmallHome: true})
	other, err := os.ReadFile(remotetest.Start(t, remotetest.Config{Hosts: []string{"web2"}}).ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	s.AddConfig(string(other))
	return e, s, s.FillHome(t)
}

// Ensure a host whose disk is full runs what needs no space, says what the command
// says when it needs some, and that no other host is touched by it.
func TestRemote_FullDisk(t *testing.T) {
	t.Parallel()
	e, s, _ := full(t)
	l := there("web1", "echo out; cat /etc/passwd >file || exit 3")
	l.Hosts = []string{"web1", "web2"}
	l.There = "~"
	_, jobs, err := e.Start(l)
	if err != nil {
		t.Fatal(err)
	}
	j := wait(t, e, jobs[0].ID)
	if errs := printed(t, e, j.ID, job.Stderr); j.ExitCode == nil || *j.ExitCode != 3 || !strings.Contains(strings.ToLower(errs), "no space left on device") || printed(t, e, j.ID, job.Stdout) != "out\n" {
		t.Errorf("exec: got %+v, %q", j, errs)
	}
	if j := wait(t, e, jobs[1].ID); j.State != job.Succeeded {
		t.Errorf("the other host: got %+v", j)
	}

	shell := Launch{Spec: job.Spec{TTY: true}, Hosts: []string{"web1"}, Input: true}
	id := start(t, e, shell)
	for _, line := range []string{"echo x >file; echo $((40+2)) is here\n", "exit 0\n"} {
		if err := e.Input(id, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	j = wait(t, e, id)
	if out := strings.ToLower(printed(t, e, id, job.TTY)); j.State != job.Succeeded || !strings.Contains(out, "42 is here") || !strings.Contains(out, "no space left on device") {
		t.Errorf("terminal: got %+v, %q", j, out)
	}

	log := filepath.Join(s.Dir, "some.log")
	if err := os.WriteFile(log, []byte("a line\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec, err := TailSpec(Tail{Source: "file:" + log, Lines: 10})
	if err != nil {
		t.Fatal(err)
	}
	id = start(t, e, Launch{Spec: spec, Hosts: []string{"web1"}})
	until(t, e, id, "a line")
	if err := e.Cancel(t.Context(), id, false); err != nil {
		t.Error(err)
	}
	if j := wait(t, e, id); j.State != job.Cancelled {
		t.Errorf("log: got %+v", j)
	}
}

// Ensure a job whose output cannot be kept does not begin, and says where there is
// no space.
func TestRemote_FullDiskRefusesToKeep(t *testing.T) {
	t.Parallel()
	e, s, free := full(t)
	mark := filepath.Join(s.Dir, "ran")
	l := there("web1", "touch "+mark)
	l.Link = job.LinkKeep
	j := wait(t, e, start(t, e, l))
	said := printed(t, e, j.ID, job.Stderr)
	if j.State != job.Failed || j.ExitCode == nil || *j.ExitCode != 125 || !strings.Contains(said, filepath.Join(s.Home("web1"), ".cache/vmo/runs")) || !strings.Contains(strings.ToLower(said), "no space left") {
		t.Errorf("got %+v, %q", j, said)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the command ran, and nobody heard it")
	}
	free()
	if j := wait(t, e, start(t, e, l)); j.State != job.Succeeded {
		t.Errorf("with space: got %+v, %q", j, printed(t, e, j.ID, job.Stderr))
	}
}

// Ensure that a disk that becomes full under a kept job costs what it prints and
// nothing else: how it ended is known, and the record says that output may be
// missing.
func TestRemote_DiskFillsUnderKeptJob(t *testing.T) {
	t.Parallel()
	e, _ := fleet(t, remotetest.Config{SmallHome: true})
	l := there("web1", "echo begin; head -c 3000000 /dev/zero | tr '\\0' y; echo end; exit 7")
	l.Link = job.LinkKeep
	j := wait(t, e, start(t, e, l))
	out, errs := printed(t, e, j.ID, job.Stdout), printed(t, e, j.ID, job.Stderr)
	if j.State != job.Failed || j.ExitCode == nil || *j.ExitCode != 7 || !strings.HasPrefix(out, "begin\nyyy") || len(out) < 500_000 || strings.Contains(out, "end") {
		t.Errorf("got %+v, %d bytes, %q", j, len(out), errs)
	}
	if !strings.Contains(errs, "is full: output of this job may be missing") {
		t.Errorf("the record says %q", errs)
	}
	// What was kept is removed, so there is space again.
	if j := wait(t, e, start(t, e, there("web1", "echo x >file"))); j.State != job.Succeeded {
		t.Errorf("afterwards: got %+v", j)
	}
}
