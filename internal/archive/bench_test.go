package archive

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// The rate at which a backlog is shipped, beside what Postgres itself can take:
// compare MB/s of the three. Run with: go test ./internal/archive -run '^$' -bench .
func BenchmarkShip(b *testing.B) {
	const blocks, size = 4096, 16 << 10 // as 64 KiB of log are, compressed: 64 MiB
	c, db := newArchive(b)
	login, url := operator(b, c, db)

	b.Run("vmo", func(b *testing.B) {
		b.SetBytes(blocks * size)
		for b.Loop() {
			b.StopTimer()
			j := newJournal(c.Name("i"))
			for range 4 {
				j.run(blocks/4, size)
			}
			a := Open(Config{URL: url, Source: j})
			b.StartTimer()
			shipOnce(b, a)
		}
	})
	b.Run("psql-copy", func(b *testing.B) {
		c.Exec(b, db, `CREATE TABLE copied (LIKE vmo.block INCLUDING ALL)`)
		dir, err := os.MkdirTemp(c.Dir, "copy")
		if err != nil {
			b.Fatal(err)
		}
		if err := os.Chmod(dir, 0o777); err != nil { // the server is another user
			b.Fatal(err)
		}
		file := filepath.Join(dir, "blocks")
		j := newJournal(c.Name("i"))
		for range 4 {
			j.run(blocks/4, size)
		}
		shipOnce(b, Open(Config{URL: url, Source: j}))
		c.Exec(b, db, `COPY (SELECT b.* FROM vmo.block b JOIN vmo.job j USING (job_id) WHERE j.installation_id = '`+j.id+`') TO '`+file+`' (FORMAT binary)`)
		b.SetBytes(blocks * size)
		for b.Loop() {
			b.StopTimer()
			c.Exec(b, db, `TRUNCATE copied`)
			b.StartTimer()
			if out, err := c.Client(db, "psql", "-c", `\copy copied from '`+file+`' (format binary)`); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
		}
	})
	b.Run("insert-per-100-bytes", func(b *testing.B) {
		c.Exec(b, db, `CREATE TABLE inserted (job_id uuid, seq bigint, data bytea, PRIMARY KEY (job_id, seq)); GRANT INSERT ON inserted TO `+login)
		conn := c.Connect(b, login, db)
		defer conn.Close(b.Context())
		u, _ := uuid(job.NewID())
		line := make([]byte, 100)
		b.SetBytes(100)
		seq := 0
		for b.Loop() {
			seq++
			if _, err := conn.Exec(b.Context(), `INSERT INTO inserted VALUES ($1, $2, $3)`, u, seq, line); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A page of a history of 100 000 jobs.
func BenchmarkJobs(b *testing.B) {
	c, db := newArchive(b)
	_, url := operator(b, c, db)
	c.Exec(b, db, `
		INSERT INTO vmo.installation (installation_id, operator, laptop) SELECT 'i' || i, 'anna', 'laptop' FROM generate_series(1, 20) i;
		INSERT INTO vmo.job (job_id, run_id, installation_id, claimed_operator, host, project, target, source, command, tty, queued_at, prelude, begin)
			SELECT vmo.id_at(at), vmo.id_at(at), 'i' || i % 20 + 1, 'anna@laptop' || i % 20, 'web-' || i % 50, 'shop', 'target-' || i % 97, '', 'make target-' || i % 97 || ' N=' || i, false, at, '\x00',
				convert_to(json_build_object('id', vmo.id_at(at), 'host', 'web-' || i % 50, 'argv', json_build_array('make'), 'queued_at', at, 'operator', 'anna@laptop', 'env_names', json_build_array('A', 'B'), 'dir', repeat('x', 100))::text, 'UTF8')
			FROM (SELECT i, now() - interval '100000 minutes' + i * interval '1 minute' AS at FROM generate_series(1, 100000) i) g;
		INSERT INTO vmo.job_event (job_id, kind, seq, at, body) SELECT job_id, 'start', 0, 0, '{"at":"2026-11-25T12:00:00Z"}' FROM vmo.job;
		INSERT INTO vmo.job_event (job_id, kind, seq, at, body, state) SELECT job_id, 'end', 9, 9, '{"state":"succeeded","at":"2026-11-25T12:00:00Z"}',
			CASE WHEN right(command, 3) = '777' THEN 'failed' ELSE 'succeeded' END FROM vmo.job;
		INSERT INTO vmo.block (job_id, number, first_seq, last_seq, "offset", bytes, first_line, lines, first_at, last_at, raw_len, digest, chain, data)
			SELECT job_id, n, n, n, n * 100, 100, n, 1, 0, 0, 128, sha256(''), sha256(''), '\x00' FROM vmo.job, generate_series(0, 1) n`)
	// Beginnings, ends and, of one job in 50, a label and a note.
	c.Exec(b, db, `
		INSERT INTO vmo.ledger (installation_id, n, kind, job_id, at, body, sig)
			SELECT 'i1', row_number() OVER (), kind, job_id, now(), convert_to(json_build_object('kind', kind, 'about', job_id, 'digest', repeat('0', 64), 'prev', repeat('0', 64))::text, 'UTF8'), repeat('x', 64)::bytea
			FROM vmo.job, unnest(ARRAY['begin', 'seal']) kind;
		INSERT INTO vmo.ledger (installation_id, n, kind, job_id, at, body, sig)
			SELECT 'i2', row_number() OVER (), kind, job_id, now(), convert_to(format('{"kind":"%s","about":"%s","prev":"%s","text":"%s"}', kind, job_id, repeat('0', 64), 'good'), 'UTF8'), repeat('x', 64)::bytea
			FROM vmo.job, unnest(ARRAY['label', 'note']) kind WHERE right(command, 2) IN ('00', '50')`)
	c.Exec(b, db, `VACUUM ANALYZE`) // as autovacuum does
	a := Open(Config{URL: url})
	defer a.Close()
	middle := firstID(time.Now().Add(-50000 * time.Minute))
	for _, test := range []struct {
		name   string
		filter job.Filter
		before job.ID
	}{
		{"newest", job.Filter{}, ""},
		{"middle", job.Filter{}, middle},
		{"host", job.Filter{Hosts: []string{"web-7"}}, ""},
		{"failed", job.Filter{States: []job.State{job.Failed}}, ""},
		{"running", job.Filter{States: []job.State{job.Running}}, ""},
		{"text", job.Filter{Text: "n=77777"}, ""},
		{"label", job.Filter{Labels: []string{"good"}}, middle},
		{"since", job.Filter{Since: time.Now().Add(-2000 * time.Minute)}, middle},
	} {
		b.Run(test.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := a.Jobs(b.Context(), test.filter, test.before, 100); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, test := range []struct {
		name   string
		filter job.Filter
		all    int
	}{
		{"all", job.Filter{}, 100_000},
		{"host", job.Filter{Hosts: []string{"web-7"}}, 2000},
		{"text", job.Filter{Text: "make"}, 100_000},
		{"since", job.Filter{Since: time.Now().Add(-50_000 * time.Minute)}, 50_000},
	} {
		b.Run("count/"+test.name, func(b *testing.B) {
			for b.Loop() {
				counts, err := a.Count(b.Context(), test.filter)
				if n := all(counts); err != nil || n < test.all-2 || n > test.all {
					b.Fatal(counts, err)
				}
			}
		})
	}
	b.Run("acts", func(b *testing.B) {
		for b.Loop() {
			if list, more, err := a.Acts(b.Context(), job.Filter{Hosts: []string{"web-7"}, Since: time.Now().Add(-24 * time.Hour)}, 50); err != nil || len(list) == 0 {
				b.Fatal(len(list), more, err)
			}
		}
	})
	b.Run("by-prefix", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.Job(b.Context(), string(middle[:13])); err == nil {
				b.Fatal("not ambiguous")
			}
		}
	})
}
