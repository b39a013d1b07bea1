package target

import (
	"bytes"
	"fmt"
	"strings"
)

// reader walks makefiles statement by statement, in the order of GNU make's
// eval() in read.c: recipe line, assignment, condition, directive, rule.
type reader struct {
	open     func(name string) ([]byte, error)
	files    []string        // read so far, also $(MAKEFILE_LIST)
	seen     map[string]bool // by cleaned name: a file is read once, so that includes cannot multiply
	reading  map[string]bool // by cleaned name: files we are inside of
	listings map[string][]string
	bytes    int // of all files
	work     int // bytes that expansion may still produce or look at

	prefix byte // .RECIPEPREFIX
	vars   map[string]*variable
	names  []string // of vars, in order
	rules  map[string]*rule
	order  []*rule
	stmts  []*stmt
	phony  map[string]bool
	params []Param
	hints  map[string]note // help that stood on a .PHONY line

	missing  []missing
	problems []Problem
	dropped  int
	unsure   bool // only make can work out something that may name targets
}

// file is the state of the file being read. Conditions do not reach over its end.
type file struct {
	name    string
	line    int // of the statement
	depth   int
	section string
	above   []string    // `##` lines right above
	cond    []condition // the open ones
	tests   string      // their texts: whatever stands here depends on the variables in them
	stmt    *stmt       // the rule that recipe lines belong to, or nil
}

type condition struct {
	line int
	test string
}

type missing struct {
	file string
	line int
	name string
	cond bool
	why  error
}

// rule is everything the files say about one name.
type rule struct {
	name, section, file string
	line                int
	note                note
	recipe, deps        bool
	texts               []string // values of its own variables
}

// stmt is one rule line with its recipe, shared by all its targets.
type stmt struct {
	file, section string
	line          int
	cond          bool
	rules         []*rule
	recipe        []string
	tests         string // the conditions around what was added last
	hasRecipe     bool
	deps          []string // names, as far as they are literal
	depText       string
}

func newReader(open func(string) ([]byte, error)) *reader {
	return &reader{
		open: open, prefix: '\t', work: maxWork,
		seen: map[string]bool{}, reading: map[string]bool{}, listings: map[string][]string{},
		vars: map[string]*variable{}, rules: map[string]*rule{}, phony: map[string]bool{},
		hints: map[string]note{}, problems: []Problem{},
	}
}

// problem keeps more than are shown: sorting by place comes later.
func (r *reader) problem(file string, line int, text string) {
	if len(r.problems) > maxProblems {
		r.dropped++
		return
	}
	r.problems = append(r.problems, Problem{File: file, Line: max(1, line), Text: text})
}

func (r *reader) complain(f *file, format string, args ...any) {
	r.problem(f.name, f.line, fmt.Sprintf(format, args...))
}

func (r *reader) readFile(name string, data []byte) {
	r.readNested(name, data, 0)
}

func (r *reader) readNested(name string, data []byte, depth int) {
	key := cleanName(name)
	r.files = append(r.files, name)
	r.bytes += len(data)
	r.unsure = r.unsure || bytes.Contains(data, []byte("$(eval")) || bytes.Contains(data, []byte("${eval"))
	r.seen[key], r.reading[key] = true, true
	defer delete(r.reading, key)

	f := &file{name: name, depth: depth}
	lines := newLineReader(data)
	for {
		l, ok := lines.next()
		if !ok {
			break
		}
		f.line = l.line
		if l.nul {
			r.complain(f, "there is a NUL byte here; make ignores the rest of the line")
		}
		r.statement(f, l, lines)
	}
	for _, c := range f.cond {
		r.problem(f.name, c.line, "this condition has no endif")
	}
}

func (r *reader) statement(f *file, l logical, lines *lineReader) {
	text := l.text
	if text == "" {
		f.above = nil
		return
	}
	isRecipe := text[0] == r.prefix
	if isRecipe && f.stmt != nil {
		f.stmt.addRecipe(text[1:], f.tests)
		return
	}
	flat := collapse(text)
	body, comment := cutComment(flat)
	body = strings.TrimLeft(body, space)
	if body == "" {
		f.comment(comment)
		return
	}
	if r.assignment(f, body, comment, lines) {
		return
	}
	switch word, rest := firstWord(strings.TrimRight(body, space)); word {
	case "ifdef", "ifndef", "ifeq", "ifneq", "else", "endif":
		r.condition(f, word, rest)
	case "include", "-include", "sinclude":
		f.stmt, f.above = nil, nil
		r.include(f, rest, word == "include")
	case "export", "unexport", "vpath", "load", "-load":
		f.stmt, f.above = nil, nil
	default:
		if isRecipe {
			r.complain(f, "a recipe line stands before any target; make stops here")
			return
		}
		r.rule(f, flat)
	}
}

// condition keeps count only: which branch make takes depends on its
// environment, so every branch is read.
func (r *reader) condition(f *file, word, rest string) {
	switch word {
	case "endif":
		if len(f.cond) == 0 {
			r.complain(f, "endif without a condition")
			return
		}
		f.cond = f.cond[:len(f.cond)-1]
	case "else":
		if len(f.cond) == 0 {
			r.complain(f, "else without a condition")
			return
		}
		if word, rest = firstWord(rest); word != "" {
			f.cond[len(f.cond)-1].test += test(word, rest)
		}
	default:
		if rest == "" {
			r.complain(f, "%s without a condition to test", word)
		}
		f.cond = append(f.cond, condition{f.line, test(word, rest)})
	}
	f.tests = ""
	for _, c := range f.cond[:min(len(f.cond), maxTests)] {
		f.tests += c.test
	}
}

// maxTests bounds how many conditions around a line count as used by it.
const maxTests = 8

// test writes a condition as text that refers to its variables.
func test(word, rest string) string {
	rest = cut(rest, 1000)
	if strings.HasSuffix(word, "def") {
		return " $(" + rest + ")"
	}
	return " " + rest
}

// endRule is what make does at an assignment. Inside a condition make may skip
// that very line, and then the recipe goes on after it.
func (f *file) endRule() {
	f.above = nil
	if len(f.cond) == 0 {
		f.stmt = nil
	}
}

func (s *stmt) addRecipe(text, tests string) {
	s.recipe = append(s.recipe, text)
	s.addTests(tests)
	s.gotRecipe()
}

func (s *stmt) addTests(tests string) {
	if tests != s.tests {
		s.recipe = append(s.recipe, tests)
		s.tests = tests
	}
}

// gotRecipe makes this the place where its targets are defined: make takes the
// last recipe it reads, and of those in branches we show the first.
func (s *stmt) gotRecipe() {
	if s.hasRecipe {
		return
	}
	s.hasRecipe = true
	for _, ru := range s.rules {
		if !ru.recipe || !s.cond {
			ru.file, ru.line, ru.section = s.file, s.line, s.section
		}
		ru.recipe = true
	}
}
