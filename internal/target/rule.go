package target

import "strings"

// rule reads a line that is nothing else: "targets: prerequisites", or one of
// its relatives. flat still has its comment and its inline recipe.
func (r *reader) rule(f *file, flat string) {
	head, inline, comment := flat, "", ""
	hasInline := false
	if i := find(flat, ";#"); i >= 0 && flat[i] == '#' {
		head, comment = flat[:i], flat[i:]
	} else if i >= 0 {
		head, inline, hasInline = flat[:i], flat[i+1:], true
		if j := strings.Index(inline, " ##"); j >= 0 {
			comment = inline[j+1:] // a comment for the shell, and for every help target
		}
	}
	colon := find(head, ":")
	if colon < 0 {
		if head, colon = r.expandedRule(f, head); colon < 0 {
			return
		}
	}
	left, right := head[:colon], head[colon+1:]
	double := strings.HasPrefix(right, ":")
	if double {
		right = right[1:]
	}
	left = strings.TrimSuffix(left, "&") // grouped targets, "a b &: c"
	names := r.targetNames(left)

	if a, ok := parseAssign(right, true); ok {
		for _, name := range names {
			ru := r.ruleFor(name)
			ru.texts = append(ru.texts, a.value)
		}
		f.endRule()
		return
	}
	s := &stmt{file: f.name, section: f.section, line: f.line, cond: len(f.cond) > 0}
	names, right = r.staticPattern(f, names, right)
	s.depText = right
	s.addTests(f.tests)
	s.deps = r.literalWords(right)
	r.stmts = append(r.stmts, s)
	f.stmt = s

	phonyLine := false
	for _, name := range names {
		if name == ".PHONY" {
			phonyLine = true
			for _, dep := range s.deps {
				r.phony[dep] = true
			}
		}
	}
	if phonyLine && len(names) == 1 {
		// It may stand between a rule and its help, so the help above stays.
		if text := trailing(comment); text != "" && len(s.deps) == 1 {
			r.hints[s.deps[0]] = readNote(text, s.deps[0])
		}
		return
	}
	for _, name := range names {
		r.record(f, s, name, comment)
	}
	f.above = nil
	if hasInline {
		s.addRecipe(inline, f.tests)
	}
}

// expandedRule looks for the colon in the value of the line. A line that only
// make can expand is a call that may define anything, or nothing: not a problem.
func (r *reader) expandedRule(f *file, head string) (string, int) {
	f.above = nil
	f.stmt = &stmt{} // takes the recipe lines of what could not be read
	value, ok := r.text(head)
	r.unsure = r.unsure || !ok
	if !ok || strings.Trim(value, space) == "" {
		return "", -1
	}
	value = strings.ReplaceAll(value, "$", "$$")
	colon := find(value, ":")
	if colon < 0 {
		r.complain(f, "this is neither a rule nor an assignment (missing separator); make stops here")
	}
	return value, colon
}

// record adds what a rule line says about one of its targets.
func (r *reader) record(f *file, s *stmt, name, comment string) {
	ru := r.ruleFor(name)
	if ru.line == 0 { // until now it had variables at most
		ru.file, ru.line, ru.section = s.file, s.line, s.section
		r.order = append(r.order, ru)
	}
	if len(s.rules) == 0 || s.rules[len(s.rules)-1] != ru {
		s.rules = append(s.rules, ru)
	}
	ru.deps = ru.deps || strings.Trim(s.depText, space+"|") != ""

	n := readNote(strings.Join(f.above, " "), name)
	n = n.or(readNote(trailing(comment), name))
	if n.text != "" && !ru.recipe {
		ru.file, ru.line, ru.section = s.file, s.line, s.section
	}
	ru.note = ru.note.or(n)
}

// ruleFor returns the rule of a name, new or not. It has no line until a rule
// line names it.
func (r *reader) ruleFor(name string) *rule {
	ru := r.rules[name]
	if ru == nil {
		ru = &rule{name: name}
		r.rules[name] = ru
	}
	return ru
}

// targetNames expands the left side of a rule as far as it is literal. Pattern
// rules, wildcards and names under a path that only make knows are left out.
func (r *reader) targetNames(left string) []string {
	var names []string
	for _, word := range words(left) {
		if strings.IndexByte(word, '$') < 0 {
			names = appendName(names, word)
			continue
		}
		x := r.expander()
		value, ok := x.expand(word)
		if !ok || x.rel {
			r.unsure = true
			continue
		}
		for _, raw := range words(strings.ReplaceAll(value, "$", "$$")) {
			names = appendName(names, strings.ReplaceAll(raw, "$$", "$"))
		}
	}
	return names
}

func appendName(names []string, raw string) []string {
	if find(raw, "%") >= 0 || strings.ContainsAny(raw, "*?[") {
		return names
	}
	if name := trimDotSlash(unescape(raw)); name != "" {
		names = append(names, name)
	}
	return names
}

// literalWords expands each word that can be: twice, if it uses a variable that
// nothing or only a branch sets, as in "bin/app$(EXE)".
func (r *reader) literalWords(s string) []string {
	var out []string
	for _, word := range words(s) {
		if strings.IndexByte(word, '$') < 0 {
			if word != "|" {
				out = append(out, trimDotSlash(unescape(word)))
			}
			continue
		}
		for _, x := range [...]*expander{r.expander(), {r: r, unset: true}} {
			if value, ok := x.expand(word); ok {
				for _, w := range strings.Fields(value) {
					out = append(out, trimDotSlash(w))
				}
			}
			if !x.maybe {
				break
			}
		}
	}
	return out
}

// staticPattern handles "targets: pattern: prerequisites". Its targets are
// explicit ones; make refuses those that do not match.
func (r *reader) staticPattern(f *file, names []string, right string) ([]string, string) {
	colon := find(right, ":")
	if colon < 0 {
		return names, right
	}
	pattern, ok := r.text(strings.Trim(right[:colon], space))
	if !ok {
		r.unsure = true
		return nil, right[colon+1:]
	}
	if strings.IndexByte(pattern, '%') < 0 {
		r.complain(f, "a second colon, but no %% between the two (target pattern expected); make stops here")
		return nil, right[colon+1:]
	}
	var kept []string
	for _, name := range names {
		if _, ok := stem(trimDotSlash(pattern), name); ok {
			kept = append(kept, name)
		}
	}
	return kept, right[colon+1:]
}

// trimDotSlash removes leading "./", as make does with every file name.
func trimDotSlash(name string) string {
	for strings.HasPrefix(name, "./") {
		rest := strings.TrimLeft(name[1:], "/")
		if rest == "" {
			return name
		}
		name = rest
	}
	return name
}
