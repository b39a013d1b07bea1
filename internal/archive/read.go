package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vmorchestrator/internal/job"
)

// Row is a job of the archive: as it was begun, with what has become of it as far
// as the archive knows, and whose it is.
type Row struct {
	job.Job
	Installation string
	Login        string // that shipped it, as the server knows it
	Laptop       string
	OwnerSeen    time.Time     // when the installation was connected last, by the clock of the server
	OwnerAway    time.Duration // how long ago that is
	Removed      bool          // its output was removed from the archive
}

// Jobs returns up to limit jobs that are older than before, newest first; without
// before, from the newest.
func (a *Archive) Jobs(ctx context.Context, f job.Filter, before job.ID, limit int) ([]Row, error) {
	where, args, err := conditions(f)
	if err != nil {
		return nil, err
	}
	if len(f.States) > 0 && !slices.ContainsFunc(f.States, job.State.Final) {
		where = append(where, `j.job_id IN (SELECT l.job_id FROM `+alive+` l)`)
	}
	if before != "" {
		u, ok := uuid(before)
		if !ok {
			return nil, fmt.Errorf("%w: %q is not a job id", job.ErrInvalid, before)
		}
		args = append(args, u)
		where = append(where, fmt.Sprintf("j.job_id < $%d", len(args)))
	}
	return a.rows(ctx, where, args, limit)
}

// rows reads jobs. What only the last block of each knows is read for the jobs of
// the page alone.
func (a *Archive) rows(ctx context.Context, where []string, args []any, limit int) ([]Row, error) {
	args = append(args, limit)
	sql := fmt.Sprintf(`
		SELECT j.job_id, j.begin, j.installation_id, j.operator, coalesce(p.laptop, i.laptop, ''), p.seen_at, extract(epoch FROM clock_timestamp() - p.seen_at)::float8,
			j.start_body, j.end_body, coalesce(b.last_seq, r.seq, 0), coalesce(b."offset" + b.bytes, 0), coalesce(b.first_line + b.lines, 0), r.n IS NOT NULL
		FROM (
			SELECT j.job_id, j.begin, j.installation_id, j.operator, s.body AS start_body, e.body AS end_body
			FROM vmo.job j
			LEFT JOIN vmo.job_event s ON s.job_id = j.job_id AND s.kind = 'start'
			LEFT JOIN vmo.job_event e ON e.job_id = j.job_id AND e.kind = 'end'
			%s ORDER BY j.job_id DESC LIMIT $%d
		) j
		LEFT JOIN vmo.installation i ON i.installation_id = j.installation_id
		LEFT JOIN vmo.presence p ON p.installation_id = j.installation_id
		LEFT JOIN LATERAL (
			SELECT last_seq, "offset", bytes, first_line, lines FROM vmo.block b WHERE b.job_id = j.job_id ORDER BY number DESC LIMIT 1
		) b ON true
		LEFT JOIN LATERAL (
			SELECT r.n, e.seq FROM vmo.removal r LEFT JOIN vmo.job_event e ON e.job_id = r.job_id AND e.kind = 'end'
			WHERE r.job_id = j.job_id AND r.kind = 'retention' ORDER BY r.n DESC LIMIT 1
		) r ON true
		ORDER BY j.job_id DESC`, clause(where), len(args))
	var list []Row
	err := a.read(ctx, func(ctx context.Context, q querier) error {
		list = nil
		rows, err := q.Query(ctx, a.sql(sql), args...)
		if err != nil {
			return err
		}
		var u [16]byte
		var begin, start, end []byte
		var seen *time.Time
		var away *float64
		var seq, bytes, lines int64
		var r Row
		_, err = pgx.ForEachRow(rows, []any{&u, &begin, &r.Installation, &r.Login, &r.Laptop, &seen, &away, &start, &end, &seq, &bytes, &lines, &r.Removed}, func() error {
			r.Job = derive(jobID(u), begin, start, end)
			r.Chunks, r.Bytes, r.Lines = uint64(seq), uint64(bytes), uint64(lines)
			r.OwnerSeen, r.OwnerAway = time.Time{}, 0
			if seen != nil {
				r.OwnerSeen, r.OwnerAway = *seen, time.Duration(max(0, *away)*float64(time.Second))
			}
			list = append(list, r)
			return nil
		})
		if err != nil || len(list) == 0 {
			return err
		}
		return mark(ctx, q, list)
	})
	return list, err
}

