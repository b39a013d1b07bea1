// Package target says what can be run: bytes in, targets out.
//
// The usual case is [ParseDir], or [Parse] with a function that reads files
// from another machine. Both read makefiles as text, by GNU make's own rules,
// and list what an operator may call. They execute nothing: no make, no shell,
// and no $(shell …) is ever evaluated, so a hostile project can be listed
// before anybody trusts it. What only make can work out (names that a function
// or the environment decides) is not guessed but left to the second stage:
// for a trusted folder the caller runs [DatabaseArgv] and hands the output to
// [ParseDatabase] and [Merge].
//
// Conditions are not evaluated either. A target inside any branch is offered,
// once.
//
// Offered are explicit targets that do something. Not offered are pattern and
// suffix rules, special targets, names that start with "." or "_" (helpers, by
// convention), names marked "## @hidden", rules with neither prerequisites nor
// recipe unless they have help text, names that make would take for an option
// or an assignment, and files: a name that is neither phony nor documented and
// has a slash or the extension of a file.
//
// Reading is bounded: file size, number of files, depth, expansion, targets,
// problems. What was cut off is listed as a [Problem]. Problems never quote a
// line, because included files such as .env hold secrets.
//
// Targets, problems and parameters carry no control characters and are valid
// UTF-8. Everything is deterministic. The package starts no goroutines and
// keeps no state; all functions may be called concurrently.
package target

// Target is something an operator can ask make for.
type Target struct {
	Name        string  `json:"name"`
	Help        string  `json:"help"`
	Section     string  `json:"section"` // from `##@ Section` in the same file
	File        string  `json:"file"`    // where its recipe's rule stands, relative to the project
	Line        int     `json:"line"`
	Phony       bool    `json:"phony"`
	Interactive bool    `json:"interactive"`                                                                                  // wants a terminal
	Why         string  `json:"why"`                                                                                          // why it is interactive: "marked @tty", "name" or ""
	Computed    bool    `json:"computed"`                                                                                     // only make could find it; it has no help and no params
	Params      []Param `json:"params" ts_type:"{name: string, default: string, help: string, file: string, line: number}[]"` // what its recipe and its prerequisites use; see [Makefile]
}

// Param is a variable that the makefile invites its caller to set: `NAME ?= value`.
type Param struct {
	Name    string `json:"name"`
	Default string `json:"default"` // the text in the file, not expanded; not meant to be passed back
	Help    string `json:"help"`
	File    string `json:"file"`
	Line    int    `json:"line"`
}

// Problem is a place that could not be read. Nothing else is lost by it.
type Problem struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// Makefile is what reading a project found.
//
// Targets stand in the order of the files, grouped by section: those without
// a section first, then each section where it first appeared.
//
// A target's Params are those of the makefile that its recipe, its
// prerequisites' recipes or the variables used there mention, as $(NAME),
// ${NAME} or, in a recipe, the shell's $$NAME. Prerequisites that only a
// pattern rule can make, and what a recursive make uses, are not followed.
type Makefile struct {
	File     string    `json:"file"`
	Files    []string  `json:"files"` // all that were read, in order
	Targets  []Target  `json:"targets"`
	Params   []Param   `json:"params"`
	Problems []Problem `json:"problems"`
	Unsure   bool      `json:"-"` // something in it only make can work out: it may know more targets

	decided map[string]bool // every name that static reading saw; Merge must not bring back the withheld
}
