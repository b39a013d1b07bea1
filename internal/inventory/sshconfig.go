package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Scan is what the ssh configuration of a user names. Nothing is evaluated: the
// hints are what is written under the name itself, without what patterns and Match
// add to it.
type Scan struct {
	Hosts    []Host
	Problems []Problem
	Looked   []string // files and folders that were read or looked for; folders end in a slash

	// Runs is set when resolving a host may run a command: there is a Match exec.
	Runs bool
}

// ScanSSH lists the hosts that a configuration file names with its includes; file
// is ~/.ssh/config when it is empty, home that of the user. A line that cannot be
// read is passed over. Patterns are no hosts.
func ScanSSH(file, home string) Scan {
	s := &scanner{local: thisMachine(home), index: map[string]int{}, looked: map[string]bool{}, inside: map[string]bool{}, work: maxLines}
	missing := false
	if file == "" {
		file, missing = s.standard(false), true
	}
	s.file(file, nil, 0, missing)
	return s.Scan
}

type scanner struct {
	local
	Scan
	index  map[string]int  // of a name in Hosts
	looked map[string]bool // what is in Looked
	inside map[string]bool // files that are being read, which must not include each other
	ignore []string        // of IgnoreUnknown, wherever it stands
	work   int             // lines that may still be read
}

func (s *scanner) problem(file string, line int, host, format string, a ...any) {
	const most = 1000 // a file of another kind has as many problems as lines
	if len(s.Problems) < most {
		s.Problems = append(s.Problems, Problem{File: file, Line: line, Host: host, Text: fmt.Sprintf(format, a...)})
	}
}

func (s *scanner) look(path string) {
	if !s.looked[path] {
		s.looked[path] = true
		s.Looked = append(s.Looked, path)
	}
}

// file reads one file. The patterns of the blocks in which it is included limit
// what it can say something about.
func (s *scanner) file(path string, within [][]string, depth int, mayMiss bool) {
	if s.looked[path] {
		s.work -= againCost
	}
	s.look(path)
	if s.inside[path] {
		s.problem(path, 0, "", "includes itself; ssh refuses that")
		return
	}
	if depth > maxInclude {
		s.problem(path, 0, "", "is included more than %d levels deep; ssh refuses that", maxInclude)
		return
	}
	data, err := readConfig(path)
	switch {
	case err == nil && (mayMiss || depth > 0) && !ownedWell(path):
		s.problem(path, 0, "", "belongs to somebody else, or others may write to it; ssh refuses that")
	case mayMiss && isMissing(err), errors.Is(err, errFolder) && depth > 0:
		return // nothing is there, and ssh does not complain
	case err != nil:
		s.problem(path, 0, "", "%v", err)
		return
	}
	s.inside[path] = true
	defer delete(s.inside, path)

	if strings.HasPrefix(string(data), byteOrderMark) {
		s.problem(path, 1, "", "begins with a byte order mark, for which ssh refuses the file: save it as UTF-8 without one")
		data = data[len(byteOrderMark):]
	}
	lines := s.guard(path, data)
	if s.work -= len(lines); s.work < 0 {
		s.problem(path, 0, "", "is passed over: the files with their includes have too many lines")
		return
	}
	s.blocks(path, lines, within, depth)
}

// blocks goes through what guard has left of a file.
func (s *scanner) blocks(path string, lines []line, within [][]string, depth int) {
	hints, err := decode(lines)
	if err != nil {
		s.problem(path, 0, "", "%v", err)
	}
	block := within
	for _, l := range lines {
		switch l.keyword {
		case "host":
			block = append(slices.Clip(within), l.args)
			for _, alias := range append(hints[l.number].aliases, oddNames(l)...) {
				if reaches(alias, within) {
					s.host(alias, path, l.number, hints[l.number].values)
				}
			}
		case "match":
			block = within
			s.Runs = s.Runs || runs(l.rest)
		case "include":
			for _, arg := range l.args {
				s.include(arg, path, l.number, block, depth)
			}
		}
	}
}

// include reads the files of one argument of Include.
func (s *scanner) include(arg, path string, number int, within [][]string, depth int) {
	if s.work < 0 {
		return
	}
	files, err := s.includes(arg, false, s.look)
	if err != nil {
		s.problem(path, number, "", "Include: %v", err)
	}
	for _, f := range files {
		if s.work >= 0 {
			s.file(f, within, depth+1, true)
		}
	}
}

// reaches reports whether lines within these Host blocks are ever for a name.
func reaches(alias string, within [][]string) bool {
	for _, patterns := range within {
		if !matchesHost(alias, patterns) {
			return false
		}
	}
	return true
}

func matchesHost(alias string, patterns []string) bool {
	found := false
	for _, p := range patterns {
		p, negated := strings.CutPrefix(p, "!")
		if matches(alias, p) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// host adds a name, or what another block says of a name that is there.
func (s *scanner) host(alias, path string, number int, hints []Origin) {
	if err := CheckAlias(alias); err != nil {
		s.problem(path, number, "", "%q cannot be used as a host: %v", alias, err)
		return
	}
	i, known := s.index[alias]
	if !known {
		i = len(s.Hosts)
		s.index[alias] = i
		s.Hosts = append(s.Hosts, Host{Name: alias, Destination: Destination{Alias: alias}})
	}
	h := &s.Hosts[i]
	h.Origins = append(h.Origins, Origin{Field: "name", Value: alias, File: path, Line: number})
	for _, o := range hints {
		o.File = path
		h.hint(o)
	}
}

// hint keeps a value that was written down, if it is the first of its kind.
func (h *Host) hint(o Origin) {
	switch {
	case o.Field == "address" && h.Address == "":
		h.Address = strings.ReplaceAll(o.Value, "%h", h.Name)
	case o.Field == "user" && h.User == "":
		h.User = o.Value
	case o.Field == "port" && h.Port == 0:
		h.Port = max(portNumber(o.Value), 0)
	default:
		return
	}
	h.Origins = append(h.Origins, o)
}
