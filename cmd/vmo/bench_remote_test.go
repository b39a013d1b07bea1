//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/creack/pty"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

// TestBenchHosts prints how vmo reaches hosts beside ssh and the programs that
// run a command on many of them, in one interleaved run against one sshd:
//
//	go test ./cmd/vmo -run TestBenchHosts -v -count=1 -timeout 30m -bench-mib 256
func TestBenchHosts(t *testing.T) {
	if *benchMiB == 0 {
		t.Skip("measure with: go test ./cmd/vmo -run TestBenchHosts -v -count=1 -timeout 30m -bench-mib 256")
	}
	*benchMiB = min(*benchMiB, 256) // all of it goes over a connection, several times
	b := &hostBench{bench: newBench(t), hosts: names(200)}
	b.server = remotetest.Start(t, remotetest.Config{Hosts: b.hosts})
	text, err := os.ReadFile(b.server.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(b.h.dir, "ssh_config"), string(text))
	b.many()
	b.bulk()
	b.echo()
	b.noise()
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range b.rows {
		fmt.Fprintln(w, row)
	}
	w.Flush()
}

type hostBench struct {
	*bench
	server *remotetest.Server
	hosts  []string
}

// many runs true on a hundred hosts. All of them get the four connections at a
// time that vmo makes to one server: with more, some of the others' are refused.
func (b *hostBench) many() {
	hosts := b.hosts[:100]
	list := strings.Join(hosts, ",")
	all := []*runner{
		{name: "vmo", tool: "ssh", argv: []string{b.vmo, "exec", "--on", list, "--", "true"}},
		{name: "clush", tool: "clush", argv: []string{"clush", "-f", "4", "-S", "-o", "-F " + b.server.ConfigFile, "-w", list, "true"}},
		{name: "parallel-ssh", tool: "parallel-ssh", argv: []string{"parallel-ssh", "-p", "4", "-x", "-F " + b.server.ConfigFile, "-H", strings.Join(hosts, " "), "true"}},
	}
	out := filepath.Join(b.h.dir, "out")
	warm := &runner{name: "vmo, connected"}
	e, err := engine.Open(b.t.Context(), engine.Config{DataDir: filepath.Join(b.h.dir, "warm"), SSHConfig: b.server.ConfigFile})
	if err != nil {
		b.t.Fatal(err)
	}
	defer e.Close()
	b.launch(e, hosts)
	for range *benchRuns {
		for _, r := range all {
			if _, err := exec.LookPath(r.tool); err != nil {
				fmt.Printf("%s is missing: not compared with it\n", r.tool)
				continue
			}
			b.once(r, out)
		}
		warm.took = append(warm.took, b.launch(e, hosts))
	}
	for _, r := range append(all, warm) {
		if m := r.median(); m > 0 {
			b.row(fmt.Sprintf("true on %d hosts, %s", len(hosts), r.name), m.Round(time.Millisecond).String(), "", false)
		}
	}
	for _, peer := range all[1:] {
		b.ratio(peer.name+" to vmo", peer, all[0], 2, false)
		b.ratio(peer.name+" to vmo, connected", peer, warm, 10, false)
	}
}

// launch runs true on hosts and returns how long that took.
func (b *hostBench) launch(e *engine.Engine, hosts []string) time.Duration {
	began := time.Now()
	_, jobs, err := e.Start(engine.Launch{Spec: job.Spec{Argv: []string{"true"}}, Hosts: hosts})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, j := range jobs {
		if j, err = e.Wait(b.t.Context(), j.ID); err != nil || j.State != job.Succeeded {
			b.t.Fatalf("%+v, %v", j, err)
		}
	}
	return time.Since(began)
}

// bulk copies a large file off a host.
func (b *hostBench) bulk() {
	host := b.hosts[0]
	ssh := &runner{name: "ssh", argv: []string{"sh", "-c", "ssh -F " + b.server.ConfigFile + " " + host + " cat " + b.src + " >/dev/null"}}
	vmo := &runner{name: "vmo", argv: []string{"sh", "-c", b.vmo + " exec --on " + host + " -- cat " + b.src + " >/dev/null"}}
	for range *benchRuns {
		b.once(ssh, "")
		b.once(vmo, "")
	}
	for _, r := range []*runner{ssh, vmo} {
		b.row(fmt.Sprintf("%d MiB from a host, %s", *benchMiB, r.name), fmt.Sprintf("%.0f MiB/s", float64(*benchMiB)/r.median().Seconds()), "", false)
	}
	b.ratio("rate of vmo to that of ssh", ssh, vmo, 0.9, false)
}

// echo measures how long a key takes to the host and back to the screen.
func (b *hostBench) echo() {
	host := b.hosts[0]
	ssh := b.shell("ssh", "-tt", "-F", b.server.ConfigFile, host)
	vmo := b.shell(b.vmo, "shell", host)
	var s, v []time.Duration
	for range 200 {
		s, v = append(s, b.key(ssh)), append(v, b.key(vmo))
	}
	slices.Sort(s)
	slices.Sort(v)
	for _, r := range []struct {
		name string
		took []time.Duration
	}{{"ssh -tt", s}, {"vmo shell", v}} {
		b.row("a key to the host and back, "+r.name, fmt.Sprintf("median %.2f ms, 95 %% below %.2f ms", ms(r.took[100]), ms(r.took[190])), "", false)
	}
	later := ms(v[100] - s[100])
	b.row("vmo shell later than ssh -tt", fmt.Sprintf("%.2f ms", later), "≤ 5 ms", later > 5)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// shell opens a terminal on a host in which every key comes back as it is.
func (b *hostBench) shell(name string, args ...string) *os.File {
	cmd := b.h.command(name, args...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 100, Rows: 30})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		tty.Close()
	})
	if _, err := io.WriteString(tty, "stty raw -echo; echo rea''dy; exec cat\n"); err != nil {
		b.t.Fatal(err)
	}
	var said bytes.Buffer
	for buf := make([]byte, 4096); !strings.HasSuffix(said.String(), "ready\n"); {
		n, err := tty.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			b.t.Fatalf("%s: %v after %q", name, err, said.String())
		}
	}
	return tty
}

func (b *hostBench) key(tty *os.File) time.Duration {
	began := time.Now()
	if _, err := tty.Write([]byte{'x'}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := io.ReadFull(tty, make([]byte, 1)); err != nil {
		b.t.Fatal(err)
	}
	return time.Since(began)
}

// noise has every host print as fast as it can.
func (b *hostBench) noise() {
	r := &runner{name: "vmo", argv: []string{b.vmo, "exec", "--on", strings.Join(b.hosts, ","), "--", "seq", "1", "300000"}}
	b.once(r, "")
	b.row(fmt.Sprintf("peak memory with 2 MB from each of %d hosts", len(b.hosts)), fmt.Sprintf("%d MiB, in %.1f s", r.peak>>20, r.took[0].Seconds()), "< 300 MiB", r.peak >= 300<<20)
}
