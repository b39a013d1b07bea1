package target

import "strings"

const (
	maxWork      = 8 << 20 // bytes looked at or produced by all expansions of one project
	maxExpansion = 1 << 20 // bytes of one
	maxNesting   = 64
)

// expander computes the value of a text as long as it follows from the files
// alone. A reference to the environment, to what a shell prints or to an
// undefined variable (the environment may define it) ends that.
type expander struct {
	r      *reader
	depth  int
	rel    bool // used $(CURDIR) or $(MAKEFILE_LIST), which are "." and relative here
	maybe  bool // used a variable that nothing or only a branch sets
	unset  bool // take these for empty
	locals map[string]string
}

func (r *reader) expander() *expander { return &expander{r: r} }

// text expands s for use as a path or a word of one.
func (r *reader) text(s string) (string, bool) { return r.expander().expand(s) }

// spend charges n bytes to the project's budget, so that variables that double
// each other cannot grow for ever.
func (x *expander) spend(n int) bool {
	x.r.work -= n + 1
	return x.r.work > 0
}

func (x *expander) expand(s string) (string, bool) {
	i := strings.IndexByte(s, '$')
	if i < 0 {
		return s, true
	}
	if x.depth++; x.depth > maxNesting {
		return "", false
	}
	defer func() { x.depth-- }()

	if !x.spend(len(s)) {
		return "", false
	}
	var b strings.Builder
	for {
		b.WriteString(s[:i])
		if i+1 == len(s) {
			b.WriteByte('$')
			return b.String(), true
		}
		end := skipRef(s, i)
		value, ok := x.reference(s[i+1 : end])
		if !ok || b.Len()+len(value) > maxExpansion || !x.spend(len(value)) {
			return "", false
		}
		b.WriteString(value)
		s = s[end:]
		if i = strings.IndexByte(s, '$'); i < 0 {
			b.WriteString(s)
			return b.String(), true
		}
	}
}

// reference expands what follows a "$": one character, or (…) or {…}.
func (x *expander) reference(ref string) (string, bool) {
	if ref == "$" {
		return "$", true
	}
	end := closer(ref[0])
	if end == 0 {
		return x.variable(ref)
	}
	if len(ref) < 2 || ref[len(ref)-1] != end {
		return "", false // never closed
	}
	inner := ref[1 : len(ref)-1]
	if name, args := firstWord(inner); args != "" {
		if f, ok := functions[name]; ok {
			return x.call(f, args, ref[0], end)
		}
		if impure[name] {
			return "", false
		}
	}
	inner, ok := x.expand(inner)
	if !ok {
		return "", false
	}
	name, subst, ok := strings.Cut(inner, ":")
	if !ok {
		return x.variable(inner)
	}
	from, to, ok := strings.Cut(subst, "=")
	if !ok {
		return "", false
	}
	value, ok := x.variable(name)
	if !ok {
		return "", false
	}
	if strings.IndexByte(from, '%') < 0 {
		from, to = "%"+from, "%"+to
	}
	return mapWords(value, func(w string) string { return patsubst(from, to, w) }), true
}

func (x *expander) variable(name string) (string, bool) {
	if value, ok := x.locals[name]; ok {
		return value, true
	}
	v := x.r.vars[name]
	if v == nil {
		switch name {
		case "CURDIR":
			x.rel = true
			return ".", true
		case "MAKEFILE_LIST":
			x.rel = true
			return strings.Join(x.r.files, " "), true
		}
		x.maybe = true // the environment may set it
		return "", x.unset
	}
	if !v.known || v.busy || !v.sure && !v.maybe {
		return "", false
	}
	if !v.sure {
		x.maybe = true
		if x.unset {
			return "", true
		}
	}
	x.rel = x.rel || v.rel
	if len(v.parts) > 1 {
		value := strings.Join(v.parts, " ")
		if !x.spend(len(value)) {
			return "", false
		}
		v.parts = []string{value}
	}
	if v.simple {
		return v.parts[0], true
	}
	v.busy = true
	defer func() { v.busy = false }()
	return x.expand(v.parts[0])
}
