package archive

import (
	"time"

	"vmorchestrator/internal/job"
)

// State is where the shipper stands.
type State string

// The states of the shipper.
const (
	Off        State = "off"        // no archive is configured
	Connecting State = "connecting" // it has not been reached yet
	Current    State = "current"    // everything known is in the archive
	Shipping   State = "shipping"   // there is a backlog, and it gets smaller
	Waiting    State = "waiting"    // it failed, and is tried again
	Stopped    State = "stopped"    // somebody has to do something
)

// Status is what an operator is told about the archive.
type Status struct {
	State  State
	Since  time.Time // when State became what it is
	Server string    // such as anna@db.example:5432/vmo
	Error  error     // why it waits or is stopped, with a hint; nil otherwise

	LagKnown   bool   // the following are; not before there was a connection or Config.Acked
	LagJobs    int    // jobs of which the archive does not have everything
	LagBytes   uint64 // of output that is in closed blocks and not in the archive
	LagSeconds int64  // since when it has not had everything

	Acked       uint64   // the last entry of the ledger that the archive has
	AckedHash   [32]byte // of it
	Quarantined []Fault  // jobs whose record differs from what the archive has
	SetAside    []Fault  // jobs that the archive or the journal does not give or take
}

// Fault is a job that is not shipped, and why.
type Fault struct {
	Job   job.ID
	Error error
}

// Status tells how shipping stands. It never waits for the server.
func (a *Archive) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status
}
