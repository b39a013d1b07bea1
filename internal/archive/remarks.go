package archive

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vmorchestrator/internal/job"
)

// Remark is what somebody said of a job, in the ledger of his own installation.
type Remark struct {
	job.Remark
	Installation string
	Login        string // that shipped it, as the server knows it
}

// What is said of a job may stand in the ledger of anybody. Between ledgers, what
// came here last holds.
const (
	remarkKinds = `('note', 'label', 'unlabel', 'pin', 'unpin')`
	remarkOrder = `l.received_at, l.installation_id, l.n`

	// A body is JSON as this program writes it, but anybody may ship anything: it is
	// compared as bytes, since one that cannot be read must not fail the whole query.
	// Within a string a quote has a backslash before it, so no text can pass for
	// the member.
	hasLabel = `j.job_id IN (
		SELECT job_id FROM (
			SELECT DISTINCT ON (l.job_id, t.needle) l.job_id, l.kind
			FROM vmo.ledger l JOIN unnest($%d::bytea[]) AS t (needle) ON position(t.needle IN l.body) > 0
			WHERE l.kind IN ('label', 'unlabel') AND l.job_id IS NOT NULL
			ORDER BY l.job_id, t.needle, l.received_at DESC, l.installation_id DESC, l.n DESC
		) last WHERE kind = 'label')`
)

// members are what stands in the bodies of entries of which a member has one of
// these values.
func members(name string, values []string) [][]byte {
	out := make([][]byte, 0, len(values))
	for _, v := range values {
		text, _ := json.Marshal(v) // a text always can
		out = append(out, append([]byte(`"`+name+`":`), text...))
	}
	return out
}

// Remarks returns what anybody said of a job, in the order in which it came.
func (a *Archive) Remarks(ctx context.Context, id job.ID) ([]Remark, error) {
	u, ok := uuid(id)
	if !ok {
		return nil, fmt.Errorf("%w: %q is not a job id", job.ErrInvalid, id)
	}
	var list []Remark
	err := a.read(ctx, func(ctx context.Context, q querier) (err error) {
		list, err = readRemarks(ctx, q, [][16]byte{u})
		return err
	})
	return list, err
}

func readRemarks(ctx context.Context, q querier, ids [][16]byte) ([]Remark, error) {
	rows, err := q.Query(ctx, `SELECT l.job_id, l.body, l.installation_id, coalesce(i.operator, '')
		FROM vmo.ledger l LEFT JOIN vmo.installation i USING (installation_id)
		WHERE l.job_id = ANY ($1) AND l.kind IN `+remarkKinds+` ORDER BY `+remarkOrder, ids)
	if err != nil {
		return nil, err
	}
	list := []Remark{}
	var u [16]byte
	var e job.Entry
	var r Remark
	_, err = pgx.ForEachRow(rows, []any{&u, &e.Body, &r.Installation, &r.Login}, func() error {
		says, err := e.Statement()
		if err != nil {
			return nil //nolint:nilerr // verify tells of it
		}
		var is bool
		if r.Remark, is = says.Remark(); is {
			r.Job = jobID(u)
			list = append(list, r)
		}
		return nil
	})
	return list, err
}

// mark writes into jobs what was said of them.
func mark(ctx context.Context, q querier, list []Row) error {
	ids := make([][16]byte, len(list))
	at := make(map[job.ID]*job.Marks, len(list))
	for i := range list {
		ids[i], _ = uuid(list[i].ID)
		at[list[i].ID] = &list[i].Marks
	}
	said, err := readRemarks(ctx, q, ids)
	for _, r := range said {
		at[r.Job].Take(r.Remark)
	}
	return err
}
