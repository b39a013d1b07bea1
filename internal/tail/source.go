// Package tail knows log sources on a host and how to go on with one exactly
// where a lost connection left it: no line twice, none missing while the source
// still has it, and a line that was cut in the middle completed once.
//
// A [Tracker] gives the command to run on the host and stands between its output
// and the record. It takes out what the command put in for it, such as the times
// of docker logs --timestamps, and nothing else. What cannot be continued, because
// a container was recreated or a file was rotated away, it tells as a boundary.
//
// The scripts are plain sh, need nothing on the host but what reads the log
// there, and never contain a value: names and paths are their arguments.
//
// The package starts no processes and no goroutines; a Tracker may be used from
// the goroutines that copy the two streams, and from any other.
package tail

import (
	"fmt"
	"strings"
	"unicode"
)

// Kind is what a source is.
type Kind string

// The kinds of sources.
const (
	Docker  Kind = "docker"  // a container of docker or podman
	Compose Kind = "compose" // a service of a compose project
	Journal Kind = "journal" // a unit of systemd
	File    Kind = "file"    // a file, also when it is rotated
	Cmd     Kind = "cmd"     // what a command prints; it cannot be resumed
)

// KnowsTimes reports whether such a log can be read from a time on.
func (k Kind) KnowsTimes() bool { return k == Docker || k == Compose || k == Journal }

// Source is a log on a host.
type Source struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"` // of the container, service or unit; the path; the command line
	Dir  string `json:"dir"`  // of a compose project; empty: any project's
}

// allowed is what Parse takes, for its errors.
const allowed = "a log is docker:CONTAINER, compose:SERVICE, journal:UNIT, file:PATH or cmd:COMMAND"

// Parse reads a source as an operator types it.
func Parse(text string) (Source, error) {
	kind, name, ok := strings.Cut(text, ":")
	s := Source{Kind: Kind(kind), Name: name}
	if !ok {
		return Source{}, fmt.Errorf("%q names no log: %s", text, allowed)
	}
	return s, s.Validate()
}

// String is the source as Parse reads it. The folder of a compose project is not
// in it.
func (s Source) String() string { return string(s.Kind) + ":" + s.Name }

// Validate reports whether the source can be asked for.
func (s Source) Validate() error {
	wrong := func(what string) error { return fmt.Errorf("%q: %s", s.String(), what) }
	if strings.ContainsRune(s.Name, 0) || strings.ContainsRune(s.Dir, 0) {
		return wrong("a NUL byte cannot be passed on")
	}
	if strings.TrimSpace(s.Name) == "" {
		return wrong("nothing stands behind the colon; " + allowed)
	}
	switch s.Kind {
	case Docker:
		if !isName(s.Name, "_.-") {
			return wrong("a container's name or id has only letters, digits and _.-")
		}
	case Compose:
		if !isName(s.Name, "_.-") {
			return wrong("a service's name has only letters, digits and _.-")
		}
	case Journal:
		if !isName(s.Name, `_.-@:\`) {
			return wrong(`a unit's name has only letters, digits and _.-@:\`)
		}
	case File:
		if !strings.HasPrefix(s.Name, "/") && !strings.HasPrefix(s.Name, "~/") {
			return wrong("the path must begin with / or ~/")
		}
		if strings.IndexFunc(s.Name, unicode.IsControl) >= 0 {
			return wrong("the path has control characters")
		}
	case Cmd:
	default:
		return wrong(allowed)
	}
	return nil
}

// isName reports whether a name consists of letters, digits and the extra
// characters, and could not be taken for an option.
func isName(s, extra string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (i == 0 && r != '_' || !strings.ContainsRune(extra, r)) {
			return false
		}
	}
	return true
}
