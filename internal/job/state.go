package job

import (
	"maps"
	"slices"
	"time"
)

// State is where a job stands. Pending and Running are alive; every other state
// is final.
type State string

// The states of a job.
const (
	Pending   State = "pending"   // begun, waiting for a free place
	Running   State = "running"   // its process exists
	Succeeded State = "succeeded" // exit code 0
	Failed    State = "failed"    // another exit code, a signal, or it could not be started
	Cancelled State = "cancelled" // somebody stopped it
	TimedOut  State = "timed-out" // its timeout stopped it
	Lost      State = "lost"      // nobody knows how it ended: whoever ran it died
)

// States lists every State in the order in which a job meets them.
var States = []State{Pending, Running, Succeeded, Failed, Cancelled, TimedOut, Lost}

// Final reports whether a job in this state can still change.
func (s State) Final() bool { return s != Pending && s != Running }

// May reports whether a job may step from s to next.
func (s State) May(next State) bool {
	switch s {
	case Pending:
		return next == Running || next == Failed || next == Cancelled || next == Lost
	case Running:
		return next.Final()
	default:
		return false
	}
}

// Cause says why a job ended. Every final state has one.
type Cause string

// The causes of an ending.
const (
	CauseExit      Cause = "exit"          // the process exited by itself
	CauseSignal    Cause = "signal"        // a signal that was not ours ended it
	CauseStart     Cause = "not-started"   // the process could not be started
	CauseCancel    Cause = "cancel"        // an operator cancelled it
	CauseInterrupt Cause = "interrupt"     // Ctrl-C in the terminal of vmo
	CauseTimeout   Cause = "timeout"       // its own timeout
	CauseShutdown  Cause = "shutdown"      // the window or vmo was closed
	CauseOwner     Cause = "owner-gone"    // the process that recorded it died
	CauseJournal   Cause = "journal"       // its record could not be completed
	CauseConnect   Cause = "no-connection" // there was no connection to its host
	CauseLink      Cause = "link-lost"     // the connection to its host was lost
)

// Exit is how a job ended. Exactly one of Code and Signal is set when a process
// ended; neither is when there was none or nobody saw it end.
type Exit struct {
	State     State      `json:"state"`
	Cause     Cause      `json:"cause"`
	Detail    string     `json:"detail,omitempty"`
	Code      *int       `json:"code,omitempty"`
	Signal    string     `json:"signal,omitempty"`
	Survivors []Survivor `json:"survivors,omitempty"`
	At        time.Time  `json:"at"`
}

// Survivor is a descendant that was still alive after its job had been ended,
// or that kept the job's output open.
type Survivor struct {
	PID     int    `json:"pid"`
	Command string `json:"command"` // its argv joined by blanks, cut to 200 bytes
	Why     string `json:"why"`     // such as "still running after SIGKILL: needs root"
}

// End writes an Exit into the job.
func (j *Job) End(e Exit) {
	at := e.At.UTC()
	j.State, j.Cause, j.Detail = e.State, e.Cause, e.Detail
	j.ExitCode, j.Signal, j.Survivors = e.Code, e.Signal, e.Survivors
	j.FinishedAt, j.Stalled = &at, ""
}

func names(env map[string]string) []string {
	return slices.Sorted(maps.Keys(env))
}
