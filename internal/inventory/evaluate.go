package inventory

import (
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
)

// evaluator finds the options of one destination as ssh does: it reads every file
// line by line, and a keyword that may stand once keeps its first value. What
// is checked, and in which order, is as in OpenSSH's readconf.c; the tests compare
// the two.
//
// It serves twice: in place of `ssh -G` where there is no ssh, and next to it, to
// tell which files were read and where a value was written.
type evaluator struct {
	local
	alias string // as typed
	host  string // what Host is compared with: the alias, in the final pass the name
	final bool

	values    map[string][]string
	origins   map[string]Origin
	jump      Destination // the last machine of ProxyJump
	wantFinal bool

	// exec runs the command of a Match exec. Where it is nil, nothing is run and
	// the condition does not hold.
	exec func(command string) (bool, error)

	read     map[string]fs.FileInfo // what was read or looked for, as it was before; folders end in a slash, nil is not there
	volatile bool                   // the result depends on more than the files
	execs    bool                   // there is a Match exec, whether or not it has run
	unable   []string               // what the evaluator cannot do and the configuration asks for
	work     int                    // lines that may still be read, so that includes cannot multiply
}

// evaluate reads the configuration for a destination: config in place of all
// others, or that of the user and then that of the system.
func (e *evaluator) evaluate(d Destination, config string) error {
	e.alias, e.host = d.Alias, d.Alias
	e.values, e.origins, e.read = map[string][]string{}, map[string]Origin{}, map[string]fs.FileInfo{}
	if d.User != "" {
		e.values["user"] = []string{d.User}
	}
	if d.Port != 0 {
		e.values["port"] = []string{fmt.Sprint(d.Port)}
	}
	if err := e.pass(config); err != nil {
		return err
	}
	if err := e.settleHost(); err != nil {
		return err
	}
	if e.first("canonicalizehostname") != "" && e.first("canonicalizehostname") != "false" {
		e.cannot("CanonicalizeHostname")
		e.volatile, e.wantFinal = true, true
	}
	if e.wantFinal {
		e.final, e.volatile = true, true
		e.values["hostname"] = []string{e.host}
		if err := e.pass(config); err != nil {
			return err
		}
	}
	return e.finish()
}

// pass reads the configuration once.
func (e *evaluator) pass(config string) error {
	e.work = maxLines + againCost*len(e.read) // the second pass reads everything again
	if config != "" {
		if strings.EqualFold(config, "none") {
			return nil
		}
		active := true
		err := e.file(config, source{}, &active)
		if err != nil && !isRefusal(err) {
			return fmt.Errorf("can't open user config file %s: %w", config, err)
		}
		return err
	}
	// A file that cannot be opened counts as empty, for ssh too.
	for _, from := range []source{{owned: true}, {system: true}} {
		active := true
		if err := e.file(e.standard(from.system), from, &active); isRefusal(err) {
			return err
		}
	}
	return nil
}

func (e *evaluator) first(keyword string) string {
	if v := e.values[keyword]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// set keeps a value, if the line applies and there is none yet.
func (e *evaluator) set(s *statement, key string, values ...string) {
	if _, ok := e.values[key]; *s.active && !ok {
		e.add(s, key, values...)
	}
}

func (e *evaluator) add(s *statement, key string, values ...string) {
	e.values[key] = append(e.values[key], values...)
	if _, ok := e.origins[key]; !ok {
		e.origins[key] = Origin{Field: key, Value: strings.Join(values, " "), File: s.file, Line: s.line}
	}
}

const onWindows = runtime.GOOS == "windows"

// cannot notes what the evaluator passes over.
func (e *evaluator) cannot(what string) {
	if !slices.Contains(e.unable, what) {
		e.unable = append(e.unable, what)
	}
}
