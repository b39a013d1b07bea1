package job

import "time"

// Filter chooses jobs of a history. An empty field chooses all; several values
// of one field mean any of them, several fields mean all of them.
type Filter struct {
	Hosts    []string // as in Job.Host; "" is this machine
	Targets  []string
	States   []State
	Operator string // a part of it, such as a name or a laptop
	Project  string
	Since    time.Time // queued at or after
	Until    time.Time // queued before
	Text     string    // in the command, the target, the source or the host; case does not matter
}
