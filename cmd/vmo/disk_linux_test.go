package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vmorchestrator/internal/job"
)

// smallDisk mounts a file system of a few megabytes under the journal. Tests
// that fill a disk refuse any other.
func (h house) smallDisk() string {
	h.t.Helper()
	dir := filepath.Join(h.dir, "journal")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m,mode=0700"); err != nil {
		h.t.Skipf("cannot mount a small file system here (root can): %v", err)
	}
	h.t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			h.t.Error(err)
		}
	})
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		h.t.Fatal(err)
	}
	if st.Type != unix.TMPFS_MAGIC || int64(st.Blocks)*st.Bsize > 32<<20 {
		h.t.Fatalf("%s is not the small file system that was mounted: it will not be filled", dir)
	}
	return dir
}

// fill takes the space that is left and returns what gives it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4096} {
		for block := make([]byte, size); ; {
			if _, err := f.Write(block); err != nil {
				break
			}
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

func stalled(j job.Job) bool { return j.Stalled != "" }

// Ensure a full disk refuses new jobs in clear words, that a running one waits,
// is seen to wait, and goes on without loss when there is space again.
func TestFullDisk_WaitsAndGoesOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dir := h.smallDisk()
	h.must("exec", "--", "true")
	const lines = 300_000 // 3.7 MB and more with their frames
	owner := h.command("sh", "-c", fmt.Sprintf("vmo exec -- sh -c 'read x; play lines %d'", lines))
	var out bytes.Buffer
	owner.Stdout = &out
	in, err := owner.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	h.until("running", func(j job.Job) bool { return j.State == job.Running })
	free := fill(t, dir)
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Fatal(err)
	}
	waiting := h.until("waiting", stalled)
	if waiting.State != job.Running || !strings.Contains(waiting.Stalled, "space") {
		t.Errorf("the job that waits is %+v", waiting)
	}
	if list := h.must("jobs"); !strings.Contains(list, "running (waits: no space left") {
		t.Errorf("the list does not say that it waits:\n%s", list)
	}
	_, errs, code := h.vmo("exec", "--", "true")
	if code != 125 || !strings.Contains(errs, "no space left for the journal") || !strings.Contains(errs, "MiB free") || !strings.Contains(errs, "Free some space") {
		t.Errorf("a new job: exit code %d, %q", code, errs)
	}
	shown := h.must("show", "@1")
	if !strings.HasPrefix(counted(lines), shown) {
		t.Error("what is recorded so far is not what was printed")
	}
	free()
	if err := owner.Wait(); err != nil {
		t.Fatal(err)
	}
	if want := counted(lines); out.String() != want || h.must("show", "@1") != want {
		t.Errorf("printed %d bytes, recorded %d, want %d", out.Len(), len(h.must("show", "@1")), len(want))
	}
	if j := h.newest(); j.State != job.Succeeded || stalled(j) {
		t.Errorf("the job is %+v", j)
	}
}

// Ensure that on a full disk the operator may go on without a record, which
// marks what is missing, and may stop the job, in both cases from elsewhere.
func TestFullDisk_UnrecordedAndCancel(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dir := h.smallDisk()
	h.must("exec", "--", "true")
	owner := h.command("vmo", "exec", "--", "sh", "-c", "read x; play lines 1000000; echo the end; read y; echo after")
	var errs bytes.Buffer
	owner.Stderr = &errs
	in, err := owner.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	h.until("running", func(j job.Job) bool { return j.State == job.Running })
	free := fill(t, dir)
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Fatal(err)
	}
	h.until("waiting", stalled)
	h.must("unrecorded", "@1")
	// All of it has been printed when the second read begins, which is when the
	// command has taken the line.
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Fatal(err)
	}
	if err := owner.Wait(); err != nil {
		t.Fatal(err)
	}
	j := h.newest()
	if j.State != job.Succeeded || j.Unrecorded == 0 {
		t.Errorf("the job is %+v", j)
	}
	chunks := h.must("show", "--json", "@1")
	if want := fmt.Sprintf(`"event":{"kind":"gap","bytes":%d`, j.Unrecorded); !strings.Contains(chunks, want) {
		t.Errorf("there is no %s in the record", want)
	}
	if !strings.Contains(errs.String(), "were not recorded") {
		t.Errorf("the operator was told %q", errs.String())
	}
	if got, want := j.Bytes+j.Unrecorded, uint64(len(counted(1000000))+len("the end\nafter\n")); got != want {
		t.Errorf("recorded and missing are %d bytes, printed were %d", got, want)
	}

	free()
	cancelled := h.command("vmo", "exec", "--", "sh", "-c", "read x; play lines 0")
	if in, err = cancelled.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cancelled.Start(); err != nil {
		t.Fatal(err)
	}
	h.until("running", func(j job.Job) bool { return j.State == job.Running })
	free = fill(t, dir)
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Fatal(err)
	}
	h.until("waiting", stalled)
	if out := h.must("cancel", "@1"); !strings.Contains(out, "cancelled") {
		t.Errorf("cancel says %q", out)
	}
	_ = cancelled.Wait()
	if j := h.newest(); j.State != job.Cancelled || j.Cause != job.CauseCancel {
		t.Errorf("the job is %+v", j)
	}
	free()
	if list := h.must("doctor"); !strings.Contains(list, "journal") {
		t.Error(list)
	}
}

// Ensure vmo can be killed on a full disk: the list can be read, and the job is
// lost with all that was recorded as soon as there is space to say so.
func TestFullDisk_Killed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dir := h.smallDisk()
	owner := h.command("vmo", "exec", "--", "play", "lines", "0")
	out := startPiped(t, owner)
	if _, err := io.ReadFull(out, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	free := fill(t, dir)
	h.until("waiting", stalled)
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	if list := h.jobs(); len(list) != 1 {
		t.Errorf("on the full disk the list is %+v", list)
	}
	shown := h.must("show", "@1")
	free()
	j := h.until("lost", func(j job.Job) bool { return j.State == job.Lost })
	if stalled(j) || h.must("show", "@1") != shown {
		t.Errorf("the lost job is %+v", j)
	}
	h.must("exec", "--", "true")
	if left, err := filepath.Glob(filepath.Join(dir, "open", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Ensure a journal on a disk that cannot be written can be read, and says in
// clear words that nothing can be recorded.
func TestReadOnly_ShowsAndRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dir := h.smallDisk()
	h.must("exec", "--", "echo", "kept")
	living := h.command("vmo", "exec", "--", "play", "wait")
	if _, err := io.ReadFull(startPiped(t, living), make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	_ = living.Process.Kill()
	_ = living.Wait()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	jobs := h.jobs()
	if len(jobs) != 2 || jobs[0].State != job.Lost || jobs[1].State != job.Succeeded {
		t.Errorf("the list is %+v", jobs)
	}
	if out := h.must("show", "@2"); out != "kept\n" {
		t.Errorf("show says %q", out)
	}
	began := time.Now()
	if out := h.must("follow", "@1"); out != "ready\n" || time.Since(began) > 10*time.Second {
		t.Errorf("follow says %q after %v", out, time.Since(began))
	}
	for _, args := range [][]string{{"exec", "--", "true"}, {"compact"}, {"doctor"}} {
		out, errs, code := h.vmo(args...)
		if code == 0 || !strings.Contains(out+errs, "read-only") || args[0] != "compact" && !strings.Contains(out+errs, "--data-dir") {
			t.Errorf("vmo %s: exit code %d, %q %q", args[0], code, out, errs)
		}
	}
}
