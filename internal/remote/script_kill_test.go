//go:build linux

package remote

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

// shapes are ways in which a command can have processes. Each has a process that
// sleeps for %[1]d seconds, a number that only its test has. Hard are those that
// a signal to the group does not reach.
var shapes = map[string]struct {
	script string
	hard   bool
}{
	"direct":       {"exec sleep %[1]d", false},
	"child":        {"sleep %[1]d; echo done", true},
	"pipeline":     {"sleep %[1]d | cat | cat", false},
	"background":   {"sleep %[1]d & wait", false},
	"ignoring":     {"trap '' TERM HUP INT; sleep %[1]d; sleep %[1]d; sleep %[1]d", true},
	"own group":    {"set -m 2>/dev/null; perl -e 'setpgrp; exec @ARGV' sleep %[1]d; echo done", true},
	"own session":  {"setsid sleep %[1]d", true},
	"daemon":       {"(setsid sh -c 'sleep %[1]d & sleep %[1]d' </dev/null >/dev/null 2>&1 &); sleep %[1]d", true},
	"nohup":        {"nohup sleep %[1]d >/dev/null 2>&1 & sleep %[1]d", true},
	"daemon alone": {"(setsid sleep %[1]d </dev/null >/dev/null 2>&1 &) ; (setsid sleep %[1]d </dev/null >/dev/null 2>&1 &); sleep %[1]d & wait", false},
	"stopped":      {"kill -STOP $$; sleep %[1]d", false},
	"wiped":        {"exec env -i PATH=$PATH sh -c 'sleep %[1]d; :'", false},
}

// running is a command on a host, of which a test sees the end.
type onHost struct {
	id     job.ID
	header header
	ended  chan error
	in     io.WriteCloser
	s      *ssh.Session
}

// begin starts a command and waits for its header.
func begin(t *testing.T, c *ssh.Client, l launch) *onHost {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	h := &onHost{id: l.ID, ended: make(chan error, 1), s: s}
	f := newHeaderFilter(l.ID, io.Discard, 0)
	s.Stdout = f
	if h.in, err = s.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(line(t, l)); err != nil {
		t.Fatal(err)
	}
	go func() { h.ended <- s.Wait() }()
	select {
	case <-f.decided:
	case <-time.After(time.Minute):
		t.Fatal("no header")
	}
	var ok bool
	if h.header, ok = f.result(); !ok {
		t.Fatal("no header")
	}
	return h
}

func (h *onHost) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-h.ended:
		return err
	case <-time.After(time.Minute):
		t.Fatal("the session does not end")
		return nil
	}
}

// sleeping are the processes that sleep for so many seconds.
func sleeping(seconds int) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if string(b) == fmt.Sprintf("sleep\x00%d\x00", seconds) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// awaits waits until so many processes sleep.
func awaits(t *testing.T, seconds, atLeast, atMost int) {
	t.Helper()
	until(t, func() bool { n := len(sleeping(seconds)); return n >= atLeast && n <= atMost },
		func() string {
			return fmt.Sprintf("%d processes sleep, want %d to %d", len(sleeping(seconds)), atLeast, atMost)
		})
}

// until waits for what nobody tells: whether processes of others are there.
func until(t *testing.T, met func() bool, what func() string) {
	t.Helper()
	over := time.Now().Add(30 * time.Second)
	for !met() {
		if time.Now().After(over) {
			t.Fatal(what())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// nap is a number of seconds that no other test sleeps for.
var naps = func() chan int {
	c := make(chan int)
	go func() {
		for n := 100000 + rand.Intn(1e9); ; n++ {
			c <- n
		}
	}()
	return c
}()

func (h *onHost) kill(t *testing.T, c *ssh.Client, signal string, grace time.Duration) (left []job.Survivor, found int) {
	t.Helper()
	line, err := killLine(h.header.PID, h.id, signal, grace)
	if err != nil {
		t.Fatal(err)
	}
	a := asks(t, c, h.id, line, "")
	left, found, ok := parseSurvivors(h.id, a.out)
	if !ok || a.errs != "" || a.code != 0 {
		t.Fatalf("kill: got %q, stderr %q, exit %d", a.out, a.errs, a.code)
	}
	return left, found
}

func TestKillLine_LeavesNobody(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{Shells: testShells(), Options: []string{"MaxSessions 100"}})
	for _, shell := range testShells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			c := s.Client(t, "vmo-"+shell)
			for name, shape := range shapes {
				if !shape.hard && shell != "bash" || testing.Short() && !shape.hard {
					continue
				}
				t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
					nap := <-naps
					id := job.NewID()
					h := begin(t, c, launch{ID: id, Argv: []string{"sh", "-c", fmt.Sprintf(shape.script, nap)}})
					if name == "stopped" {
						until(t, func() bool {
							b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.header.PID))
							return strings.Contains(string(b), ") T ")
						}, func() string { return "it does not stop" })
					} else {
						awaits(t, nap, 1, 9)
					}
					began := time.Now()
					grace := 5 * time.Second
					if name == "ignoring" {
						grace = 300 * time.Millisecond
					}
					line, err := killSteps(h.header, id, killStep{"TERM", grace}, killStep{"KILL", killGrace})
					if err != nil {
						t.Fatal(err)
					}
					a := asks(t, c, id, line, "")
					left, found, ok := parseSurvivors(id, a.out)
					if !ok || len(left) > 0 || found == 0 {
						t.Errorf("got %q, %+v of %d, %t", a.out, left, found, ok)
					}
					h.wait(t)
					if n := sleeping(nap); len(n) > 0 {
						t.Errorf("survivors: %v", n)
					}
					if took := time.Since(began); took > 4*time.Second {
						t.Errorf("it took %v", took)
					}
				})
			}
		})
	}
}

