package journal

import (
	"strings"
	"time"

	"vmorchestrator/internal/job"
)

// where writes a filter as a condition on the table job.
func where(f job.Filter) (condition string, args []any) {
	terms := []string{"TRUE"}
	among := func(column string, values []string) {
		if len(values) == 0 {
			return
		}
		terms = append(terms, column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")")
		for _, v := range values {
			args = append(args, v)
		}
	}
	among("job.host", f.Hosts)
	among("job.target", f.Targets)
	among("job.state", texts(f.States))
	if len(f.Labels) > 0 {
		terms = append(terms, "job.n IN (SELECT label.n FROM label WHERE label.text IN (?"+strings.Repeat(", ?", len(f.Labels)-1)+"))")
		for _, v := range f.Labels {
			args = append(args, v)
		}
	}
	if f.Project != "" {
		terms, args = append(terms, "job.project = ?"), append(args, f.Project)
	}
	if f.Operator != "" {
		terms, args = append(terms, "instr(lower(job.operator), ?)"), append(args, folded(f.Operator))
	}
	if !f.Since.IsZero() {
		terms, args = append(terms, "job.n >= ?"), append(args, moment(f.Since))
	}
	if !f.Until.IsZero() {
		terms, args = append(terms, "job.n < ?"), append(args, moment(f.Until))
	}
	if f.Text != "" { // the plus keeps it from being what is looked up first
		terms = append(terms, "+job.text IN (SELECT text.n FROM text WHERE instr(text.text, ?))")
		args = append(args, folded(f.Text))
	}
	return strings.Join(terms, " AND "), args
}

// moment is the first place that a job of that time may have.
func moment(t time.Time) int64 { return max(0, t.UnixMilli()) << 15 }

func texts[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}
