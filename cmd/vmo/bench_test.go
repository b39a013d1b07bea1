//go:build unix

package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
)

var (
	benchMiB  = flag.Int("bench-mib", 0, "measure vmo with so many MiB of log lines; 0 measures nothing")
	benchJobs = flag.Int("bench-jobs", 100_000, "and with so many jobs in the journal")
	benchRuns = flag.Int("bench-runs", 3, "the median of so many interleaved runs")
)

// TestBench prints how vmo compares with its peers in one interleaved run, and
// fails where a target is missed:
//
//	go test ./cmd/vmo -run TestBench -v -count=1 -timeout 30m -bench-mib 1024
func TestBench(t *testing.T) {
	if *benchMiB == 0 {
		t.Skip("measure with: go test ./cmd/vmo -run TestBench -v -count=1 -timeout 30m -bench-mib 1024")
	}
	b := newBench(t)
	b.capture()
	b.jobs()
	b.tail()
	b.search()
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range b.rows {
		fmt.Fprintln(w, row)
	}
	w.Flush()
}

type bench struct {
	t    *testing.T
	h    house
	vmo  string
	src  string // the lines
	rows []string
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, h: newHouse(t)}
	b.vmo = filepath.Join(b.h.dir, "vmo")
	if out, err := exec.Command("go", "build", "-o", b.vmo, ".").CombinedOutput(); err != nil {
		t.Fatalf("build vmo: %v\n%s", err, out)
	}
	b.src = filepath.Join(b.h.dir, "lines")
	f, err := os.Create(b.src)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for i, n := 0, 0; n < *benchMiB<<20; i++ {
		k, _ := fmt.Fprintf(w, "2026-11-24T00:%02d:%02d.%06d INFO worker-%d request handled in %d ms path=/api/v1/items/%d\n", i/60%60, i%60, i%1000000, i%16, i%97, i*7919)
		n += k
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return b
}

// row adds a line to the table; missed fails the test.
func (b *bench) row(what, measured, target string, missed bool) {
	verdict := "ok"
	if missed {
		verdict = "MISSED"
		b.t.Errorf("%s: %s, the target is %s", what, measured, target)
	}
	if target == "" {
		verdict = ""
	}
	b.rows = append(b.rows, strings.Join([]string{what, measured, target, verdict}, "\t"))
}

type runner struct {
	name string
	tool string // that must be there
	argv []string
	took []time.Duration
	cpu  []time.Duration
	peak int64 // bytes
}

func (r *runner) median() time.Duration {
	if len(r.took) == 0 {
		return 0
	}
	slices.Sort(r.took)
	return r.took[len(r.took)/2]
}

// capture records the same lines with vmo and with its peers, in turn.
func (b *bench) capture() {
	out := filepath.Join(b.h.dir, "out")
	command := "cat " + b.src
	all := []*runner{
		{name: "cat", tool: "cat", argv: []string{"sh", "-c", command + " | cat >" + out}},
		{name: "vmo", tool: "cat", argv: []string{b.vmo, "exec", "--", "cat", b.src}},
		{name: "vmo --tty", tool: "cat", argv: []string{b.vmo, "exec", "--tty", "--", "cat", b.src}},
		{name: "script", tool: "script", argv: []string{"script", "-qc", command, out}},
		{name: "asciinema", tool: "asciinema", argv: []string{"asciinema", "rec", "--overwrite", "-q", "-c", command, out}},
	}
	for range *benchRuns {
		for _, r := range all {
			if _, err := exec.LookPath(r.tool); err != nil {
				fmt.Printf("%s is missing: not compared with it\n", r.tool)
				continue
			}
			b.once(r, out)
		}
	}
	for _, r := range all {
		slices.Sort(r.cpu)
		if m := r.median(); m > 0 {
			b.row(fmt.Sprintf("%d MiB of lines, %s", *benchMiB, r.name),
				fmt.Sprintf("%.2f s, %.2f s of processor, %.0f MiB/s", m.Seconds(), r.cpu[len(r.cpu)/2].Seconds(), float64(*benchMiB)/m.Seconds()), "", false)
		}
	}
	cat, vmo, tty, script, asciinema := all[0], all[1], all[2], all[3], all[4]
	b.ratio("vmo to cat >file", vmo, cat, 2.5, true)
	b.ratio("script to vmo", script, vmo, 5, false)
	b.ratio("asciinema to vmo", asciinema, vmo, 10, false)
	b.ratio("vmo --tty to script", tty, script, 1.05, true) // no slower, give or take the noise: the kernel's terminal is what takes the time
	peak := max(vmo.peak, tty.peak)
	b.row("peak memory of vmo", fmt.Sprintf("%d MiB", peak>>20), "< 100 MiB", peak >= 100<<20)
}

