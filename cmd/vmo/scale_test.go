//go:build unix

package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
	"testing"

	"vmorchestrator/internal/job"
)

// names are so many names of hosts.
func names(n int) []string {
	hosts := make([]string, n)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("h%03d", i+1)
	}
	return hosts
}

// Ensure two hundred hosts behind one server as it is installed are all served,
// without one refused handshake, and that nothing of what they print at once is
// lost, doubled or mixed: not in the output, not in a record.
func TestOn_TwoHundredHosts(t *testing.T) {
	t.Parallel()
	hosts := names(200)
	h, s := fleet(t, hosts...)
	const last = 30_000
	want, size := sha256.New(), uint64(0)
	for i := range last {
		n, _ := fmt.Fprintln(want, i+1)
		size += uint64(n)
	}
	cmd := h.command("vmo", "exec", "--on", strings.Join(hosts, ","), "--", "seq", "1", fmt.Sprint(last))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got := map[string]hash.Hash{}
	for _, host := range hosts {
		got[host] = sha256.New()
	}
	for r := bufio.NewScanner(out); r.Scan(); {
		host, line, _ := strings.Cut(r.Text(), " | ")
		if got[host] == nil {
			t.Fatalf("nobody's line: %q", r.Text())
		}
		fmt.Fprintln(got[host], line)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	for _, host := range hosts {
		if string(got[host].Sum(nil)) != string(want.Sum(nil)) {
			t.Errorf("%s: what was printed is not what the host printed", host)
		}
	}
	jobs := h.jobs()
	if len(jobs) != len(hosts) {
		t.Errorf("%d jobs are recorded", len(jobs))
	}
	for _, j := range jobs {
		if j.State != job.Succeeded || j.Bytes != size || j.Run != jobs[0].Run {
			t.Errorf("the record is %+v, want %d bytes", j, size)
		}
	}
	if shown := sha256.Sum256([]byte(h.must("show", string(jobs[len(jobs)/2].ID)))); string(shown[:]) != string(want.Sum(nil)) {
		t.Errorf("%s: what was recorded is not what the host printed", jobs[len(jobs)/2].Host)
	}
	for line := range strings.Lines(s.Log()) {
		if strings.Contains(line, "MaxStartups") || strings.Contains(line, "drop connection") {
			t.Errorf("the server refused: %s", line)
		}
	}
	if n := strings.Count(s.Log(), "Accepted publickey"); n != len(hosts) {
		t.Errorf("%d log-ins for %d hosts", n, len(hosts))
	}
}
