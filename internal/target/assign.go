package target

import (
	"regexp"
	"slices"
	"strings"
)

// variable is what static reading knows of one. It is known while its value
// follows from the text alone.
type variable struct {
	parts    []string // joined by spaces, they are the value
	simple   bool     // parts are expanded already
	rel      bool     // the value came from $(CURDIR) or $(MAKEFILE_LIST): good for paths only
	known    bool
	sure     bool // assigned outside of conditions
	maybe    bool // assigned inside one
	override bool
	busy     bool     // being expanded
	texts    []string // everything ever assigned, for paramUses
}

// assign is a parsed assignment.
type assign struct {
	name, op, value            string
	override, define, undefine bool
}

// parseAssign is make's parse_var_assignment: modifiers, then a definition. It
// comes before everything else, so that a variable may be called "ifdef".
func parseAssign(s string, targetSpecific bool) (assign, bool) {
	var a assign
	for {
		s = strings.TrimLeft(s, space)
		if a.definition(s) {
			return a, true
		}
		word, rest := firstWord(s)
		switch {
		case word == "export" || word == "private":
		case word == "override":
			a.override = true
		case word == "define" && !targetSpecific:
			a.define = true
			if !a.definition(rest) {
				a.name, a.op = rest, "="
			}
			return a, true
		case word == "undefine" && !targetSpecific:
			a.undefine, a.name = true, rest
			return a, true
		default:
			return assign{}, false
		}
		if rest == "" {
			return assign{}, false
		}
		s = rest
	}
}

// definition is make's parse_variable_definition: a name without blanks, or one
// blank-free name and blanks, before an assignment operator.
func (a *assign) definition(s string) bool {
	end, blank := -1, false
	for i := 0; i < len(s); {
		c := s[i]
		if c == '#' {
			return false
		}
		if c == '$' {
			i = skipRef(s, i)
			continue
		}
		if isSpace(c) {
			blank, end = true, i
			for i < len(s) && isSpace(s[i]) {
				i++
			}
			if i == len(s) {
				return false
			}
			c = s[i]
		}
		if op := operator(s[i:]); op != "" {
			if end < 0 {
				end = i
			}
			a.name, a.op, a.value = s[:end], op, strings.TrimLeft(s[i+len(op):], space)
			return true
		}
		if c == ':' || blank {
			return false
		}
		i++
	}
	return false
}

func operator(s string) string {
	if strings.IndexByte("=:?+!", s[0]) < 0 {
		return ""
	}
	for _, op := range [...]string{"=", ":=", "::=", ":::=", "?=", "+=", "!="} {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

// assignment reads an assignment statement, with the lines of a define.
func (r *reader) assignment(f *file, body, comment string, lines *lineReader) bool {
	a, ok := parseAssign(body, false)
	if !ok {
		return false
	}
	above := f.above
	f.endRule()
	if a.define {
		a.value = r.defineBody(f, lines)
	} else {
		a.value = strings.ReplaceAll(a.value, `\#`, "#")
	}
	name, ok := r.text(strings.TrimSpace(a.name))
	if !ok {
		return true // its name is computed
	}
	if name == "" {
		r.complain(f, "an assignment without a variable name")
		return true
	}
	if a.undefine {
		if v := r.vars[name]; v != nil {
			*v = variable{texts: v.texts, maybe: len(f.cond) > 0}
		}
		return true
	}
	if a.op == "?=" && !a.define {
		r.addParam(f, name, a.value, comment, above)
	}
	r.set(name, a, len(f.cond) > 0)
	if f.tests != "" {
		v := r.vars[name]
		v.texts = append(v.texts, f.tests)
	}
	if name == ".RECIPEPREFIX" {
		r.prefix = '\t'
		if value, ok := r.text(a.value); ok && value != "" {
			r.prefix = value[0]
		}
	}
	return true
}

// defineBody reads to the matching endef. Lines that look like recipes can
// neither open nor close one.
func (r *reader) defineBody(f *file, lines *lineReader) string {
	var body []string
	for depth := 1; ; {
		l, ok := lines.next()
		if !ok {
			r.complain(f, "this define has no endef")
			return strings.Join(body, "\n")
		}
		if l.text != "" && l.text[0] != r.prefix {
			switch word, _ := firstWord(strings.TrimLeft(collapse(l.text), space)); word {
			case "define":
				depth++
			case "endef":
				if depth--; depth == 0 {
					return strings.Join(body, "\n")
				}
			}
		}
		body = append(body, l.text)
	}
}

// set keeps a value only while it follows from the text: two branches that
// disagree make it unknown. A list that a branch appends to keeps all words.
func (r *reader) set(name string, a assign, cond bool) {
	v := r.vars[name]
	if v == nil {
		v = &variable{}
		r.vars[name] = v
		r.names = append(r.names, name)
	}
	v.texts = append(v.texts, a.value)
	if v.override && !a.override || a.op == "?=" && v.sure {
		return // make keeps what it has
	}
	v.override = a.override
	assigned := v.sure || v.maybe
	next := variable{known: a.op != "!=", parts: []string{a.value}}
	if strings.HasSuffix(a.op, ":=") || a.op == "+=" && assigned && v.simple {
		x := r.expander()
		value, ok := x.expand(a.value)
		next = variable{known: ok, simple: true, rel: x.rel, parts: []string{value}}
	}
	switch {
	case a.op == "+=" && assigned:
		v.parts = append(v.parts, next.parts...)
		v.known, v.rel = v.known && next.known, v.rel || next.rel
	case assigned && (cond || a.op == "?="):
		v.known = v.known && next.known && v.simple == next.simple && slices.Equal(v.parts, next.parts)
	default:
		v.parts, v.simple, v.rel, v.known = next.parts, next.simple, next.rel, next.known
	}
	v.sure, v.maybe = v.sure || !cond, true
}

var paramName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// Variables that steer make itself: a form must not offer them.
var steering = map[string]bool{
	"SHELL": true, "MAKE": true, "MAKEFLAGS": true, "GNUMAKEFLAGS": true, "MAKEFILES": true,
	"MAKEFILE_LIST": true, "MAKECMDGOALS": true, "MAKELEVEL": true, "MAKEOVERRIDES": true, "CURDIR": true,
}

func (r *reader) addParam(f *file, name, value, comment string, above []string) {
	if v := r.vars[name]; v != nil && (v.sure || len(v.parts) > 0) {
		return // make has a value already, or another branch has made it a parameter
	}
	if !paramName.MatchString(name) || steering[name] || len(r.params) == maxParams {
		return
	}
	help := trailing(comment)
	if help == "" {
		help = strings.Join(above, " ")
	}
	r.params = append(r.params, Param{
		Name: name, Default: clean(value), Help: readNote(help, name).text,
		File: f.name, Line: f.line,
	})
}

// finishParams drops those that the makefile overrides: setting them does nothing.
func (r *reader) finishParams() []Param {
	out := []Param{}
	for _, p := range r.params {
		if !r.vars[p.Name].override {
			out = append(out, p)
		}
	}
	return out
}
