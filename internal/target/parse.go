package target

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Names under which make looks for a makefile, in its order.
var makefileNames = []string{"GNUmakefile", "makefile", "Makefile"}

// Bounds on what a project may make us read.
const (
	maxFileSize = 16 << 20
	maxBytes    = 64 << 20 // of all files together
	maxFiles    = 1000
	maxDepth    = 32 // of includes
	maxTargets  = 50_000
	maxParams   = 500
	maxProblems = 100
)

// Parse reads the makefile that make would take, and what it includes.
//
// open reads a file whose name is relative to the project's directory or
// absolute, always with slashes. A name that ends in a slash asks for the
// names in that directory, one a line ("./" is the project's own); an open
// that cannot list may fail, then an include by wildcard becomes a Problem.
// open must refuse what is not a regular file and bound what it returns.
//
// The error is about the makefile itself, never about a line in it, and wraps
// what open returned: test for fs.ErrNotExist and fs.ErrPermission.
func Parse(open func(name string) ([]byte, error)) (Makefile, error) {
	for _, name := range makefileNames {
		data, err := open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Makefile{}, fmt.Errorf("read %s: %w", name, err)
		}
		r := newReader(open)
		r.readFile(name, data)
		return r.finish(name), nil
	}
	return Makefile{}, fmt.Errorf("no makefile, looked for %s: %w", strings.Join(makefileNames, ", "), fs.ErrNotExist)
}

// ParseDir is Parse for a directory of this machine. It reads regular files
// only, up to 16 MiB each; includes may leave the directory, as "../common.mk"
// does.
func ParseDir(dir string) (Makefile, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return Makefile{}, fmt.Errorf("project directory: %w", err)
	}
	if !info.IsDir() {
		return Makefile{}, fmt.Errorf("project directory: %s is a file", dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Makefile{}, fmt.Errorf("project directory: %w", err)
	}
	m, err := Parse(func(name string) ([]byte, error) {
		file := filepath.FromSlash(name)
		if !filepath.IsAbs(file) {
			file = filepath.Join(abs, file)
		}
		if strings.HasSuffix(name, "/") {
			return listDir(file)
		}
		return readRegular(file)
	})
	if err != nil {
		return Makefile{}, fmt.Errorf("project %s: %w", dir, err)
	}
	return m, nil
}

func listDir(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, e := range entries {
		if !strings.Contains(e.Name(), "\n") {
			out.WriteString(e.Name() + "\n")
		}
	}
	return out.Bytes(), nil
}

// readRegular looks before it opens: opening a FIFO would wait for a writer.
func readRegular(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("%s is larger than %d MiB", file, maxFileSize>>20)
	}
	return data, nil
}

// finish decides what is offered, now that every file has been read.
func (r *reader) finish(name string) Makefile {
	m := Makefile{
		File: name, Files: r.files, Targets: []Target{}, Params: r.finishParams(),
		decided: make(map[string]bool, len(r.order)),
	}
	r.reportMissing()
	uses := r.paramUses(m.Params)
	for _, ru := range r.order {
		m.decided[ru.name] = true
		if !r.offered(ru) {
			continue
		}
		if len(m.Targets) == maxTargets {
			r.problem(ru.file, ru.line, fmt.Sprintf("there are more than %d targets; this one and all after it are not listed", maxTargets))
			break
		}
		t := Target{
			Name: ru.name, Help: ru.note.text, Section: ru.section, File: ru.file, Line: ru.line,
			Phony: r.phony[ru.name], Params: uses[ru],
		}
		t.Interactive, t.Why = ru.note.interactive(ru.name)
		if t.Params == nil {
			t.Params = []Param{}
		}
		m.Targets = append(m.Targets, t)
	}
	groupBySection(m.Targets)
	m.Problems = r.finishProblems()
	m.Unsure = r.unsure || r.work <= 0 || len(m.Problems) > 0
	return m
}

func (r *reader) finishProblems() []Problem {
	place := make(map[string]int, len(r.files))
	for i, f := range r.files {
		place[f] = i
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(place[a.File], place[b.File]), cmp.Compare(a.Line, b.Line))
	})
	if len(r.problems) > maxProblems {
		r.problems = r.problems[:maxProblems]
		r.problems[maxProblems-1].Text = fmt.Sprintf("this and %d more places could not be read", r.dropped+1)
	}
	return r.problems
}

func groupBySection(targets []Target) {
	rank := map[string]int{"": 0}
	for _, t := range targets {
		if _, ok := rank[t.Section]; !ok {
			rank[t.Section] = len(rank)
		}
	}
	slices.SortStableFunc(targets, func(a, b Target) int { return cmp.Compare(rank[a.Section], rank[b.Section]) })
}
