//go:build unix

package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"vmorchestrator/internal/archive/archivetest"
	"vmorchestrator/internal/job"
)

// TestBenchArchive prints how fast a record gets into Postgres, beside psql's
// \copy of the same output and beside an INSERT for each chunk of it, and how
// long a page of the team's history takes, in one interleaved run:
//
//	go test ./cmd/vmo -run TestBenchArchive -v -count=1 -timeout 30m -bench-mib 1024
func TestBenchArchive(t *testing.T) {
	if *benchMiB == 0 {
		t.Skip("measure with: go test ./cmd/vmo -run TestBenchArchive -v -count=1 -timeout 30m -bench-mib 1024")
	}
	// A server as it is installed, which syncs its disk at each commit.
	b := &archiveBench{bench: newBench(t), c: archivetest.New(t, "fsync = on", "shared_buffers = 128MB")}
	b.ship()
	b.history()
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range b.rows {
		fmt.Fprintln(w, row)
	}
	w.Flush()
}

type archiveBench struct {
	*bench
	c *archivetest.Cluster
}

// vmo runs vmo against a database and returns how long it took.
func (b *archiveBench) vmo(database string, args ...string) time.Duration {
	b.t.Helper()
	cmd := b.h.command(b.bench.vmo, args...)
	if database != "" {
		cmd.Env = append(cmd.Env, "VMO_DATABASE_URL="+b.c.URL(archivetest.Admin, database))
	}
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("vmo %q: %v\n%s", args, err, out)
	}
	return time.Since(began)
}

func (b *archiveBench) ship() {
	b.vmo("", "exec", "--", "cat", b.src)
	raw := filepath.Join(b.c.Dir, "raw")
	b.copyFile(raw)
	shipped, copied := &runner{name: "vmo ship --once"}, &runner{name: `psql \copy of rows of 64 KiB`}
	blocks := &runner{name: `psql \copy of the compressed blocks themselves`}
	for range *benchRuns {
		db := b.c.Database(b.t, "")
		b.vmo(db, "db", "init")
		b.vmo(db, "db", "history", "all")
		shipped.took = append(shipped.took, b.vmo(db, "ship", "--once"))

		b.c.Exec(b.t, db, `CREATE TABLE raw (seq bigint PRIMARY KEY, data bytea)`)
		copied.took = append(copied.took, b.psql(db, `\copy raw from '`+raw+`' (format binary)`))

		file := filepath.Join(b.c.Dir, "blocks-"+db)
		b.c.Exec(b.t, db, `COPY (SELECT * FROM vmo.block) TO '`+file+`' (FORMAT binary)`)
		b.c.Exec(b.t, db, `CREATE TABLE blocks (LIKE vmo.block INCLUDING ALL)`)
		blocks.took = append(blocks.took, b.psql(db, `\copy blocks from '`+file+`' (format binary)`))
		os.Remove(file)
	}
	rate := func(r *runner) float64 { return float64(*benchMiB) / r.median().Seconds() }
	for _, r := range []*runner{shipped, copied, blocks} {
		b.row(fmt.Sprintf("%d MiB of lines, %s", *benchMiB, r.name), fmt.Sprintf("%.2f s, %.0f MiB/s", r.median().Seconds(), rate(r)), "", false)
	}
	b.row(`rate of shipping to that of \copy`, fmt.Sprintf("%.2f×", rate(shipped)/rate(copied)), "≥ 0.5×", rate(shipped) < 0.5*rate(copied))

	const chunk, chunks = 100, 20_000
	db := b.c.Database(b.t, "")
	b.c.Exec(b.t, db, `CREATE TABLE chunk (job uuid, seq bigint, data bytea, PRIMARY KEY (job, seq))`)
	conn := b.c.Connect(b.t, archivetest.Admin, db)
	defer conn.Close(b.t.Context())
	id, data := string(job.NewID()), make([]byte, chunk)
	began := time.Now()
	for seq := range chunks {
		if _, err := conn.Exec(b.t.Context(), `INSERT INTO chunk VALUES ($1, $2, $3)`, id, seq, data); err != nil {
			b.t.Fatal(err)
		}
	}
	each := float64(chunks*chunk) / (1 << 20) / time.Since(began).Seconds()
	b.row("one awaited INSERT for each 100 bytes", fmt.Sprintf("%.2f MiB/s", each), "", false)
	b.row("rate of shipping to that", fmt.Sprintf("%.0f×", rate(shipped)/each), "≥ 100×", rate(shipped) < 100*each)
}

