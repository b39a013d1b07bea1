package archive

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"vmorchestrator/internal/job"
)

// uuid is an id as Postgres keeps it.
func uuid(id job.ID) (u [16]byte, ok bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(string(id), "-", ""))
	return [16]byte(append(b, u[:]...)), err == nil && len(b) == 16
}

func jobID(u [16]byte) job.ID {
	s := hex.EncodeToString(u[:])
	return job.ID(s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:])
}

// text is what can stand in a column of text: Postgres takes no NUL and no
// invalid UTF-8. What was there exactly is in the bytes beside it.
func text(s string) string { return cut(s, 8<<10) }

// cut is text of at most so many bytes, and a sign that there was more.
func cut(s string, most int) string {
	more := len(s) > most
	if more {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s = s[:most]
	}
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if more {
		s += "…"
	}
	return s
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// send puts pieces into the archive, all of them or none: the statements travel
// together and are one transaction. Rows that are there already stay as they are.
// It returns the jobs of which the archive has another record.
func send(ctx context.Context, conn *pgx.Conn, installation string, pieces []piece) (forks map[job.ID]error, err error) {
	var b pgx.Batch
	expect := []int{queueJobs(&b, installation, pieces), queueEvents(&b, pieces, "start"), queueBlocks(&b, pieces), queueEvents(&b, pieces, "end")}
	if b.Len() == 0 {
		return nil, nil
	}
	results := conn.SendBatch(ctx, &b)
	fewer := false
	for _, n := range expect {
		if n == 0 {
			continue
		}
		tag, err := results.Exec()
		if err != nil {
			return nil, errors.Join(err, results.Close())
		}
		fewer = fewer || tag.RowsAffected() < int64(n)
	}
	if err := results.Close(); err != nil {
		return nil, err
	}
	if !fewer {
		return nil, nil
	}
	return compare(ctx, conn, installation, pieces)
}

func queueJobs(b *pgx.Batch, installation string, pieces []piece) int {
	var id, run [][16]byte
	var who, host, project, target, source, command []string
	var tty []bool
	var queued []time.Time
	var prelude, begin [][]byte
	for i := range pieces {
		x := &pieces[i]
		if x.p.opened {
			continue
		}
		var j job.Job
		if err := json.Unmarshal(x.part.Opening.Begin, &j); err != nil {
			j = job.Job{QueuedAt: x.p.id.Time()} // as much as is known; its bytes are kept
		}
		u, _ := uuid(x.p.id)
		r, ok := uuid(j.Run)
		if !ok {
			r = u
		}
		id, run = append(id, u), append(run, r)
		who, host, project = append(who, text(j.Operator)), append(host, text(j.Host)), append(project, text(j.Project))
		target, source, command = append(target, text(j.Target)), append(source, text(j.Source)), append(command, text(strings.Join(j.Argv, " ")))
		tty, queued = append(tty, j.TTY), append(queued, j.QueuedAt)
		prelude, begin = append(prelude, notNil(x.part.Opening.Prelude)), append(begin, notNil(x.part.Opening.Begin))
	}
	if len(id) > 0 {
		b.Queue(`INSERT INTO vmo.job (installation_id, job_id, run_id, claimed_operator, host, project, target, source, command, tty, queued_at, prelude, begin)
			SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
				$10::bool[], $11::timestamptz[], $12::bytea[], $13::bytea[])
			ON CONFLICT DO NOTHING`,
			installation, id, run, who, host, project, target, source, command, tty, queued, prelude, begin)
	}
	return len(id)
}

func queueEvents(b *pgx.Batch, pieces []piece, kind string) int {
	var id [][16]byte
	var seq, at []int64
	var body [][]byte
	var state []*string
	for i := range pieces {
		mark := pieces[i].mark(kind)
		if mark == nil {
			continue
		}
		u, _ := uuid(pieces[i].p.id)
		id, seq, at, body = append(id, u), append(seq, int64(mark.Seq)), append(at, mark.At), append(body, notNil(mark.Body))
		var s *string
		if kind == "end" {
			var exit job.Exit
			if json.Unmarshal(mark.Body, &exit) != nil || exit.State == "" {
				exit.State = job.Lost // nobody can read how it ended; its bytes are kept
			}
			known := text(string(exit.State))
			s = &known
		}
		state = append(state, s)
	}
	if len(id) > 0 {
		b.Queue(`INSERT INTO vmo.job_event (kind, job_id, seq, at, body, state)
			SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[])
			ON CONFLICT DO NOTHING`, kind, id, seq, at, body, state)
	}
	return len(id)
}

// mark is the event of a kind that is to be sent, or nil. The end is sent with the
// last block and not before, so that a job with an end is a job that is complete.
func (x *piece) mark(kind string) *job.Mark {
	switch {
	case kind == "start" && !x.p.started:
		return x.part.Start
	case kind == "end" && x.part.Sealed:
		return x.part.End
	}
	return nil
}

func queueBlocks(b *pgx.Batch, pieces []piece) int {
	n := 0
	for i := range pieces {
		n += len(pieces[i].part.Blocks)
	}
	if n == 0 {
		return 0
	}
	id := make([][16]byte, 0, n)
	var columns [10][]int64 // number to raw_len
	for i := range columns {
		columns[i] = make([]int64, 0, n)
	}
	digest, chain, data := make([][]byte, 0, n), make([][]byte, 0, n), make([][]byte, 0, n)
	for i := range pieces {
		u, _ := uuid(pieces[i].p.id)
		for k := range pieces[i].part.Blocks {
			x := &pieces[i].part.Blocks[k]
			id = append(id, u)
			for c, v := range []int64{int64(x.Number), int64(x.FirstSeq), int64(x.LastSeq), int64(x.Offset), int64(x.Bytes),
				int64(x.FirstLine), int64(x.Lines), x.FirstAt, x.LastAt, int64(x.RawLen)} {
				columns[c] = append(columns[c], v)
			}
			digest, chain, data = append(digest, x.Digest[:]), append(chain, x.Chain[:]), append(data, x.Data)
		}
	}
	args := []any{id}
	for i := range columns {
		args = append(args, columns[i])
	}
	b.Queue(`INSERT INTO vmo.block (job_id, number, first_seq, last_seq, "offset", bytes, first_line, lines, first_at, last_at, raw_len, digest, chain, data)
		SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
			$9::bigint[], $10::bigint[], $11::bigint[], $12::bytea[], $13::bytea[], $14::bytea[])
		ON CONFLICT DO NOTHING`, append(args, digest, chain, data)...)
	return n
}

// compare finds which pieces differ from what the archive has under their keys.
func compare(ctx context.Context, conn *pgx.Conn, installation string, pieces []piece) (map[job.ID]error, error) {
	forks := map[job.ID]error{}
	differs := func(id job.ID, what string) { forks[id] = fmt.Errorf("%w: %s", errDiffers, what) }
	byID := map[job.ID]*piece{}
	var ids, blockIDs [][16]byte
	var numbers []int64
	for i := range pieces {
		x := &pieces[i]
		u, _ := uuid(x.p.id)
		byID[x.p.id], ids = x, append(ids, u)
		for k := range x.part.Blocks {
			blockIDs, numbers = append(blockIDs, u), append(numbers, int64(x.part.Blocks[k].Number))
		}
	}
	states, err := ask(ctx, conn, ids)
	if err != nil {
		return nil, err
	}
	for id, s := range states {
		if x := byID[id]; s.installation != installation {
			differs(id, "it came from another installation")
		} else if s.opening != digest(x.part.Opening) {
			differs(id, "it begins otherwise")
		}
	}
	rows, err := conn.Query(ctx, `SELECT job_id, kind, body FROM vmo.job_event WHERE job_id = ANY ($1)`, ids)
	if err != nil {
		return nil, err
	}
	var u [16]byte
	var kind string
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&u, &kind, &body}, func() error {
		if m := byID[jobID(u)].mark(kind); m != nil && !bytes.Equal(m.Body, body) {
			differs(jobID(u), "they differ in its "+kind)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows, err = conn.Query(ctx, `SELECT b.job_id, b.number, b.digest, b.chain FROM vmo.block b
		JOIN unnest($1::uuid[], $2::bigint[]) AS s (job_id, number) ON b.job_id = s.job_id AND b.number = s.number`, blockIDs, numbers)
	if err != nil {
		return nil, err
	}
	var number int64
	var digest, chain []byte
	_, err = pgx.ForEachRow(rows, []any{&u, &number, &digest, &chain}, func() error {
		x := byID[jobID(u)]
		ours := &x.part.Blocks[number-int64(x.part.Blocks[0].Number)]
		if !bytes.Equal(digest, ours.Digest[:]) || !bytes.Equal(chain, ours.Chain[:]) {
			differs(jobID(u), fmt.Sprintf("they differ in block %d", number))
		}
		return nil
	})
	return forks, err
}

// there is what the archive has of a job.
type there struct {
	installation string
	opening      [32]byte
	started, end bool
	next         uint32
	chain        [32]byte // of the last block
	done         uint64
}

// ask returns what the archive has of jobs.
func ask(ctx context.Context, conn *pgx.Conn, ids [][16]byte) (map[job.ID]there, error) {
	rows, err := conn.Query(ctx, `
		SELECT j.job_id, j.installation_id, sha256(sha256(j.begin) || sha256(j.prelude)),
			EXISTS (SELECT FROM vmo.job_event e WHERE e.job_id = j.job_id AND e.kind = 'start'),
			EXISTS (SELECT FROM vmo.job_event e WHERE e.job_id = j.job_id AND e.kind = 'end'),
			coalesce(b.number + 1, 0), coalesce(b.chain, ''), coalesce(b."offset" + b.bytes, 0)
		FROM vmo.job j LEFT JOIN LATERAL (
			SELECT number, chain, "offset", bytes FROM vmo.block b WHERE b.job_id = j.job_id ORDER BY number DESC LIMIT 1) b ON true
		WHERE j.job_id = ANY ($1)`, ids)
	if err != nil {
		return nil, err
	}
	states := map[job.ID]there{}
	var u [16]byte
	var t there
	var opening, chain []byte
	var next, done int64
	_, err = pgx.ForEachRow(rows, []any{&u, &t.installation, &opening, &t.started, &t.end, &next, &chain, &done}, func() error {
		copy(t.opening[:], opening)
		copy(t.chain[:], chain)
		t.next, t.done = uint32(next), uint64(done)
		states[jobID(u)] = t
		return nil
	})
	return states, err
}

// sendEntries appends entries to the installation's ledger in the archive.
func sendEntries(ctx context.Context, conn *pgx.Conn, installation string, entries []job.Entry, says []job.Statement) error {
	n, kind, id := make([]int64, len(entries)), make([]string, len(entries)), make([]*[16]byte, len(entries))
	at, body, sig := make([]*time.Time, len(entries)), make([][]byte, len(entries)), make([][]byte, len(entries))
	for i, s := range says {
		n[i], kind[i], body[i], sig[i] = int64(s.N), text(string(s.Kind)), entries[i].Body, notNil(entries[i].Sig)
		about := s.Job
		if s.About != "" {
			about = s.About
		}
		if u, ok := uuid(about); ok {
			id[i] = &u
		}
		if !s.At.IsZero() {
			at[i] = &says[i].At
		}
	}
	tag, err := conn.Exec(ctx, `INSERT INTO vmo.ledger (installation_id, n, kind, job_id, at, body, sig)
		SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::uuid[], $5::timestamptz[], $6::bytea[], $7::bytea[])
		ON CONFLICT DO NOTHING`, installation, n, kind, id, at, body, sig)
	if err != nil || int(tag.RowsAffected()) == len(entries) {
		return err
	}
	rows, err := conn.Query(ctx, `SELECT n, hash FROM vmo.ledger WHERE installation_id = $1 AND n BETWEEN $2 AND $3`,
		installation, n[0], n[len(n)-1])
	if err != nil {
		return err
	}
	var number int64
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&number, &hash}, func() error {
		if ours := entries[number-n[0]].Hash(); !bytes.Equal(hash, ours[:]) {
			return forked(uint64(number))
		}
		return nil
	})
	return err
}

func forked(n uint64) error {
	return job.WithHint(fmt.Errorf("%w: they differ in entry %d; this journal was copied to another machine, or restored from a backup", errForked, n),
		"Nothing was overwritten, and jobs go on in the journal. What to do is in docs/database.md, under “A journal that was copied”.")
}
