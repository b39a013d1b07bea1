// Package knownhosts answers whether a host key is the right one, from the same
// files and by the same rules as OpenSSH (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
//
// One line that cannot be understood costs no other: it is passed over and
// becomes a [Problem]. What is written is what ssh would have written, and an
// existing line is never lost: a file is appended to, or replaced in one step
// with a copy of the old one beside it.
//
// The package asks nobody and decides nothing: it says what is known. It starts
// no goroutines, and keeps nothing between two calls.
package knownhosts

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Files are where host keys are written. Those that do not exist hold none.
type Files struct {
	User   []string // UserKnownHostsFile, in order; new keys go into the first
	Global []string // GlobalKnownHostsFile

	// Revoked are RevokedHostKeys: keys that nobody may have. Unlike the others
	// they must be readable, or no key is accepted.
	Revoked []string
}

// Query is the host whose key is looked for.
type Query struct {
	Host  string // what is dialled: HostName
	Port  int    // zero means 22
	Alias string // HostKeyAlias: looked for instead, without port

	// CASignatures are CASignatureAlgorithms, by which a certificate may be signed.
	// Empty means all but those with SHA-1.
	CASignatures []string
}

// Name is how the host is written down: alias, host or [host]:port.
func (q Query) Name() string {
	switch {
	case q.Alias != "":
		return q.Alias
	case q.Port == 0 || q.Port == 22:
		return q.Host
	}
	return "[" + q.Host + "]:" + strconv.Itoa(q.Port)
}

// names are what to look for, in order. A host on another port is also believed
// by the key of its name alone, as ssh does; it is never refused by that one.
func (q Query) names() []string {
	names := []string{q.Name()}
	if q.Alias == "" && q.Host != names[0] {
		names = append(names, q.Host)
	}
	return names
}

// principal is whom a certificate must be for.
func (q Query) principal() string {
	if q.Alias != "" {
		return q.Alias
	}
	return strings.ToLower(q.Host)
}

// Place is a line of a file.
type Place struct {
	File string
	Line int // from 1
}

func (p Place) String() string { return p.File + ":" + strconv.Itoa(p.Line) }

// Problem is a line, or a whole file, that was passed over.
type Problem struct {
	File string
	Line int // zero: the file as a whole
	Text string
}

// Marker says what a line is about.
type Marker string

// The markers that a line may begin with.
const (
	MarkNone    Marker = ""                // the key of a host
	MarkCA      Marker = "@cert-authority" // a key that signs the keys of hosts
	MarkRevoked Marker = "@revoked"        // a key that no such host may have
)

// Entry is a line that holds a key.
type Entry struct {
	Place
	Marker Marker
	Hosts  string // the names, as written
	Key    ssh.PublicKey
	User   bool // from one of the user's files
}

// Known is what the files say.
type Known struct {
	lines    []line
	problems []Problem
	revoked  []string
}

// Read reads the files. It never fails: what cannot be read is a Problem.
func (f Files) Read() *Known {
	k := &Known{revoked: f.Revoked}
	for _, file := range f.User {
		k.read(file, true)
	}
	for _, file := range f.Global {
		k.read(file, false)
	}
	return k
}

func (k *Known) read(file string, user bool) {
	text, err := readRegular(file)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			k.problems = append(k.problems, Problem{File: file, Text: fmt.Sprintf("not read: %v", err)})
		}
		return
	}
	lines, problems := parse(file, text)
	for _, l := range lines {
		l.user = user
		k.lines = append(k.lines, l)
	}
	k.problems = append(k.problems, problems...)
}

// readRegular reads a file that ends: a fifo could keep us for ever.
func readRegular(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		if file == os.DevNull {
			return nil, nil
		}
		return nil, errors.New("not a regular file")
	}
	return os.ReadFile(file)
}

// Problems returns what was passed over. It looks at every key, which a check of
// one host does not.
func (k *Known) Problems() []Problem {
	problems := append([]Problem(nil), k.problems...)
	for i := range k.lines {
		l := &k.lines[i]
		if _, err := l.key(); err != nil {
			problems = append(problems, Problem{l.File, l.Line, err.Error()})
		}
	}
	return problems
}

// Find returns the lines about a host, by the name under which it is written, in
// the order of the files. Lines without a usable key are not among them.
func (k *Known) Find(name string) []Entry {
	var found []Entry
	for i := range k.lines {
		l := &k.lines[i]
		if !l.matches(name) {
			continue
		}
		if key, err := l.key(); err == nil {
			found = append(found, Entry{l.Place, l.marker, l.hosts, key, l.user})
		}
	}
	return found
}

// Others returns the lines that hold a key for whatever host.
func (k *Known) Others(key ssh.PublicKey) []Entry {
	want := key.Marshal()
	var found []Entry
	for i := range k.lines {
		l := &k.lines[i]
		if l.marker != MarkNone {
			continue
		}
		if have, err := l.key(); err == nil && bytes.Equal(have.Marshal(), want) {
			found = append(found, Entry{l.Place, l.marker, l.hosts, have, l.user})
		}
	}
	return found
}
