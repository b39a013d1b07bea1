package inventory

import "strings"

// Options are the effective options of one destination: every keyword with its
// values as `ssh -G` gives them, and then expanded as ssh does before use.
type Options struct {
	Destination Destination
	HostName    string // what is dialled
	Port        int
	User        string

	// By says who evaluated the configuration: "ssh" or "built-in". Why says why it
	// was not ssh, for people; empty when it was.
	By, Why string

	values  map[string][]string // by lower-case keyword, expanded
	origins map[string]Origin
}

// Get returns the first value of a keyword, in any case; empty when it is not set.
func (o *Options) Get(keyword string) string {
	if v := o.All(keyword); len(v) > 0 {
		return v[0]
	}
	return ""
}

// All returns every value of a keyword that may stand several times, such as
// IdentityFile, and every file of UserKnownHostsFile and GlobalKnownHostsFile, or
// "none"; one value of a keyword whose value is a list, such as Ciphers.
func (o *Options) All(keyword string) []string { return o.values[strings.ToLower(keyword)] }

// Yes reports whether a keyword says yes.
func (o *Options) Yes(keyword string) bool { v := o.Get(keyword); return v == "yes" || v == "true" }

// Origin is where the value of a keyword was written; File is empty when it is a
// default or cannot be told.
func (o *Options) Origin(keyword string) Origin { return o.origins[strings.ToLower(keyword)] }

// New makes Options of values that somebody else found out: the tests of other
// packages, and hosts that no configuration names.
func New(d Destination, hostName, user string, port int, values map[string][]string) *Options {
	return &Options{Destination: d, HostName: hostName, User: user, Port: port, By: "built-in", values: values}
}
