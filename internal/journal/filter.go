package journal

import (
	"strings"
	"time"

	"vmorchestrator/internal/job"
)

// Local is the name of this machine in a filter and wherever people read.
const Local = "local"

// Filter says which jobs are meant. Of each field that is not empty one value
// must be that of the job. The zero Filter means all jobs.
type Filter struct {
	Host     []string    `json:"host,omitempty"` // Local, or "", is this machine
	Target   []string    `json:"target,omitempty"`
	Project  []string    `json:"project,omitempty"`
	Operator []string    `json:"operator,omitempty"`
	State    []job.State `json:"state,omitempty"`
	Since    time.Time   `json:"since,omitzero" ts_type:"string"` // begun then or later, as the id tells
	Until    time.Time   `json:"until,omitzero" ts_type:"string"` // begun before then
	Text     string      `json:"text,omitempty"`                  // stands in command, target, project, log or host; upper and lower case are the same
}

// All reports whether the filter means all jobs.
func (f Filter) All() bool {
	return len(f.Host)+len(f.Target)+len(f.Project)+len(f.Operator)+len(f.State)+len(f.Text) == 0 && f.Since.IsZero() && f.Until.IsZero()
}

// where writes the filter as a condition on the table job.
func (f Filter) where() (condition string, args []any) {
	hosts := make([]string, len(f.Host))
	for i, h := range f.Host {
		if h != Local {
			hosts[i] = h
		}
	}
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
	among("job.host", hosts)
	among("job.target", f.Target)
	among("job.project", f.Project)
	among("job.operator", f.Operator)
	among("job.state", texts(f.State))
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
