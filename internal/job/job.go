// Package job is the vocabulary of the program: what was asked for (a [Spec] on
// a set of hosts makes a [Run]), what came of it (a [Job] on each host), what it
// printed ([Chunk]) and how it ended ([Exit]).
//
// A make target, a terminal and a log tail are all jobs; nothing here knows
// which. The package does no I/O and starts no goroutines. Its values are plain
// data, safe to copy, and their JSON form is the one that `vmo --json`, the
// window and the journal share.
package job

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// ID names a run or a job: a UUIDv7 (RFC 9562) in its canonical text form, so
// that ids sort by the time at which they were made.
type ID string

// NewID makes an ID that sorts after every ID this process made before.
func NewID() ID {
	id, err := uuid.NewV7()
	if err != nil {
		panic("job: no randomness: " + err.Error()) // crypto/rand never fails since Go 1.24
	}
	return ID(id.String())
}

// ParseID accepts the canonical form only: ids are file names, and a job must
// not have two.
func ParseID(s string) (ID, error) {
	id, err := uuid.Parse(s)
	if err != nil || id.String() != s {
		return "", fmt.Errorf("%w: %q is not a job id", ErrInvalid, s)
	}
	return ID(s), nil
}

// Time is the moment at which the ID was made, to the millisecond. It is the
// zero time for anything that is not a UUIDv7.
func (id ID) Time() time.Time {
	u, err := uuid.Parse(string(id))
	if err != nil || u.Version() != 7 {
		return time.Time{}
	}
	sec, nsec := u.Time().UnixTime()
	return time.Unix(sec, nsec).UTC()
}

// Size is the size of a terminal in character cells. The zero Size means that
// nobody has said.
type Size struct {
	Cols uint16 `json:"cols"`
	Rows uint16 `json:"rows"`
}

// Spec is a request: what to run, before anyone has decided whether it may.
// Values in Env may be secrets; only their names are ever recorded.
type Spec struct {
	Project string            // alias of the project it came from; empty for none
	Target  string            // name of the make target; empty for a plain command
	Argv    []string          // the command; never a shell string
	Dir     string            // working directory; empty means the caller's
	Env     map[string]string // added to the inherited environment
	TTY     bool              // run in a terminal instead of pipes
	Size    Size              // of that terminal; zero means 80×24
	Timeout time.Duration     // zero means none
	Source  string            // of a log tail, such as docker:web, or tunnel:-D 1080 of a tunnel; empty for everything else
	Link    Link              // what happens to it when the connection to its host is lost
}

// Link says what happens to a job on another machine when the connection is lost.
type Link string

// The choices. A log tail goes on by itself, whatever it says.
const (
	LinkLost Link = ""     // the job is lost; what it started may go on there, and its record says so
	LinkKeep Link = "keep" // its output is kept there, and it is found again when there is a connection
	LinkStop Link = "stop" // it is ended there
)

// Validate reports whether the Spec can be started at all. NUL bytes cannot be
// passed to a process, so they are refused here rather than cut there.
func (s Spec) Validate() error {
	if len(s.Argv) == 0 || s.Argv[0] == "" {
		return fmt.Errorf("%w: there is no command to run", ErrInvalid)
	}
	for i, arg := range s.Argv {
		if strings.IndexByte(arg, 0) >= 0 {
			return fmt.Errorf("%w: argument %d contains a NUL byte", ErrInvalid, i)
		}
	}
	for name, value := range s.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.IndexByte(value, 0) >= 0 {
			return fmt.Errorf("%w: environment variable %q cannot be passed to a process", ErrInvalid, name)
		}
	}
	switch s.Link {
	case LinkLost, LinkKeep, LinkStop:
	default:
		return fmt.Errorf("%w: %q is not what can happen when a connection is lost", ErrInvalid, s.Link)
	}
	if s.Timeout < 0 {
		return fmt.Errorf("%w: the timeout %v is negative", ErrInvalid, s.Timeout)
	}
	return nil
}

