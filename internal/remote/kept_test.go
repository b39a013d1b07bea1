//go:build linux

package remote

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process/processtest"
	"vmorchestrator/internal/remote/remotetest"
)

// Ensure a job that begins to be kept clears away what is a week old: runs that have
// ended, and those that nobody could write the end of; but nothing that still runs,
// or that is younger.
func TestKeep_OldOnesArePruned(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := remotetest.Start(t, remotetest.Config{Options: []string{"SetEnv HOME=" + home}})
	p := poolFor(t, s)
	runs := filepath.Join(home, ".cache/vmo/runs")
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		age   time.Duration
		pid   int
		ended bool
	}{
		"old": {8 * day, 1 << 30, true}, "old, its number is used again": {8 * day, os.Getpid(), true}, "old, without an end": {8 * day, 1 << 30, false},
		"old, runs": {8 * day, os.Getpid(), false}, "young": {6 * day, 1 << 30, true},
	} {
		dir := filepath.Join(runs, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{"out": "x", "err": "", "pid": fmt.Sprintf("\036vmo id %d 0 0 0\n", c.pid)}
		if c.ended {
			files["rc"] = "0\n"
		}
		for f, text := range files {
			path, at := filepath.Join(dir, f), time.Now().Add(-c.age)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := command(shell("true"))
	c.Link = job.LinkKeep
	r, err := p.Start(within(t, time.Minute), web1, c)
	if err != nil {
		t.Fatal(err)
	}
	if e := processtest.Wait(t, r); e.State != job.Succeeded {
		t.Errorf("got %+v", e)
	}
	var left []string
	entries, err := os.ReadDir(runs)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, "; "); got != "old, runs; young" {
		t.Errorf("left are %s", got)
	}
}

// Ensure what a kept job prints while nobody fetches it takes no more than the limit
// of the host's disk, that the rest is fetched when there is a connection again, and
// that it is said how much is missing.
func TestKeep_IsBounded(t *testing.T) {
	t.Parallel()
	remotetest.Program(t, "fallocate")
	home := t.TempDir()
	var proxy *remotetest.Proxy
	s := remotetest.Start(t, remotetest.Config{Options: []string{"SetEnv HOME=" + home}, Through: func(addr string) string {
		proxy = remotetest.NewProxy(t, addr)
		return proxy.Addr
	}})
	p := poolFor(t, s)
	flag := filepath.Join(home, "go on")
	out, errs := processtest.NewRecorder(), processtest.NewRecorder()
	const limit, lines = 1 << 20, 1 << 20
	c := command(shell(fmt.Sprintf("echo ready; while [ ! -e '%[1]s' ]; do sleep 0.05; done; seq 1 %[2]d; while [ -e '%[1]s' ]; do sleep 0.05; done; echo end; exit 3", flag, lines)))
	c.Stdout, c.Stderr, c.Link, c.keep = out, errs, job.LinkKeep, limit
	r, err := p.Start(within(t, time.Minute), web1, c)
	if err != nil {
		t.Fatal(err)
	}
	out.Until(t, "ready\n")
	proxy.Refuse(true)
	proxy.Cut()
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	spool := filepath.Join(home, ".cache/vmo/runs", string(c.ID), "out")
	whole := "ready\n"
	var all strings.Builder
	for i := 1; i <= lines; i++ {
		fmt.Fprintln(&all, i)
	}
	whole += all.String()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		size, used := usage(t, spool)
		if size == int64(len(whole)) && used <= 2*limit {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("of %d bytes %d take space", size, used)
		}
	}
	proxy.Refuse(false)
	p.NetworkChanged()
	m := regexp.MustCompile(`vmo: (\d+) bytes of stdout are missing here`)
	errs.Until(t, "bytes of stdout are missing here")
	if err := os.Remove(flag); err != nil {
		t.Fatal(err)
	}
	e := processtest.Wait(t, r)
	if e.Code == nil || *e.Code != 3 {
		t.Errorf("got %+v", e)
	}
	missing, err := strconv.Atoi(m.FindStringSubmatch(errs.String())[1])
	if err != nil {
		t.Fatal(err)
	}
	want := "ready\n" + whole[len("ready\n")+missing:] + "end\n"
	if got := out.String(); got != want || missing < len(whole)-2*limit {
		t.Errorf("got %d bytes and %d are said to be missing, of %d", len(got), missing, len(whole)+4)
	}
	if _, err := os.Stat(filepath.Dir(spool)); !os.IsNotExist(err) {
		t.Errorf("what was kept is still there: %v", err)
	}
}

// Ensure what was fetched takes no space for long, however much a kept job prints
// while there is a connection, and that nothing of it is missing.
func TestKeep_WhatIsFetchedGivesBackItsSpace(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := remotetest.Start(t, remotetest.Config{Options: []string{"SetEnv HOME=" + home}})
	p := poolFor(t, s)
	flag := filepath.Join(home, "end")
	out, errs := processtest.NewRecorder(), processtest.NewRecorder()
	const limit, lines = 1 << 20, 1 << 20
	c := command(shell(fmt.Sprintf("seq 1 %d; while [ ! -e '%s' ]; do sleep 0.05; done; echo end", lines, flag)))
	c.Stdout, c.Stderr, c.Link, c.keep = out, errs, job.LinkKeep, limit
	r, err := p.Start(within(t, time.Minute), web1, c)
	if err != nil {
		t.Fatal(err)
	}
	out.Until(t, fmt.Sprintf("\n%d\n", lines))
	spool := filepath.Join(home, ".cache/vmo/runs", string(c.ID), "out")
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		size, used := usage(t, spool)
		if used <= limit {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("of %d bytes %d take space", size, used)
		}
	}
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if e := processtest.Wait(t, r); e.State != job.Succeeded {
		t.Errorf("got %+v", e)
	}
	var want strings.Builder
	for i := 1; i <= lines; i++ {
		fmt.Fprintln(&want, i)
	}
	if got := out.String(); got != want.String()+"end\n" || errs.String() != "" {
		t.Errorf("got %d bytes, want %d; and %q", len(got), want.Len()+4, errs)
	}
}

// usage is how long a file is, and how much of the disk it takes.
func usage(t *testing.T, path string) (size, used int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size(), info.Sys().(*syscall.Stat_t).Blocks * 512
}