// derive makes a job from what was recorded of it, as the journal does.
func derive(id job.ID, begin, start, end []byte) job.Job {
	var j job.Job
	if json.Unmarshal(begin, &j) != nil {
		j = job.Job{QueuedAt: id.Time(), State: job.Pending, Detail: "the beginning of its record cannot be read"}
	}
	j.ID, j.Marks = id, job.Marks{}
	var started struct {
		At time.Time `json:"at"`
	}
	if start != nil && json.Unmarshal(start, &started) == nil {
		j.State, j.StartedAt = job.Running, &started.At
	}
	if end != nil {
		var exit job.Exit
		if json.Unmarshal(end, &exit) != nil || exit.State == "" {
			exit = job.Exit{State: job.Lost, Cause: job.CauseJournal, Detail: "how it ended cannot be read"}
		}
		j.End(exit)
	}
	return j
}

func clause(where []string) string {
	if len(where) == 0 {
		return ""
	}
	return "WHERE " + strings.Join(where, " AND ")
}

// conditions are those of a filter, on j, the job, s, its start, and e, its end.
func conditions(f job.Filter) (where []string, args []any, err error) {
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, strings.ReplaceAll(condition, "?", fmt.Sprintf("$%d", len(args))))
	}
	if len(f.Hosts) > 0 {
		add(`j.host = ANY (?)`, texts(f.Hosts))
	}
	if len(f.Targets) > 0 {
		add(`j.target = ANY (?)`, texts(f.Targets))
	}
	if len(f.States) > 0 {
		// Apart, so that each can use an index: few jobs are alive.
		var any, ended []string
		for _, s := range f.States {
			switch s {
			case job.Pending:
				any = append(any, `e.job_id IS NULL AND s.job_id IS NULL`)
			case job.Running:
				any = append(any, `e.job_id IS NULL AND s.job_id IS NOT NULL`)
			default:
				ended = append(ended, text(string(s)))
			}
		}
		if len(ended) > 0 {
			args = append(args, ended)
			any = append(any, fmt.Sprintf(`e.state = ANY ($%d)`, len(args)))
		}
		where = append(where, "("+strings.Join(any, " OR ")+")")
	}
	if len(f.Labels) > 0 {
		args = append(args, members("text", f.Labels))
		where = append(where, fmt.Sprintf(hasLabel, len(args)))
	}
	if f.Operator != "" {
		add(`(strpos(lower(j.claimed_operator), lower(?)) > 0 OR strpos(lower(j.operator), lower(?)) > 0)`, text(f.Operator))
	}
	if f.Project != "" {
		add(`j.project = ?`, text(f.Project))
	}
	if !f.Since.IsZero() {
		add(`j.queued_at >= ?`, f.Since)
	}
	if !f.Until.IsZero() {
		add(`j.queued_at < ?`, f.Until)
	}
	if f.Text != "" {
		add(`strpos(j.words, lower(?)) > 0`, text(f.Text))
	}
	return where, args, nil
}

func texts(list []string) []string {
	clean := make([]string, len(list))
	for i, s := range list {
		clean[i] = text(s)
	}
	return clean
}

// Job returns the job that an id or the beginning of one means.
func (a *Archive) Job(ctx context.Context, name string) (Row, error) {
	hex := strings.ReplaceAll(name, "-", "")
	if hex == "" || len(hex) > 32 || strings.Trim(hex, "0123456789abcdef") != "" {
		return Row{}, job.WithHint(fmt.Errorf("%w: %q is not a job id", job.ErrInvalid, name), "Use an id, or the beginning of one.")
	}
	low, _ := uuid(job.ID(hex + strings.Repeat("0", 32-len(hex))))
	high, _ := uuid(job.ID(hex + strings.Repeat("f", 32-len(hex))))
	list, err := a.rows(ctx, []string{"j.job_id BETWEEN $1 AND $2"}, []any{low, high}, 2)
	switch {
	case err != nil:
		return Row{}, err
	case len(list) == 0:
		return Row{}, job.WithHint(fmt.Errorf("job %s: %w in the archive", name, job.ErrNotFound), "List the jobs that are there with: vmo jobs --archive")
	case len(list) > 1:
		return Row{}, job.WithHint(fmt.Errorf("job %s: %w: several ids begin so", name, job.ErrAmbiguous), "Give more of the id.")
	}
	return list[0], nil
}

