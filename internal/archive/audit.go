package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"vmorchestrator/internal/job"
)

// Acts returns about limit things that anybody did, the newest first: jobs, what
// else the ledgers tell, and what the owner of the archive removed from it. Of the
// filter it takes the hosts, the operator and the times. There may be more before
// the last one.
func (a *Archive) Acts(ctx context.Context, f job.Filter, limit int) (list []job.Act, more bool, err error) {
	f = job.Filter{Hosts: f.Hosts, Operator: f.Operator, Since: f.Since, Until: f.Until}
	jobs, err := a.Jobs(ctx, f, "", limit+1)
	if err != nil {
		return nil, false, err
	}
	begun := make([]job.Act, len(jobs))
	for i, r := range jobs {
		begun[i] = r.Job.Act()
		begun[i].Login = r.Login
	}
	var told, removed []job.Act
	err = a.read(ctx, func(ctx context.Context, q querier) (err error) {
		if told, err = readActs(ctx, q, f, limit+1); err == nil {
			removed, err = readRemovals(ctx, q, f, limit+1)
		}
		return err
	})
	list, more = job.Newest(limit, begun, told, removed)
	return list, more, err
}

// actPage is how many entries are read at once until enough fit the filter, whose
// words are within bodies that anybody may have shipped. The server leaves out what
// cannot fit.
const actPage = 500

func readActs(ctx context.Context, q querier, f job.Filter, limit int) (list []job.Act, err error) {
	since, until := f.Since, f.Until
	if until.IsZero() {
		until = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	var before struct { // the last one read; none at first
		installation string
		n            int64
	}
	var hosts []string // nil: all; those on whose machine something was done name none
	var needles [][]byte
	if len(f.Hosts) > 0 && !slices.Contains(f.Hosts, "") {
		hosts, needles = texts(f.Hosts), members("host", f.Hosts)
	}
	for {
		rows, err := q.Query(ctx, `
			SELECT l.at, l.installation_id, l.n, l.body, coalesce(i.operator, ''), coalesce(j.host, '')
			FROM vmo.ledger l LEFT JOIN vmo.installation i USING (installation_id) LEFT JOIN vmo.job j ON j.job_id = l.job_id
			WHERE l.kind NOT IN ('begin', 'seal', 'adopt') AND l.at >= $1 AND (l.at < $2 OR l.at = $2 AND $3 <> '' AND (l.installation_id, l.n) < ($3, $4))
				AND ($6::text[] IS NULL OR j.host = ANY ($6) OR EXISTS (SELECT FROM unnest($7::bytea[]) AS t (needle) WHERE position(t.needle IN l.body) > 0))
			ORDER BY l.at DESC, l.installation_id DESC, l.n DESC LIMIT $5`, since, until, before.installation, before.n, actPage, hosts, needles)
		if err != nil {
			return nil, err
		}
		read := 0
		var at time.Time
		var e job.Entry
		var login, host string
		_, err = pgx.ForEachRow(rows, []any{&at, &before.installation, &before.n, &e.Body, &login, &host}, func() error {
			read, until = read+1, at
			if a, is := actOf(e, at, login, host); is && fits(a, f) {
				list = gather(list, a)
			}
			return nil
		})
		if err != nil || read < actPage || len(list) >= limit {
			return list[:min(len(list), limit)], err
		}
	}
}

// actOf is what an entry tells.
func actOf(e job.Entry, at time.Time, login, host string) (job.Act, bool) {
	s, err := e.Statement()
	if err != nil || s.Kind.Everyday() { // verify tells of what cannot be read
		return job.Act{}, false
	}
	a := job.Act{At: at.UTC(), By: s.By, Login: login, What: string(s.Kind), Host: s.Host, Job: s.Job, Text: s.Why}
	if s.About != "" {
		a.Job = s.About
	}
	if s.Text != "" {
		a.Text = s.Text
	}
	if a.Host == "" {
		a.Host = host
	}
	return a, true
}

func fits(a job.Act, f job.Filter) bool {
	who := strings.ToLower(f.Operator)
	return (len(f.Hosts) == 0 || slices.Contains(f.Hosts, a.Host)) &&
		(strings.Contains(strings.ToLower(a.By), who) || strings.Contains(strings.ToLower(a.Login), who))
}

// gather tells records that were removed in one go, or nearly, for the same reason
// as one.
func gather(list []job.Act, a job.Act) []job.Act {
	if len(list) == 0 || a.What != string(job.EntryRemove) {
		return append(list, a)
	}
	last := &list[len(list)-1]
	if last.What != a.What || last.By != a.By || last.Login != a.Login || last.Text != a.Text || last.Host != a.Host || last.At.Sub(a.At) > time.Minute {
		return append(list, a)
	}
	last.Count, last.Job = max(last.Count, 1)+1, ""
	return list
}

// readRemovals reads what the owner of the archive took away.
func readRemovals(ctx context.Context, q querier, f job.Filter, limit int) ([]job.Act, error) {
	until := f.Until
	if until.IsZero() {
		until = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	var hosts []string // nil: all
	if len(f.Hosts) > 0 {
		hosts = texts(f.Hosts)
	}
	rows, err := q.Query(ctx, `
		SELECT max(r.at), r.kind, r.by_whom, r.why, coalesce(j.host, ''), CASE count(*) WHEN 1 THEN max(r.job_id::text) END, count(*)
		FROM vmo.removal r LEFT JOIN vmo.job j USING (job_id)
		WHERE r.at >= $1 AND r.at < $2 AND ($3::text[] IS NULL OR coalesce(j.host, '') = ANY ($3)) AND strpos(lower(r.by_whom), lower($4)) > 0
		GROUP BY r.kind, r.by_whom, r.why, coalesce(j.host, ''), date_trunc('minute', r.at), CASE r.kind WHEN 'retention' THEN 0 ELSE r.n END
		ORDER BY 1 DESC LIMIT $5`, f.Since, until, hosts, text(f.Operator), limit)
	if err != nil {
		return nil, err
	}
	var list []job.Act
	var a job.Act
	var id *string
	_, err = pgx.ForEachRow(rows, []any{&a.At, &a.What, &a.Login, &a.Text, &a.Host, &id, &a.Count}, func() error {
		a.At, a.By, a.Job = a.At.UTC(), a.Login, ""
		if id != nil {
			a.Job = job.ID(*id)
		}
		if a.What = "archive-" + a.What; a.Count == 1 {
			a.Count = 0
		}
		list = append(list, a)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("what was removed: %w", err)
	}
	return list, nil
}
