// Package inventory knows which machines there are and what `ssh` would do to
// reach them. It lists them without connecting to any, and without running
// anything that a configuration names: `Match exec` is evaluated only when one
// host is resolved, which is just before it is used.
//
// Two sources make one list: ~/.ssh/config with its includes (sshconfig.go), and
// environments/*/config.yml of the operator's projects (vmconfig.go). Every value
// keeps the file and line it was written in. What is wrong with one line, file or
// host costs no other.
//
// The package starts no goroutines and no processes; the one program it needs,
// `ssh -G`, is run by the function it is given.
package inventory

import (
	"strconv"
	"strings"
)

// Destination is what an operator would type after ssh. It is comparable.
type Destination struct {
	Alias string `json:"alias"`          // as in ~/.ssh/config, a name or an address
	User  string `json:"user,omitempty"` // as ssh -l; empty: what the configuration says
	Port  int    `json:"port,omitempty"` // as ssh -p; zero: what the configuration says
}

// String is the destination in the form user@alias:port, with what is set.
func (d Destination) String() string {
	s := d.Alias
	if d.User != "" {
		s = d.User + "@" + s
	}
	if d.Port != 0 {
		if strings.Contains(d.Alias, ":") { // an IPv6 address
			s = strings.Replace(s, d.Alias, "["+d.Alias+"]", 1)
		}
		s += ":" + strconv.Itoa(d.Port)
	}
	return s
}

// Host is one machine that can be chosen.
type Host struct {
	Name        string   `json:"name"`        // unique in its list; what is given to --on and recorded in jobs
	Local       bool     `json:"local"`       // it is this machine
	Environment string   `json:"environment"` // the group it belongs to; empty: none
	Address     string   `json:"address"`     // as it is written down; a hint, not resolved
	User        string   `json:"user"`        // as it is written down; empty: not there
	Port        int      `json:"port"`        // as it is written down; zero: not there
	Tags        []string `json:"tags"`
	Conflicts   []string `json:"conflicts"` // what two sources say differently, in words

	// Where each of these was written; the first one names the host.
	Origins []Origin `json:"origins" ts_type:"{field: string, value: string, file: string, line: number}[]"`

	Destination Destination `json:"destination"` // how to reach it; zero for this machine
}

// Origin is where a value was written.
type Origin struct {
	Field string `json:"field"` // "name", "address", "user", "port", "tags"
	Value string `json:"value"`
	File  string `json:"file"`
	Line  int    `json:"line"` // from 1; zero when the file as a whole says it
}

// Problem is something in a file that was passed over, or that ssh itself would
// refuse.
type Problem struct {
	File string `json:"file"`
	Line int    `json:"line"` // zero: the file as a whole
	Host string `json:"host"` // whom it concerns, if only one; else empty
	Text string `json:"text"`
}

// List is every host, in the order in which the files name them, this machine
// first.
type List struct {
	Hosts    []Host    `json:"hosts"`
	Problems []Problem `json:"problems"`
	Looked   []string  `json:"looked"` // files and folders that were read or looked for: what to watch
}
