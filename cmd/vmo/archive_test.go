//go:build unix

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/engine"
)

// archived is a house whose records go into a database of its own server.
type archived struct {
	house
	c        *archivetest.Cluster
	database string
}

func newArchived(t *testing.T, settings ...string) archived {
	t.Helper()
	h := archived{house: newHouse(t), c: archivetest.New(t, settings...)}
	h.database = h.c.Database(t, "")
	h.must("db", "use", h.c.URL(archivetest.Admin, h.database))
	h.must("db", "init")
	h.must("db", "history", "all")
	return h
}

// shipped waits until everything is in the archive, and returns how it stands.
func (h archived) shipped() {
	h.t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		out, errs, code := h.vmo("ship", "--once")
		if code == 0 {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("not everything is in the archive: exit code %d\n%s%s", code, out, errs)
		}
	}
}

// sum is the SHA-256 of what a command prints.
func (h house) sum(args ...string) string {
	h.t.Helper()
	digest := sha256.New()
	cmd := h.command("vmo", args...)
	cmd.Stdout, cmd.Stderr = digest, os.Stderr
	if err := cmd.Run(); err != nil {
		h.t.Fatalf("vmo %q: %v", args, err)
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// intact fails unless every record is intact, here and there.
func (h archived) intact() {
	h.t.Helper()
	for _, args := range [][]string{{"verify"}, {"verify", "--archive"}} {
		if out, errs, code := h.vmo(args...); code != 0 {
			h.t.Errorf("vmo %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
		}
	}
}

// The shipper may die at any moment, as often as it likes.
func TestArchive_SurvivesItsShipper(t *testing.T) {
	t.Parallel()
	h := newArchived(t)
	want := sha256.New()
	seed := rand.NewChaCha8([32]byte{9})
	if _, err := io.CopyN(want, seed, 48<<20); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(h.dir, "random")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(f, rand.NewChaCha8([32]byte{9}), 48<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// Nobody ships while it is recorded: its own vmo may not reach the database.
	h.c.Shutdown()
	h.must("exec", "--", "cat", path)
	h.c.Start(t)
	id := h.newest().ID
	conn := h.c.Connect(t, archivetest.Admin, h.database)
	blocks := func() (n int) {
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM vmo.block").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	kills := 0
	for before := blocks(); kills < 20; kills++ {
		ship := h.command("vmo", "ship", "--once")
		if err := ship.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- ship.Wait() }()
		next := before + 1 + rand.IntN(80)
		ended := false
		for blocks() < next && !ended {
			select {
			case <-done:
				ended = true
			default:
			}
		}
		if ended {
			break
		}
		if err := ship.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-done
		before = blocks()
	}
	if kills < 3 {
		t.Errorf("the shipper was killed %d times only", kills)
	}
	h.shipped()
	if got := h.sum("show", "--archive", string(id)); got != hex.EncodeToString(want.Sum(nil)) {
		t.Errorf("after %d kills the archive gives back something else", kills)
	}
	h.intact()
}

// Two windows and ten vmo at once: each record is there once, and whole.
func TestArchive_ManyProcesses(t *testing.T) {
	t.Parallel()
	h := newArchived(t)
	var windows []*exec.Cmd
	for range 2 {
		w := h.command("vmo", "ship", "--watch") // what the window does of it
		w.Stdout, w.Stderr = io.Discard, os.Stderr
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		windows = append(windows, w)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { h.must("exec", "--", "play", "noise", strconv.Itoa(3<<20), "4096") })
	}
	wg.Wait()
	for end := time.Now().Add(time.Minute); ; {
		var all struct {
			Archive engine.ArchiveStatus `json:"archive"`
			Check   engine.DatabaseCheck `json:"database"`
		}
		if err := json.Unmarshal([]byte(h.must("db", "status", "--json")), &all); err != nil {
			t.Fatal(err)
		}
		n := strings.Count(h.must("jobs", "--archive", "--json", "--limit", "100", "--state", "succeeded"), "\n")
		if n == 10 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of 10 jobs are in the archive: %+v", n, all)
		}
	}
	for _, w := range windows {
		if err := w.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if err := w.Wait(); err != nil {
			t.Error(err)
		}
	}
	for _, j := range h.jobs() {
		if here, there := h.sum("show", string(j.ID)), h.sum("show", "--archive", string(j.ID)); here != there {
			t.Errorf("job %s is not the same there", j.ID)
		}
	}
	h.intact()
}

// A server that was restarted with the data of another major version does not
// start. Nothing here minds, and everything follows when that was put right.
func TestArchive_DataOfAnotherVersion(t *testing.T) {
	t.Parallel()
	h := newArchived(t)
	h.must("exec", "--", "echo", "before")
	h.shipped()
	h.c.Shutdown()
	if err := h.c.StartOn(t, "9.6"); err == nil || !strings.Contains(err.Error(), "incompatible") {
		t.Fatalf("the server starts on data of another version, or fails for another reason: %v", err)
	}
	h.must("exec", "--", "echo", "meanwhile")
	if out, errs, code := h.vmo("db", "status"); code != 1 || !strings.Contains(errs, "it is tried again") {
		t.Errorf("db status: exit code %d\n%s%s", code, out, errs)
	}
	h.c.Start(t)
	h.shipped()
	if n := strings.Count(h.must("jobs", "--archive", "--json"), "\n"); n != 2 {
		t.Errorf("%d jobs are there, want 2", n)
	}
	h.intact()
}

// A database that is away for the length of a gigabyte costs nothing but disk.
func TestArchive_AGigabyteWhileItIsAway(t *testing.T) {
	t.Parallel()
	h := newArchived(t)
	vmo := filepath.Join(h.dir, "vmo")
	if out, err := exec.Command("go", "build", "-o", vmo, ".").CombinedOutput(); err != nil { // ten times faster than this binary
		t.Fatalf("build vmo: %v\n%s", err, out)
	}
	h.c.Shutdown()
	const lines = 11_000_000 // of about 98 bytes
	line := func(n int) string {
		return fmt.Sprintf("%010d the quick brown fox jumps over the lazy dog and back again, once more and once more, until %d", n, n)
	}
	want := sha256.New()
	for i := 1; i <= lines; i++ {
		io.WriteString(want, line(i)+"\n") //nolint:errcheck // a hash never fails
	}
	script := fmt.Sprintf(`BEGIN { for (i = 1; i <= %d; i++) printf "%%010d the quick brown fox jumps over the lazy dog and back again, once more and once more, until %%d\n", i, i }`, lines)
	run := func(args ...string) string {
		t.Helper()
		cmd := h.command(vmo, args...)
		digest := sha256.New()
		cmd.Stdout, cmd.Stderr = digest, os.Stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("vmo %q: %v", args, err)
		}
		return hex.EncodeToString(digest.Sum(nil))
	}
	if got := run("exec", "--", "awk", script); got != hex.EncodeToString(want.Sum(nil)) {
		t.Fatal("it is not even recorded")
	}
	id := string(h.newest().ID)
	h.c.Start(t)
	run("ship", "--once")
	if got := run("show", "--archive", id); got != hex.EncodeToString(want.Sum(nil)) {
		t.Error("the archive gives back something else")
	}
	if out, errs, code := h.vmo("verify", "--archive", id); code != 0 {
		t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
	}
}

// What the database has is taken into another journal with its proof.
func TestArchive_ARecordForAnotherJournal(t *testing.T) {
	t.Parallel()
	h, other := newArchived(t), newHouse(t)
	h.must("exec", "--", "play", "noise", strconv.Itoa(1<<20), "4096")
	h.shipped()
	id, file := string(h.newest().ID), filepath.Join(h.dir, "job.vmo")
	h.must("export", "--archive", "--format", "record", "-o", file, id)
	other.must("import", file)
	if here, there := h.sum("show", id), other.sum("show", id); here != there {
		t.Error("it is not the same there")
	}
	other.must("verify", id)
}