// partRows bounds the blocks of a Part, of which each may be tiny.
const partRows = 1024

// Part returns blocks of a job numbered from and up, byte for byte as they were
// shipped: at least one if there is one, and then up to about limit bytes of Data.
// It is Sealed if the record is complete and no block follows. It fails with
// job.ErrNotFound if there is no such job.
func (a *Archive) Part(ctx context.Context, id job.ID, from uint32, limit int) (job.Part, error) {
	u, ok := uuid(id)
	if !ok {
		return job.Part{}, fmt.Errorf("%w: %q is not a job id", job.ErrInvalid, id)
	}
	part := job.Part{Opening: job.Opening{ID: id}}
	err := a.read(ctx, func(ctx context.Context, q querier) error { return readPart(ctx, q, u, from, limit, &part) })
	if errors.Is(err, pgx.ErrNoRows) {
		err = job.WithHint(fmt.Errorf("job %s: %w in the archive", id, job.ErrNotFound), "List the jobs that are there with: vmo jobs --archive")
	}
	if err != nil {
		return job.Part{}, err
	}
	return part, nil
}

func readPart(ctx context.Context, q querier, id [16]byte, from uint32, limit int, part *job.Part) error {
	// The end is asked for first: if it is there, so are all blocks.
	err := q.QueryRow(ctx, `SELECT prelude, begin FROM vmo.job WHERE job_id = $1`, id).Scan(&part.Opening.Prelude, &part.Opening.Begin)
	if err != nil {
		return err
	}
	rows, err := q.Query(ctx, `SELECT kind, seq, at, body FROM vmo.job_event WHERE job_id = $1`, id)
	if err != nil {
		return err
	}
	part.Start, part.End, part.Blocks = nil, nil, nil
	var kind string
	var m job.Mark
	_, err = pgx.ForEachRow(rows, []any{&kind, &m.Seq, &m.At, &m.Body}, func() error {
		mark := m
		if kind == "start" {
			part.Start = &mark
		} else {
			part.End = &mark
		}
		return nil
	})
	if err != nil {
		return err
	}
	// How long the data of a row is stands beside it: nothing is read to know where
	// to stop.
	rows, err = q.Query(ctx, `
		SELECT number, first_seq, last_seq, "offset", bytes, first_line, lines, first_at, last_at, raw_len, digest, chain, data, following FROM (
			SELECT *, sum(coalesce(octet_length(data), 0)) OVER (ORDER BY number) - coalesce(octet_length(data), 0) AS before,
				lead(number) OVER (ORDER BY number) AS following
			FROM (SELECT * FROM vmo.block WHERE job_id = $1 AND number >= $2 ORDER BY number LIMIT $4) page
		) summed WHERE before < $3 OR number = $2 ORDER BY number`, id, int64(from), max(1, limit), partRows)
	if err != nil {
		return err
	}
	var b job.Block
	var digest, chain []byte
	var following *int64
	_, err = pgx.ForEachRow(rows, []any{&b.Number, &b.FirstSeq, &b.LastSeq, &b.Offset, &b.Bytes, &b.FirstLine, &b.Lines,
		&b.FirstAt, &b.LastAt, &b.RawLen, &digest, &chain, &b.Data, &following}, func() error {
		b.Digest, b.Chain = [32]byte(digest), [32]byte(chain)
		part.Blocks = append(part.Blocks, b)
		return nil
	})
	if err != nil {
		return err
	}
	part.Sealed = part.End != nil && len(part.Blocks) < partRows && following == nil
	return nil
}

// Entries returns up to limit entries of the ledger of an installation with a
// number greater than after, in order.
func (a *Archive) Entries(ctx context.Context, installation string, after uint64, limit int) ([]job.Entry, error) {
	return a.entries(ctx, `SELECT body, sig FROM vmo.ledger WHERE installation_id = $1 AND n > $2 ORDER BY n LIMIT $3`, text(installation), int64(after), limit)
}

func (a *Archive) entries(ctx context.Context, sql string, args ...any) ([]job.Entry, error) {
	var list []job.Entry
	err := a.read(ctx, func(ctx context.Context, q querier) error {
		list = nil
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		var e job.Entry
		_, err = pgx.ForEachRow(rows, []any{&e.Body, &e.Sig}, func() error {
			list = append(list, e)
			return nil
		})
		return err
	})
	return list, err
}

