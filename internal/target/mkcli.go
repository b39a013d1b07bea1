package target

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Project is a directory with a makefile that the operator has given a name.
type Project struct {
	Alias string `json:"alias"`
	Dir   string `json:"dir"` // absolute and clean
	File  string `json:"file"`
	Line  int    `json:"line"`
}

// ParseRegistry reads mkcli's registry, ~/.config/mkcli/registry: one
// "alias=directory" a line. Blank lines and lines that start with "#" are
// skipped. Everything after the first "=" is the directory, with further "="
// and with blanks inside; around both parts blanks are dropped. A leading "~"
// is home; $NAME and ${NAME} come from getenv, $HOME from home unless that is
// empty. CRLF and a byte order mark are tolerated.
//
// A line that cannot be right becomes a Problem and nothing else is lost; of
// two lines with one alias the first counts. file is only written into the
// results.
func ParseRegistry(data []byte, file string, getenv func(string) string, home string) ([]Project, []Problem) {
	projects, problems := []Project{}, []Problem{}
	lines := map[string]int{}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\uFEFF")) {
		n++
		line = strings.Trim(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		alias, dir, err := registryLine(line, getenv, home)
		if err == nil && lines[alias] > 0 {
			err = fmt.Errorf("the alias %q is taken by line %d", show(alias), lines[alias])
		}
		if err != nil {
			problems = append(problems, Problem{File: file, Line: n, Text: err.Error()})
			continue
		}
		lines[alias] = n
		projects = append(projects, Project{Alias: alias, Dir: dir, File: file, Line: n})
	}
	return projects, problems
}

func registryLine(line string, getenv func(string) string, home string) (alias, dir string, err error) {
	alias, dir, ok := strings.Cut(line, "=")
	alias, dir = strings.TrimSpace(alias), strings.TrimSpace(dir)
	switch {
	case !ok:
		return "", "", fmt.Errorf("there is no = here; a line reads alias=directory")
	case !speakable(alias) || !speakable(dir):
		return "", "", fmt.Errorf("the line has control characters or is not UTF-8")
	case alias == "":
		return "", "", fmt.Errorf("there is no alias before the =")
	case dir == "":
		return "", "", fmt.Errorf("the alias %q has no directory", show(alias))
	}
	env := func(name string) string {
		if name == "HOME" && home != "" {
			return home
		}
		return getenv(name)
	}
	full, err := expandDir(dir, env)
	if err != nil {
		return "", "", fmt.Errorf("the directory of %q: %w", show(alias), err)
	}
	if !speakable(full) {
		return "", "", fmt.Errorf("the directory of %q has control characters or is not UTF-8", show(alias))
	}
	if !filepath.IsAbs(full) && !strings.HasPrefix(full, "/") {
		return "", "", fmt.Errorf("the directory of %q must be absolute or start with ~ or $HOME, but it is %q", show(alias), show(full))
	}
	return alias, filepath.Clean(full), nil
}

func expandDir(dir string, env func(string) string) (string, error) {
	var b strings.Builder
	if dir[0] == '~' {
		if len(dir) > 1 && dir[1] != '/' && dir[1] != '\\' {
			return "", fmt.Errorf("another user's home (%s) is not looked up", show(firstPart(dir)))
		}
		home := env("HOME")
		if home == "" {
			return "", fmt.Errorf("~ is not known here")
		}
		b.WriteString(home)
		dir = dir[1:]
	}
	for {
		before, after, ok := strings.Cut(dir, "$")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name, rest := shellName(after), ""
		if strings.HasPrefix(after, "{") {
			if name, rest, ok = strings.Cut(after[1:], "}"); !ok || name == "" || shellName(name) != name {
				return "", fmt.Errorf("${ is not followed by a name and }")
			}
		} else {
			rest = after[len(name):]
		}
		if name == "" { // a dollar sign in a directory's name
			b.WriteByte('$')
			dir = rest
			continue
		}
		value := env(name)
		if value == "" {
			return "", fmt.Errorf("$%s is not set", show(name))
		}
		b.WriteString(value)
		dir = rest
	}
}

func firstPart(dir string) string {
	part, _, _ := strings.Cut(dir, "/")
	return part
}
