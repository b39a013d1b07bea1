package journal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vmorchestrator/internal/job"
)

// Note writes a note on a job into the ledger of this installation. The job may
// be one of another.
func (j *Journal) Note(ctx context.Context, on job.Job, by, text string) error {
	text, err := job.CheckNote(text)
	if err == nil {
		err = j.say(ctx, on.ID, job.Statement{Kind: job.EntryNote, About: on.ID, Host: on.Host, By: by, Text: text})
	}
	if err != nil {
		return fmt.Errorf("note something on job %s: %w", on.ID, err)
	}
	return nil
}

// Label gives a job labels, or takes them off with job.EntryUnlabel. What it has
// already, or has not, by its Marks, is not said again.
func (j *Journal) Label(ctx context.Context, kind job.EntryKind, on job.Job, by string, labels ...string) error {
	fail := func(err error) error { return fmt.Errorf("%s job %s: %w", kind, on.ID, err) }
	var entries []job.Statement
	for _, text := range labels {
		text, err := job.CheckLabel(text)
		if err != nil {
			return fail(err)
		}
		said := job.Statement{Kind: kind, About: on.ID, Host: on.Host, By: by, Text: text}
		if slices.Contains(on.Labels, text) != (kind == job.EntryLabel) && !slices.Contains(entries, said) {
			entries = append(entries, said)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	if err := j.say(ctx, on.ID, entries...); err != nil {
		return fail(err)
	}
	return nil
}

func (j *Journal) say(ctx context.Context, about job.ID, entries ...job.Statement) error {
	if j.readOnly != nil {
		return j.readOnly
	}
	if err := j.ledger.add(entries...); err != nil {
		return err
	}
	j.hear(ctx)
	j.hint(about)
	return nil
}

// remarks are the kinds of entries that say something of a job.
const remarks = `('note', 'label', 'unlabel', 'pin', 'unpin')`

// Remarks returns what the ledger of this installation says of a job, in order.
func (j *Journal) Remarks(ctx context.Context, id job.ID) ([]job.Remark, error) {
	j.hear(ctx)
	list, err := j.cat.remarks(ctx, []any{string(id)})
	return list, err
}

func (c *catalogue) remarks(ctx context.Context, ids []any) ([]job.Remark, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT kind, job, at, who, text FROM said
		WHERE job IN (?`+strings.Repeat(", ?", len(ids)-1)+`) AND kind IN `+remarks+` ORDER BY n`, ids...)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	defer rows.Close()
	list := []job.Remark{}
	for rows.Next() {
		var r job.Remark
		var at int64
		if err := rows.Scan(&r.Kind, &r.Job, &at, &r.By, &r.Text); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		r.At = time.UnixMilli(at).UTC()
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return list, nil
}

// marked is a job with what was said of it.
func (j *Journal) marked(ctx context.Context, what job.Job) (job.Job, error) {
	j.hear(ctx)
	one := []job.Job{what}
	err := j.mark(ctx, one)
	return one[0], err
}

// mark writes into jobs what was said of them.
func (j *Journal) mark(ctx context.Context, jobs []job.Job) error {
	for page := range slices.Chunk(jobs, 500) {
		at := make(map[job.ID]*job.Marks, len(page))
		ids := make([]any, len(page))
		for i := range page {
			page[i].Marks = job.Marks{}
			at[page[i].ID], ids[i] = &page[i].Marks, string(page[i].ID)
		}
		list, err := j.cat.remarks(ctx, ids)
		if err != nil {
			return err
		}
		for _, r := range list {
			at[r.Job].Take(r)
		}
	}
	return nil
}