func (b *archiveBench) psql(database, command string) time.Duration {
	b.t.Helper()
	began := time.Now()
	if out, err := b.c.Client(database, "psql", "-q", "-c", command); err != nil {
		b.t.Fatalf("%v\n%s", err, out)
	}
	return time.Since(began)
}

// copyFile writes the lines as rows of 64 KiB, in the binary format of COPY.
func (b *archiveBench) copyFile(path string) {
	in, err := os.Open(b.src)
	if err != nil {
		b.t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644) // the server is another user
	if err != nil {
		b.t.Fatal(err)
	}
	w := bufio.NewWriterSize(out, 1<<20)
	w.WriteString("PGCOPY\n\xff\r\n\x00" + strings.Repeat("\x00", 8))
	piece := make([]byte, 64<<10)
	var head []byte
	for seq := uint64(0); ; seq++ {
		n, err := io.ReadFull(in, piece)
		if n == 0 {
			break
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			b.t.Fatal(err)
		}
		head = binary.BigEndian.AppendUint16(head[:0], 2)
		head = binary.BigEndian.AppendUint32(head, 8)
		head = binary.BigEndian.AppendUint64(head, seq)
		head = binary.BigEndian.AppendUint32(head, uint32(n))
		w.Write(head)
		w.Write(piece[:n])
	}
	w.WriteString("\xff\xff")
	if err := w.Flush(); err != nil {
		b.t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		b.t.Fatal(err)
	}
}

// history lists a long history of many installations.
func (b *archiveBench) history() {
	db := b.c.Database(b.t, "")
	b.vmo(db, "db", "init")
	b.c.Exec(b.t, db, fmt.Sprintf(`
		INSERT INTO vmo.installation (installation_id, operator, laptop) SELECT 'i' || i, 'anna', 'anna@laptop' || i FROM generate_series(1, 20) i;
		INSERT INTO vmo.job (job_id, run_id, installation_id, claimed_operator, host, project, target, source, command, tty, queued_at, prelude, begin)
			SELECT vmo.id_at(at), vmo.id_at(at), 'i' || i %% 20 + 1, 'anna@laptop', 'web-' || i %% 50, 'shop', 'deploy', '', 'make deploy N=' || i, false, at, '',
				convert_to(json_build_object('id', vmo.id_at(at), 'host', 'web-' || i %% 50, 'target', 'deploy', 'argv', json_build_array('make', 'deploy', 'N=' || i),
					'dir', '/srv/web', 'queued_at', at, 'operator', 'anna@laptop')::text, 'UTF8')
			FROM (SELECT i, now() - make_interval(mins => %d - i) AS at FROM generate_series(1, %[1]d) i) g;
		INSERT INTO vmo.job_event (job_id, kind, seq, at, body) SELECT job_id, 'start', 0, 0, '{"at":"2026-11-25T12:00:00Z"}' FROM vmo.job;
		INSERT INTO vmo.job_event (job_id, kind, seq, at, body, state) SELECT job_id, 'end', 9, 9, '{"state":"succeeded","cause":"exit","code":0,"at":"2026-11-25T12:00:01Z"}', 'succeeded' FROM vmo.job;
		INSERT INTO vmo.block (job_id, number, first_seq, last_seq, "offset", bytes, first_line, lines, first_at, last_at, raw_len, digest, chain, data)
			SELECT job_id, 0, 1, 9, 0, 900, 0, 9, 0, 9, 1152, sha256(''), sha256(''), '\x00' FROM vmo.job`, *benchJobs))
	b.c.Exec(b.t, db, `VACUUM ANALYZE`) // as autovacuum does after a minute
	b.c.Exec(b.t, db, `CHECKPOINT`)
	for _, page := range []struct {
		name string
		args []string
	}{
		{"vmo jobs --archive", nil},
		{"vmo jobs --archive --host web-7", []string{"--host", "web-7"}},
		{"vmo jobs --archive --state failed (there are none)", []string{"--state", "failed"}},
		{"vmo jobs --archive --state running (there are none)", []string{"--state", "running"}},
		{"vmo jobs --archive --count", []string{"--count"}},
	} {
		var took []time.Duration
		for range 11 {
			took = append(took, b.vmo(db, append([]string{"jobs", "--archive"}, page.args...)...))
		}
		slices.Sort(took)
		b.row(fmt.Sprintf("%s with %d jobs", page.name, *benchJobs), took[5].Round(100*time.Microsecond).String(), "< 50 ms", took[5] >= 50*time.Millisecond)
	}
}