// Run is one launch: one Spec on a set of hosts that is fixed when it is begun.
// It has one Job for each host.
type Run struct {
	ID    ID
	Spec  Spec
	Hosts []string // "" is this machine
}

// NewRun gives a launch its identity. Without hosts it is for this machine.
func NewRun(spec Spec, hosts ...string) Run {
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	return Run{ID: NewID(), Spec: spec, Hosts: hosts}
}

// Job is one command on one host, as recorded. Fields that are not known yet
// are zero: FinishedAt until it ends, ExitCode unless the process exited.
type Job struct {
	ID         ID         `json:"id"`
	Run        ID         `json:"run"`
	Host       string     `json:"host"` // "" is this machine
	Project    string     `json:"project"`
	Target     string     `json:"target"`
	Argv       []string   `json:"argv"`
	Dir        string     `json:"dir"`
	EnvNames   []string   `json:"env_names,omitempty"` // names only, sorted
	TTY        bool       `json:"tty"`
	Size       Size       `json:"size" ts_type:"{cols: number, rows: number}"` // of the terminal at the start
	TimeoutMS  int64      `json:"timeout_ms,omitempty"`
	Source     string     `json:"source,omitempty"` // of a log tail, such as docker:web, or of a tunnel
	Link       Link       `json:"link,omitempty"`
	Event      bool       `json:"event,omitempty"`  // something that was done, such as a host key accepted: Argv says what, and cannot be run
	Origin     string     `json:"origin,omitempty"` // the installation that recorded it, if its record was imported
	Operator   string     `json:"operator"`         // who: user@laptop
	State      State      `json:"state"`
	Cause      Cause      `json:"cause"`  // why it ended; empty before
	Detail     string     `json:"detail"` // the cause in words, with what the system said
	ExitCode   *int       `json:"exit_code"`
	Signal     string     `json:"signal"` // such as "SIGKILL"; empty unless it ended by one
	Survivors  []Survivor `json:"survivors,omitempty" ts_type:"{pid: number, command: string, why: string}[]"`
	QueuedAt   time.Time  `json:"queued_at" ts_type:"string"`
	StartedAt  *time.Time `json:"started_at" ts_type:"string | null"`
	FinishedAt *time.Time `json:"finished_at" ts_type:"string | null"`
	Bytes      uint64     `json:"bytes"`                // of output
	Chunks     uint64     `json:"chunks"`               // the last sequence number
	Lines      uint64     `json:"lines"`                // newlines in the output
	Stalled    string     `json:"stalled,omitempty"`    // why its output waits, such as a full disk
	Unrecorded uint64     `json:"unrecorded,omitempty"` // bytes the operator chose to go on without

	Marks // in lists of jobs; never in a record
}

// Begin makes the Job that a Run has on a host, pending since now.
func (r Run) Begin(host, operator string, now time.Time) Job {
	return Job{
		ID: NewID(), Run: r.ID, Host: host,
		Project: r.Spec.Project, Target: r.Spec.Target, Argv: r.Spec.Argv, Dir: r.Spec.Dir,
		EnvNames: names(r.Spec.Env), TTY: r.Spec.TTY, Size: r.Spec.Size,
		TimeoutMS: r.Spec.Timeout.Milliseconds(), Source: r.Spec.Source, Link: r.Spec.Link,
		Operator: operator, State: Pending, QueuedAt: now.UTC(),
	}
}

// Duration is how long the job ran, until now if it still does. It is zero
// before it started.
func (j Job) Duration(now time.Time) time.Duration {
	if j.StartedAt == nil {
		return 0
	}
	if j.FinishedAt != nil {
		now = *j.FinishedAt
	}
	return max(0, now.Sub(*j.StartedAt))
}

// Title is the name an operator knows the job by: the target, the log it
// follows or what it forwards, else the command.
func (j Job) Title() string {
	if j.Target != "" {
		return j.Target
	}
	if j.Source != "" {
		return j.Source
	}
	return strings.Join(j.Argv, " ")
}