func (b *bench) ratio(what string, x, y *runner, target float64, most bool) {
	if len(x.took) == 0 || len(y.took) == 0 {
		return
	}
	r := x.median().Seconds() / y.median().Seconds()
	if most {
		b.row(what, fmt.Sprintf("%.2f×", r), fmt.Sprintf("≤ %v×", target), r > target)
	} else {
		b.row(what, fmt.Sprintf("%.2f×", r), fmt.Sprintf("≥ %v×", target), r < target)
	}
}

func (b *bench) once(r *runner, out string) {
	cmd := b.h.command(r.argv[0], r.argv[1:]...)
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("%q: %v", r.argv, err)
	}
	r.took = append(r.took, time.Since(began))
	r.cpu = append(r.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	if use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.peak = max(r.peak, int64(use.Maxrss)<<10) // of vmo or its largest child, in KiB on Linux
	}
	// The disk writes what it was given before the next one starts.
	os.Remove(out)
	os.RemoveAll(filepath.Join(b.h.dir, "journal"))
	syscall.Sync()
}

// jobs lists a long history. It is made in memory, where a disk that is asked
// for every job would take minutes.
func (b *bench) jobs() {
	dir := b.h.dir
	if _, err := os.Stat("/dev/shm"); err == nil {
		if dir, err = os.MkdirTemp("/dev/shm", "vmo-bench-"); err != nil {
			b.t.Fatal(err)
		}
		defer os.RemoveAll(dir)
	}
	j, err := journal.Open(b.t.Context(), journal.Config{Dir: dir})
	if err != nil {
		b.t.Fatal(err)
	}
	run := job.NewRun(job.Spec{Argv: []string{"make", "deploy"}, Target: "deploy", Dir: "/srv/web"})
	code := 0
	for range *benchJobs {
		r, err := j.Begin(run.Begin("", "bench@here", time.Now()))
		if err == nil {
			_, err = r.Finish(job.Exit{State: job.Succeeded, Cause: job.CauseExit, Code: &code})
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.t.Fatal(err)
	}
	list := func(args ...string) time.Duration {
		began := time.Now()
		if out, err := b.h.command(b.vmo, append([]string{"--data-dir", dir}, args...)...).CombinedOutput(); err != nil {
			b.t.Fatalf("vmo %q: %v: %s", args, err, out)
		}
		return time.Since(began)
	}
	var took []time.Duration
	for range 11 {
		took = append(took, list("jobs"))
	}
	slices.Sort(took)
	b.row(fmt.Sprintf("vmo jobs with %d jobs", *benchJobs), took[5].Round(100*time.Microsecond).String(), "< 50 ms", took[5] >= 50*time.Millisecond)
	again := list("reindex")
	b.row(fmt.Sprintf("vmo reindex with %d jobs", *benchJobs), again.Round(time.Millisecond).String(), "≤ 60 s", again > time.Minute)
}

// tail opens the end of a large record, while it lives in another process and
// when it has ended.
func (b *bench) tail() {
	cmd := b.h.command(b.vmo, "exec", "--", "sh", "-c", "cat "+b.src+"; read x")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	info, err := os.Stat(b.src)
	if err != nil {
		b.t.Fatal(err)
	}
	e, err := engine.Open(b.t.Context(), engine.Config{DataDir: filepath.Join(b.h.dir, "journal")})
	if err != nil {
		b.t.Fatal(err)
	}
	defer e.Close()
	id := b.recorded(e, uint64(info.Size()))
	b.open(e, id, "living in another process")
	if _, err := io.WriteString(in, "\n"); err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.t.Fatal(err)
	}
	b.open(e, id, "ended")
}

// recorded waits until the newest job has printed so much.
func (b *bench) recorded(e *engine.Engine, bytes uint64) job.ID {
	for {
		jobs, err := e.Jobs(context.Background(), job.Filter{}, "", 1)
		if err != nil {
			b.t.Fatal(err)
		}
		if len(jobs) > 0 && jobs[0].Bytes >= bytes {
			return jobs[0].ID
		}
	}
}

func (b *bench) open(e *engine.Engine, id job.ID, state string) {
	measure := func(what string, do func(*engine.Reader) error) {
		var took []time.Duration
		for range *benchRuns {
			began := time.Now()
			r, err := e.Output(id)
			if err == nil {
				err = do(r)
			}
			if err != nil {
				b.t.Fatal(err)
			}
			took = append(took, time.Since(began))
			r.Close()
		}
		slices.Sort(took)
		m := took[len(took)/2]
		b.row(fmt.Sprintf("%s of %d MiB, %s", what, *benchMiB, state), m.Round(100*time.Microsecond).String(), "< 100 ms", m >= 100*time.Millisecond)
	}
	measure("the last page", func(r *engine.Reader) error {
		place, err := r.Tail(64 << 10)
		if err != nil {
			return err
		}
		_, err = r.Page(place.Seq, 1<<20)
		return err
	})
	measure("the last 50 lines", func(r *engine.Reader) error {
		_, err := r.Lines(-50, 50)
		return err
	})
}