func TestKillLine_TouchesNobodyElse(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	c := s.Client(t, "web1")
	nap := <-naps
	other := begin(t, c, launch{ID: job.NewID(), Argv: []string{"sleep", fmt.Sprint(nap)}})
	awaits(t, nap, 1, 1)

	// The number has been given to another process since.
	stale := &onHost{id: job.NewID(), header: other.header}
	if left, found := stale.kill(t, c, "TERM", 0); found != 0 || len(left) != 0 {
		t.Errorf("a stale number: found %d, left %+v", found, left)
	}
	// So has it, and the environment of that one is empty.
	empty := begin(t, c, launch{ID: job.NewID(), Argv: []string{"env", "-i", "sleep", fmt.Sprint(nap)}})
	awaits(t, nap, 2, 2)
	wrong := empty.header
	wrong.Start++
	line, err := killSteps(wrong, job.NewID(), killStep{"KILL", time.Second})
	if err != nil {
		t.Fatal(err)
	}
	asks(t, c, stale.id, line, "")
	if n := len(sleeping(nap)); n != 2 {
		t.Errorf("%d of 2 others are left", n)
	}
	line, err = killSteps(empty.header, empty.id)
	if err != nil {
		t.Fatal(err)
	}
	a := asks(t, c, empty.id, line, "")
	if left, found, ok := parseSurvivors(empty.id, a.out); !ok || found != 1 || len(left) != 1 || left[0].PID != empty.header.PID || left[0].Command != fmt.Sprint("sleep ", nap) {
		t.Errorf("looking: got %+v of %d, %t", left, found, ok)
	}
	for _, h := range []*onHost{other, empty} {
		if left, found := h.kill(t, c, "TERM", time.Second); found != 1 || len(left) != 0 {
			t.Errorf("found %d, left %+v", found, left)
		}
		h.wait(t)
	}
}

func TestKillLine_EndsWhatSudoStarted(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{Shells: []string{"bash"}, Sudo: true})
	if s.Emulated {
		t.Skip("there is no second user here: it takes root")
	}
	c := s.Client(t, "vmo-bash")
	for name, argv := range map[string][]string{
		"Direct": {"sudo", "-n", "sleep"},
		"Child":  {"sh", "-c", `sudo -n setsid sleep "$0"; :`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nap := <-naps
			h := begin(t, c, launch{ID: job.NewID(), Argv: append(argv, fmt.Sprint(nap))})
			awaits(t, nap, 1, 1)
			if left, found := h.kill(t, c, "TERM", 3*time.Second); found < 2 || len(left) != 0 || len(sleeping(nap)) != 0 {
				t.Errorf("found %d, left %+v, sleeping %v", found, left, sleeping(nap))
			}
			h.wait(t)
		})
	}
}

func TestKillLine_NamesWhoNeedsRoot(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{Shells: []string{"bash"}})
	if s.Emulated {
		t.Skip("there is no second user here: it takes root")
	}
	nap := <-naps
	// A program that becomes root, as sudo does.
	suid := s.Home("vmo-bash") + "/become-root"
	b, err := os.ReadFile(remotetest.Program(t, "setpriv"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(suid, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(suid, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	c := s.Client(t, "vmo-bash")
	h := begin(t, c, launch{ID: job.NewID(), Argv: []string{"sh", "-c", fmt.Sprintf("%s --reuid 0 --regid 0 --clear-groups sleep %d; :", suid, nap)}})
	awaits(t, nap, 1, 1)
	left, found := h.kill(t, c, "TERM", 0)
	for _, pid := range sleeping(nap) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	h.wait(t)
	if len(left) != 1 || found < 2 || left[0].Why != "still running after SIGKILL: needs root" || left[0].Command != fmt.Sprint("sleep ", nap) {
		t.Errorf("found %d, left %+v", found, left)
	}
}

func TestParseSurvivors(t *testing.T) {
	t.Parallel()
	id := job.NewID()
	text := "noise\n\036vmo-left " + string(id) + " 4 1000\n12 1000 sleep 1\n13 0 sudo \x1b[2Jx\n14 1001 a\xffb\nrubbish\n\036\nmore"
	left, found, ok := parseSurvivors(id, text)
	want := []job.Survivor{
		{PID: 12, Command: "sleep 1", Why: "still running after SIGKILL"},
		{PID: 13, Command: "sudo  [2Jx", Why: "still running after SIGKILL: needs root"},
		{PID: 14, Command: "a?b", Why: "still running after SIGKILL: needs root, or the user with the number 1001"},
	}
	if !ok || found != 4 || !slices.Equal(left, want) {
		t.Errorf("got %+v of %d, %t", left, found, ok)
	}
	for _, cut := range []string{"", "noise", text[:40], text[:len(text)-8], strings.ReplaceAll(text, string(id), string(job.NewID()))} {
		if _, _, ok := parseSurvivors(id, cut); ok {
			t.Errorf("%q is taken for a report", cut)
		}
	}
	for _, h := range []header{{PID: -1}, {PID: 1}} {
		if line, err := killSteps(h, id); err == nil {
			t.Errorf("process %d: got %q", h.PID, line)
		}
	}
	if line, err := killLine(7, id, "TERM;reboot", 0); err == nil {
		t.Errorf("signal: got %q", line)
	}
}