// Said returns what the ledger of an installation says of a job, and the keys that
// signed it, in order.
func (a *Archive) Said(ctx context.Context, installation string, id job.ID) ([]job.Entry, error) {
	u, ok := uuid(id)
	if !ok {
		return nil, fmt.Errorf("%w: %q is not a job id", job.ErrInvalid, id)
	}
	return a.entries(ctx, `SELECT body, sig FROM vmo.ledger WHERE installation_id = $1 AND (job_id = $2 OR kind = 'key') ORDER BY n`,
		text(installation), u)
}

// Installation is a journal that ships to the archive.
type Installation struct {
	ID, Login, Laptop string
	FirstSeen, Seen   time.Time // by the clock of the server
	Away              time.Duration
	Entries           uint64   // the number of the last entry of its ledger
	Head              [32]byte // its hash
}

// Installations lists all of them, the one that was there last first.
func (a *Archive) Installations(ctx context.Context) ([]Installation, error) {
	var list []Installation
	err := a.read(ctx, func(ctx context.Context, q querier) error {
		list = nil
		rows, err := q.Query(ctx, `
			SELECT i.installation_id, i.operator, coalesce(p.laptop, i.laptop), i.first_seen, coalesce(p.seen_at, i.first_seen),
				extract(epoch FROM clock_timestamp() - coalesce(p.seen_at, i.first_seen))::float8, coalesce(l.n, 0), coalesce(l.hash, '')
			FROM vmo.installation i LEFT JOIN vmo.presence p USING (installation_id)
			LEFT JOIN LATERAL (SELECT n, hash FROM vmo.ledger l WHERE l.installation_id = i.installation_id ORDER BY n DESC LIMIT 1) l ON true
			ORDER BY 5 DESC, 1`)
		if err != nil {
			return err
		}
		var i Installation
		var away float64
		var head []byte
		_, err = pgx.ForEachRow(rows, []any{&i.ID, &i.Login, &i.Laptop, &i.FirstSeen, &i.Seen, &away, &i.Entries, &head}, func() error {
			i.Away, i.Head = time.Duration(max(0, away)*float64(time.Second)), [32]byte{}
			copy(i.Head[:], head)
			list = append(list, i)
			return nil
		})
		return err
	})
	return list, err
}

// Removal is something that the owner of the archive took away.
type Removal struct {
	Kind                string // retention or spill
	First, Last, Blocks uint32
	Bytes               uint64   // of output; retention only
	Chain               [32]byte // of the last block that there was; retention only
	By, Why             string
	At                  time.Time
}

// Removals lists what was taken away of the output of a job, oldest first.
func (a *Archive) Removals(ctx context.Context, id job.ID) ([]Removal, error) {
	u, ok := uuid(id)
	if !ok {
		return nil, fmt.Errorf("%w: %q is not a job id", job.ErrInvalid, id)
	}
	var list []Removal
	err := a.read(ctx, func(ctx context.Context, q querier) error {
		list = nil
		rows, err := q.Query(ctx, `SELECT kind, coalesce(first, 0), coalesce(last, 0), coalesce(blocks, 0), coalesce(bytes, 0), coalesce(chain, ''), by_whom, why, at
			FROM vmo.removal WHERE job_id = $1 ORDER BY n`, u)
		if err != nil {
			return err
		}
		var r Removal
		var chain []byte
		_, err = pgx.ForEachRow(rows, []any{&r.Kind, &r.First, &r.Last, &r.Blocks, &r.Bytes, &chain, &r.By, &r.Why, &r.At}, func() error {
			r.Chain = [32]byte{}
			copy(r.Chain[:], chain)
			list = append(list, r)
			return nil
		})
		return err
	})
	return list, err
}

// read runs a query on a connection for readers, once more if that turns out to
// have died meanwhile. A network that is silent does not keep it for ever.
func (a *Archive) read(ctx context.Context, f func(context.Context, querier) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.pace.batch)
	defer cancel()
	for try := 0; ; try++ {
		pool, err := a.reader(ctx)
		if err == nil {
			err = f(ctx, pool)
		}
		if err == nil || errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if try == 0 && ctx.Err() == nil && broken(err) {
			continue
		}
		if err = a.explain(err); !errors.Is(err, context.Canceled) {
			err = fmt.Errorf("read the archive: %w", err)
		}
		return err
	}
}
