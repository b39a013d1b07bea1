package journal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vmorchestrator/internal/job"
)

// Event writes into the ledger that something was done which is no job; about is
// the job that it was done for, if for one. A connection is not signed by itself,
// like the beginning of a job: what is signed next covers it.
func (j *Journal) Event(kind job.EntryKind, host string, about job.ID, by, text string) error {
	if j.readOnly != nil {
		return j.readOnly
	}
	if err := j.ledger.add(job.Statement{Kind: kind, Host: host, About: about, By: by, Text: text}); err != nil {
		return err
	}
	j.hint("")
	return nil
}

// Acts returns about limit things that were done on this machine, the newest
// first: jobs, and what else the ledger tells. Of the filter it takes the hosts,
// the operator and the times. There may be more before the last one.
func (j *Journal) Acts(ctx context.Context, f job.Filter, limit int) (list []job.Act, more bool, err error) {
	f = job.Filter{Hosts: f.Hosts, Operator: f.Operator, Since: f.Since, Until: f.Until}
	jobs, err := j.Jobs(ctx, f, "", limit+1)
	if err != nil {
		return nil, false, err
	}
	begun := make([]job.Act, len(jobs))
	for i, what := range jobs {
		begun[i] = what.Act()
	}
	others, err := j.cat.acts(ctx, f, limit+1)
	if err != nil {
		return nil, false, err
	}
	list, more = job.Newest(limit, begun, others)
	return list, more, nil
}

// acts are those of the ledger. Records that were removed in one go, or nearly, for
// the same reason are one.
func (c *catalogue) acts(ctx context.Context, f job.Filter, limit int) ([]job.Act, error) {
	terms, args := []string{"TRUE"}, []any{}
	if len(f.Hosts) > 0 {
		terms = append(terms, "at_host IN (?"+strings.Repeat(", ?", len(f.Hosts)-1)+")")
		for _, host := range f.Hosts {
			args = append(args, host)
		}
	}
	if f.Operator != "" {
		terms, args = append(terms, "instr(lower(who), ?)"), append(args, folded(f.Operator))
	}
	if !f.Since.IsZero() {
		terms, args = append(terms, "at >= ?"), append(args, f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		terms, args = append(terms, "at < ?"), append(args, f.Until.UnixMilli())
	}
	rows, err := c.db.QueryContext(ctx, `
		SELECT max(at) AS newest, kind, CASE count(*) WHEN 1 THEN job ELSE '' END, at_host, who, text, count(*) FROM (
			SELECT said.*, CASE WHEN said.host = '' THEN coalesce(job.host, '') ELSE said.host END AS at_host
			FROM said LEFT JOIN body ON body.id = said.job LEFT JOIN job ON job.n = body.n
		) WHERE `+strings.Join(terms, " AND ")+`
		GROUP BY CASE kind WHEN 'remove' THEN kind || char(0) || who || char(0) || text || char(0) || at_host || char(0) || (at / 60000) ELSE n END
		ORDER BY newest DESC, max(n) DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	defer rows.Close()
	var list []job.Act
	for rows.Next() {
		var a job.Act
		var at int64
		if err := rows.Scan(&at, &a.What, &a.Job, &a.Host, &a.By, &a.Text, &a.Count); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		a.At = time.UnixMilli(at).UTC()
		if a.Count == 1 {
			a.Count = 0
		}
		list = append(list, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return list, nil
}

// hosts are those of jobs in the list.
func (c *catalogue) hosts(ctx context.Context, ids []job.ID) (map[job.ID]string, error) {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = string(id)
	}
	rows, err := c.db.QueryContext(ctx, `SELECT id, host FROM body JOIN job USING (n) WHERE id IN (?`+strings.Repeat(", ?", len(ids)-1)+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	defer rows.Close()
	of := map[job.ID]string{}
	for rows.Next() {
		var id job.ID
		var host string
		if err := rows.Scan(&id, &host); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		of[id] = host
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return of, nil
}
