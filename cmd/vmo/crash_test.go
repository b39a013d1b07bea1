//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// Ensure that kill -9 of vmo, at any moment, costs nothing that anybody has
// seen: the follower in another process ends within a second, the job is lost
// with its output, and the living job of another vmo is not touched.
func TestKill_LosesNothingThatWasSeen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	living := h.command("vmo", "exec", "--", "play", "polite")
	if _, err := io.ReadFull(startPiped(t, living), make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	const kills = 30
	seen := make(map[job.ID]*bytes.Buffer)
	var mu sync.Mutex
	var group sync.WaitGroup
	places := make(chan struct{}, 4)
	for i := range kills {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			id, got := h.killed(i)
			mu.Lock()
			defer mu.Unlock()
			if id != "" {
				seen[id] = got
			}
		})
	}
	group.Wait()
	if len(seen) < kills/2 {
		t.Errorf("only %d of %d kills hit a job that somebody followed", len(seen), kills)
	}
	for id, got := range seen {
		recorded := h.must("show", string(id))
		if !strings.HasPrefix(recorded, got.String()) {
			t.Errorf("job %s: a reader saw %d bytes that are not in the %d of its record", id, got.Len(), len(recorded))
		}
		if n := int(strings.Count(recorded, "\n")); !strings.HasPrefix(counted(n+1), recorded) {
			t.Errorf("job %s: its record is not what was printed", id)
		}
	}
	running := 0
	for _, j := range h.jobs() {
		switch {
		case j.State == job.Running && j.Argv[1] == "polite":
			running++
		case j.State != job.Lost || j.Cause != job.CauseOwner || j.FinishedAt == nil:
			t.Errorf("job %s is %s: %+v", j.ID, j.State, j)
		}
	}
	if running != 1 {
		t.Errorf("%d living jobs, want 1", running)
	}
	if out := h.must("exec", "--", "echo", "clean"); out != "clean\n" {
		t.Errorf("the next start says %q", out)
	}
	if err := living.Process.Signal(endings[0]); err != nil {
		t.Fatal(err)
	}
	_ = living.Wait()
	if code := living.ProcessState.ExitCode(); code != 3 {
		t.Errorf("the living job ended with %d", code)
	}
}

// killed runs one vmo, follows its job from another process, kills it after a
// random time and returns what the follower saw.
func (h house) killed(i int) (job.ID, *bytes.Buffer) {
	h.t.Helper()
	dir := filepath.Join(h.dir, fmt.Sprint(i)) // by which its job is known
	if err := os.Mkdir(dir, 0o700); err != nil {
		h.t.Error(err)
		return "", nil
	}
	owner := h.command("vmo", "exec", "-C", dir, "--", "play", "lines", "0")
	out := startPiped(h.t, owner)
	own := &bytes.Buffer{}
	if i%3 > 0 { // else it may die before it has begun
		_, _ = io.CopyN(own, out, 100)
	}
	var id job.ID
	for _, j := range h.jobs() {
		if j.Dir == dir {
			id = j.ID
		}
	}
	got := &bytes.Buffer{}
	follower := h.command("vmo", "follow", string(id))
	follower.Stdout = got
	if id != "" {
		if err := follower.Start(); err != nil {
			h.t.Error(err)
			return "", nil
		}
	}
	deadline := time.NewTimer(time.Duration(rand.IntN(80)) * time.Millisecond)
	defer deadline.Stop()
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(own, out) }()
	<-deadline.C
	_ = owner.Process.Kill()
	killed := time.Now()
	<-done
	_ = owner.Wait()
	if id == "" {
		return "", nil
	}
	_ = follower.Wait()
	if took := time.Since(killed); took > 5*time.Second { // 1 s on an idle machine
		h.t.Errorf("the follower of a killed job ended after %v", took)
	}
	// What vmo itself printed was seen too.
	if own.Len() > got.Len() {
		got = own
	}
	return id, got
}

func counted(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func startPiped(t *testing.T, cmd interface {
	StdoutPipe() (io.ReadCloser, error)
	Start() error
}) io.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return out
}

// Ensure ten vmo at once share a journal.
func TestJournal_IsSharedByTen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			for k := range 3 {
				want := fmt.Sprintf("%d of %d\n", k, i)
				if out, errs, code := h.vmo("exec", "--", "printf", want); code != 0 || out != want || errs != "" {
					t.Errorf("exit code %d, printed %q and %q", code, out, errs)
				}
			}
		})
	}
	group.Wait()
	jobs := h.jobs()
	for _, j := range jobs {
		if j.State != job.Succeeded {
			t.Errorf("%+v", j)
		}
	}
	if len(jobs) != 30 {
		t.Errorf("%d jobs, want 30", len(jobs))
	}
}
