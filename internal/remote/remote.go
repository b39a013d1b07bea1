// Package remote runs commands on other machines over SSH. It has the same shape
// as package process: [Pool.Start] gives a [Process] that writes all of its
// output, can be typed into, resized and ended with everything it started, and
// says how it ended.
//
// If `ssh web1` works in the operator's terminal it works here; where it does not,
// a [ConnectError] says at which hop, after which attempts, and what to do next.
//
// Host keys are checked before anything secret is sent, and a host that asks for
// something is named with its question. A connection is never made again by
// asking the operator unasked, and never after a refused log-in. Whether what a
// command started is gone after a cancel is looked at, not assumed.
//
// A [Tunnel] carries ports over the same connections.
//
// Goroutines belong to the link, Process, Tunnel or attempt to connect that started them;
// [Pool.Close] waits for all of them.
package remote

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// Config is what a [Pool] needs from outside. Resolve and Spawn are required.
type Config struct {
	// Resolve returns the effective options of a destination, as ssh has them.
	Resolve func(ctx context.Context, d inventory.Destination) (*inventory.Options, error)

	// Spawn starts a local program whose input and output are the caller's: a
	// ProxyCommand, or ssh itself.
	Spawn func(ctx context.Context, s Spawn) (Spawned, error)

	// Prompts says how the operator is asked; it is called when a connection begins.
	// What is nil in its answer is refused, and so is everything when it is nil.
	Prompts func() Prompts

	// Accepted is told of every host key that was accepted and written down, so
	// that it can be recorded. It may be nil.
	Accepted func(AcceptedKey)

	// SSH is the path of ssh, for the connections that only it can make; empty: there
	// is none. SSHConfig is the file that it reads, as ssh -F; empty: the usual ones.
	SSH, SSHConfig string

	// Engine says which engine the operator chose for a destination, "built-in" or
	// "openssh"; empty: whichever it takes. It may be nil.
	Engine func(inventory.Destination) string

	// Changed is told that the state of a destination has changed. It must return
	// at once and may be nil.
	Changed func(inventory.Destination)
}

// Spawn is a local program.
type Spawn struct {
	Argv   []string
	Env    map[string]string // added to the environment
	Stderr io.Writer         // nil discards it
}

// Spawned is a local program that runs. Read and Write are its output and input.
// Close ends it with everything it started and waits for that.
type Spawned interface {
	io.ReadWriteCloser
	Wait() error // nil when it exited with 0
}

// Command is what to run on a host; see [process.Config], which has the same
// fields and meanings. Argv is quoted for the host's login shell, whichever it is.
type Command struct {
	ID   job.ID            // exported as VMO_RUN; everything the command starts is found by it
	Argv []string          // empty: the operator's login shell there, which needs TTY
	Dir  string            // working directory there; empty: the home directory; ~/x is within it
	Env  map[string]string // set by the wrapper, whatever the server's AcceptEnv says

	TTY  bool
	Size job.Size

	Stdin          io.Reader
	Input          bool
	Stdout, Stderr io.Writer

	Grace time.Duration // between the steps of a cancel; zero means 5 s
	Drain time.Duration // how long output may stay open after the end; zero means 2 s

	Link job.Link // what is to happen when the connection is lost

	keep int64 // how much of a kept output stays while nobody fetches it; zero means 1 GiB
}

// Status is where a connection stands.
type Status string

// The states of a host, as its connections have shown them. Nothing is probed.
const (
	StatusUnknown     Status = "unknown"      // nobody has connected yet
	StatusConnecting  Status = "connecting"   // the first connection is being made
	StatusConnected   Status = "connected"    // there is an authenticated connection
	StatusLost        Status = "disconnected" // there was one; it is being made again
	StatusUnreachable Status = "unreachable"  // no connection: network, name, port, a hop, a deadline
	StatusRefused     Status = "auth-failed"  // the server took none of what was offered
	StatusHostKey     Status = "host-key"     // the host key is unknown, changed or revoked
)

// State is what is known of a destination.
type State struct {
	Destination inventory.Destination `json:"destination"`
	Status      Status                `json:"status"`
	Since       time.Time             `json:"since" ts_type:"string"` // when it came to be so
	LatencyMS   float64               `json:"latency_ms"`             // of the last answer to a keepalive or request; zero: none yet
	Attempt     int                   `json:"attempt"`                // while disconnected: how many times it was tried again
	Next        time.Time             `json:"next" ts_type:"string"`  // while disconnected: when it is tried again
	Error       string                `json:"error"`                  // why there is no connection, in one line
	Hint        string                `json:"hint"`                   // what to do about it
	KeyChanged  bool                  `json:"key_changed"`            // it is that a host key has changed; see Pool.ChangedKey
	Steps       []Step                `json:"steps"`                  // how far the last attempt came
	Way         []Waypoint            `json:"way"`                    // the machines on the way as the last attempt found them, the host itself last
	Engine      string                `json:"engine"`                 // "built-in" or "openssh"
	Connections int                   `json:"connections"`
	Sessions    int                   `json:"sessions"`     // open on all of them
	MaxSessions int                   `json:"max_sessions"` // for each connection, as far as the server has shown
	Server      string                `json:"server"`       // its version, as it calls itself
	HostKey     string                `json:"host_key"`     // type and SHA256 fingerprint
	Kex         string                `json:"kex"`
	Cipher      string                `json:"cipher"`
	MAC         string                `json:"mac"`
}

// Waypoint is one machine on the way to a host.
type Waypoint struct {
	Name   string `json:"name"`   // as the operator knows it
	Addr   string `json:"addr"`   // user@host:port
	Came   Came   `json:"came"`   // how far the last attempt came with it
	Banner string `json:"banner"` // what its server said before anybody logged in; hostile text
}

// Came is how far an attempt to connect came with a machine on the way.
type Came string

// The cases.
const (
	CameNowhere Came = ""        // it was not tried, or nobody can tell
	CameThrough Came = "through" // it let us in
	CameToStop  Came = "stopped" // the attempt ended there
)

// Step is one thing that was tried on the way to a connection, in order.
type Step struct {
	Hop    string `json:"hop"`    // as the operator knows it
	What   string `json:"what"`   // "resolve", "proxy", "tcp", "handshake", "host key", "agent", "publickey", "password", "keyboard-interactive", "session"
	Detail string `json:"detail"` // which key, address or algorithm, and what came of it
	OK     bool   `json:"ok"`
}

// ConnectError tells why there is no connection.
type ConnectError struct {
	Host   string // whom the operator wanted
	Hop    string // which hop failed; equals Host for the last one
	Status Status // StatusUnreachable, StatusRefused or StatusHostKey
	Steps  []Step // everything that was tried, in order
	Err    error
}

func (e *ConnectError) Error() string {
	if e.Hop == e.Host || e.Hop == "" {
		return fmt.Sprintf("connect to %s: %v", e.Host, e.Err)
	}
	return fmt.Sprintf("connect to %s, at its hop %s: %v", e.Host, e.Hop, e.Err)
}

// Unwrap returns what went wrong at the hop.
func (e *ConnectError) Unwrap() error { return e.Err }

// Ladder is the attempt in lines for people, one for each step.
func (e *ConnectError) Ladder() string {
	var b strings.Builder
	for _, s := range e.Steps {
		mark := "failed"
		if s.OK {
			mark = "ok"
		}
		fmt.Fprintf(&b, "%-6s  %s: %s: %s\n", mark, s.Hop, s.What, s.Detail)
	}
	return b.String()
}
