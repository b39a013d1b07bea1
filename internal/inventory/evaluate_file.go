package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// refusal is an error for which ssh refuses the whole configuration.
type refusal struct {
	lines []string
	cause error // what ended it, if that was not a mistake in a file
}

func (r *refusal) Error() string { return strings.Join(r.lines, "\n") }
func (r *refusal) Unwrap() error { return r.cause }

// statement is one line of a configuration.
type statement struct {
	keyword string // as the table has it
	rest    string // the text after the keyword
	args    []string
	file    string
	line    int
	active  *bool
	source  source
}

// source is how the file of a line is read.
type source struct {
	system bool // ssh's own configuration, not the user's
	owned  bool // it must belong to the user or to root
	never  bool // only for its mistakes: it is included where nothing applies
	depth  int
}

// next takes an argument; "" if there is none, or if it is empty.
func (s *statement) next() string {
	if len(s.args) == 0 {
		return ""
	}
	arg := s.args[0]
	s.args = s.args[1:]
	return arg
}

// standard is the file that ssh reads without -F.
func (l *local) standard(system bool) string {
	if system {
		return filepath.Join(systemFolder(), "ssh_config")
	}
	return filepath.Join(l.home, ".ssh", "config")
}

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

func refuse(format string, a ...any) *refusal {
	return &refusal{lines: []string{fmt.Sprintf(format, a...)}}
}

// file reads one file. Like ssh it goes on after a line that is wrong, to name
// them all.
func (e *evaluator) file(path string, from source, active *bool) error {
	if from.depth > maxInclude {
		return refuse("Too many recursive configuration includes")
	}
	if !e.look(path) {
		e.work -= againCost
	}
	data, err := readConfig(path)
	if errors.Is(err, errFolder) { // ssh opens it and finds no lines
		data, err = nil, nil
	}
	if err != nil {
		return err
	}
	if from.owned && !ownedWell(path) {
		return refuse("Bad owner or permissions on %s", path)
	}
	var wrong []string
	for n, text := range numbered(data) {
		if e.work--; e.work < 0 {
			return refuse("%s line %d: the files with their includes have more than %d lines", path, n, maxLines)
		}
		s := statement{file: path, line: n, active: active, source: from}
		if err := e.line(text, &s); err != nil {
			var r *refusal
			if errors.As(err, &r) { // of an included file, or one that ends it at once
				return &refusal{append(wrong, r.lines...), r.cause}
			}
			wrong = append(wrong, err.Error())
		}
	}
	if len(wrong) > 0 {
		return &refusal{lines: append(wrong, fmt.Sprintf("%s: terminating, %d bad configuration options", path, len(wrong)))}
	}
	return nil
}

// look notes how a file or folder is before it is read, and reports whether that
// is the first time.
func (e *evaluator) look(path string) bool {
	_, known := e.read[path]
	if !known {
		e.read[path] = stat(path)
	}
	return !known
}

func (e *evaluator) line(text string, s *statement) (err error) {
	word, rest, ok := keywordOf(text)
	if !ok {
		return nil
	}
	if rest == "" {
		return fmt.Errorf("%s line %d: no argument after keyword \"%s\"", s.file, s.line, word)
	}
	known, found := keywords[word]
	if !found && !matchesList(word, e.first("ignoreunknown"), true) {
		return fmt.Errorf("%s: line %d: Bad configuration option: %s", s.file, s.line, word)
	}
	if s.args, err = splitArgs(rest); err != nil {
		return fmt.Errorf("%s line %d: %w", s.file, s.line, err)
	}
	if !found {
		return nil
	}
	s.keyword, s.rest = known.name, rest
	if err := known.read(e, s); err != nil {
		var r *refusal
		if errors.As(err, &r) {
			return err
		}
		return fmt.Errorf("%s line %d: %w", s.file, s.line, err)
	}
	if len(s.args) > 0 {
		return fmt.Errorf("%s line %d: keyword %s extra arguments at end of line", s.file, s.line, word)
	}
	return nil
}

// include reads the files that an Include names, as if they stood there.
func (e *evaluator) include(s *statement) error {
	here := *s.active
	for len(s.args) > 0 {
		arg := s.next()
		if arg == "" {
			return errors.New("keyword include empty argument")
		}
		e.volatile = e.volatile || strings.Contains(arg, "${")
		files, err := e.includes(arg, s.source.system, func(folder string) { e.look(folder) })
		if err != nil {
			return err
		}
		for _, f := range files {
			from := s.source
			from.owned, from.depth, from.never = true, from.depth+1, from.never || !here
			err := e.file(f, from, s.active)
			*s.active = here // what a block of that file said ends with it
			switch {
			case errors.Is(err, fs.ErrNotExist): // a link to nowhere
			case err != nil && !isRefusal(err):
				return fmt.Errorf("can't open user config file %s: %w", f, err)
			case err != nil:
				return err
			}
		}
	}
	return nil
}
