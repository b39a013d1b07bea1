package target

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const (
	maxListings = 64
	maxMatches  = 4096
)

// include reads the files that a directive names, relative to the project as
// in make. A word that only make can expand costs a Problem if make insists on
// the file; the other words are still read.
func (r *reader) include(f *file, rest string, must bool) {
	for _, word := range words(rest) {
		value, ok := r.text(word)
		if !ok {
			r.unsure = true
			if must {
				r.complain(f, "an included file's name is computed: reading alone cannot follow it, make can")
			}
			continue
		}
		for _, name := range strings.Fields(value) {
			r.includeWord(f, unescape(name), must)
		}
	}
}

func (r *reader) includeWord(f *file, name string, must bool) {
	if !speakable(name) {
		r.complain(f, "an included file's name has characters that cannot be shown; it is not read")
		return
	}
	if !strings.ContainsAny(name, "*?[") {
		r.includeFile(f, name, must)
		return
	}
	matches, err := r.glob(name)
	if err != nil {
		if must {
			r.complain(f, "the files that match %s cannot be listed: %v", show(name), clean(err.Error()))
		}
		return
	}
	if len(matches) == 0 {
		r.includeFile(f, name, must) // as make does
	}
	for _, match := range matches {
		r.includeFile(f, match, must)
	}
}

func (r *reader) includeFile(f *file, name string, must bool) {
	name = trimDotSlash(name)
	key := cleanName(name)
	switch {
	case name == "" || strings.HasSuffix(name, "/"):
		r.complain(f, "%s is a directory, not a file to include", show(name))
		return
	case r.reading[key]:
		r.complain(f, "%s includes itself", show(name))
		return
	case r.seen[key]:
		return
	case f.depth == maxDepth:
		r.complain(f, "%s is not read: includes are nested more than %d deep", show(name), maxDepth)
		return
	case len(r.files) == maxFiles:
		r.complain(f, "%s is not read: there are more than %d files", show(name), maxFiles)
		return
	}
	data, err := r.open(name)
	if err != nil {
		r.unsure = true // make may make it
		if must || !errors.Is(err, fs.ErrNotExist) {
			r.missing = append(r.missing, missing{file: f.name, line: f.line, name: name, cond: len(f.cond) > 0, why: err})
		}
		return
	}
	if r.bytes+len(data) > maxBytes {
		r.complain(f, "%s is not read: the files are larger than %d MiB together", show(name), maxBytes>>20)
		return
	}
	r.readNested(name, data, f.depth+1)
}

// reportMissing comes last: a file that a rule makes is not missing, make will
// make it before it reads on.
func (r *reader) reportMissing() {
	for _, m := range r.missing {
		text := fmt.Sprintf("%s cannot be read: %s", show(m.name), clean(m.why.Error()))
		if errors.Is(m.why, fs.ErrNotExist) {
			text = show(m.name) + " does not exist"
			if ru := r.rules[m.name]; ru != nil && ru.line > 0 {
				text += fmt.Sprintf(" yet: the rule at %s:%d makes it", ru.file, ru.line)
			} else if m.cond {
				text += "; a condition decides whether make needs it"
			}
		}
		r.problem(m.file, m.line, text)
	}
}

// glob is what make does with a wildcard: matches in order, none for a name
// that does not exist. The directories before the first wildcard are taken as
// they are.
func (r *reader) glob(pattern string) ([]string, error) {
	dir, rest := "", pattern
	if strings.HasPrefix(pattern, "/") {
		dir, rest = "/", strings.TrimLeft(pattern, "/")
	}
	found := []string{dir}
	parts := strings.Split(rest, "/")
	for i, part := range parts {
		last := i == len(parts)-1
		meta := strings.ContainsAny(part, "*?[")
		var next []string
		for _, base := range found {
			if !meta && (!last || part == "") {
				next = append(next, base+part+slash(last))
				continue
			}
			entries, err := r.list(base)
			if err != nil && i > 0 && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil && len(found) == 1 {
				return nil, err
			}
			for _, name := range entries {
				if len(next) < maxMatches && matches(part, name) {
					next = append(next, base+name+slash(last))
				}
			}
		}
		found = next
	}
	slices.Sort(found)
	return found, nil
}

func slash(last bool) string {
	if last {
		return ""
	}
	return "/"
}

func matches(pattern, name string) bool {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, ".") {
		return false
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// list asks open for the names in a directory; dir is "" or ends in a slash.
func (r *reader) list(dir string) ([]string, error) {
	if dir == "" {
		dir = "./"
	}
	if names, ok := r.listings[dir]; ok {
		return names, nil
	}
	if len(r.listings) == maxListings {
		return nil, fmt.Errorf("more than %d directories", maxListings)
	}
	data, err := r.open(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range strings.Split(string(data), "\n") {
		if name != "" && speakable(name) {
			names = append(names, name)
		}
	}
	r.listings[dir] = names
	return names, nil
}

// cleanName is the identity of a file. A symlink before ".." can make two names
// of one file; the depth bound holds then.
func cleanName(name string) string { return path.Clean(name) }

// show shortens a file name for a Problem.
func show(name string) string { return cut(clean(name), 200) }
