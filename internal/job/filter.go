package job

import "time"

// Filter chooses jobs of a history. An empty field chooses all; several values
// of one field mean any of them, several fields mean all of them.
type Filter struct {
	Hosts    []string  `json:"hosts,omitempty"` // as in Job.Host; "" is this machine
	Targets  []string  `json:"targets,omitempty"`
	States   []State   `json:"states,omitempty"`
	Labels   []string  `json:"labels,omitempty"`
	Operator string    `json:"operator,omitempty"` // a part of it, such as a name or a laptop
	Project  string    `json:"project,omitempty"`
	Since    time.Time `json:"since,omitzero" ts_type:"string"` // queued at or after
	Until    time.Time `json:"until,omitzero" ts_type:"string"` // queued before
	Text     string    `json:"text,omitempty"`                  // in the command, the target, the project, the source or the host; case does not matter
}

// All reports whether the filter chooses all jobs.
func (f Filter) All() bool {
	return len(f.Hosts)+len(f.Targets)+len(f.States)+len(f.Labels)+len(f.Operator)+len(f.Project)+len(f.Text) == 0 && f.Since.IsZero() && f.Until.IsZero()
}
