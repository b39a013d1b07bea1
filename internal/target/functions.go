package target

import (
	"path"
	"slices"
	"strings"
)

// function is one of make's that computes text from text. Its arguments are
// expanded already, except for foreach.
type function struct {
	args int // it takes at most so many, the last with its commas; 0 means any number
	lazy bool
	do   func(x *expander, a []string) (string, bool)
}

// Functions that reading does not evaluate: they run something, read the
// environment, or decide at the time make calls them.
var impure = set(`shell eval call file guile origin flavor value if or and info warning error intcmp let`)

var functions map[string]function

func init() { // foreach refers to the table that it stands in
	functions = map[string]function{
		"subst": {args: 3, do: pure(3, func(a []string) string {
			if a[0] == "" {
				return a[2] + a[1]
			}
			return strings.ReplaceAll(a[2], a[0], a[1])
		})},
		"patsubst": {args: 3, do: pure(3, func(a []string) string {
			return mapWords(a[2], func(w string) string { return patsubst(strings.TrimSpace(a[0]), strings.TrimSpace(a[1]), w) })
		})},
		"strip": {args: 1, do: each(func(w string) string { return w })},
		"sort": {args: 1, do: pure(1, func(a []string) string {
			list := strings.Fields(a[0])
			slices.Sort(list)
			return strings.Join(slices.Compact(list), " ")
		})},
		"filter":     {args: 2, do: pure(2, func(a []string) string { return filter(a[0], a[1], true) })},
		"filter-out": {args: 2, do: pure(2, func(a []string) string { return filter(a[0], a[1], false) })},
		"firstword": {args: 1, do: pure(1, func(a []string) string {
			return strings.Join(head(strings.Fields(a[0]), 1), "")
		})},
		"lastword": {args: 1, do: pure(1, func(a []string) string {
			list := strings.Fields(a[0])
			return strings.Join(list[max(0, len(list)-1):], "")
		})},
		"addprefix": {args: 2, do: pure(2, func(a []string) string { return mapWords(a[1], func(w string) string { return a[0] + w }) })},
		"addsuffix": {args: 2, do: pure(2, func(a []string) string { return mapWords(a[1], func(w string) string { return w + a[0] }) })},
		"dir": {args: 1, do: each(func(w string) string {
			if i := strings.LastIndexByte(w, '/'); i >= 0 {
				return w[:i+1]
			}
			return "./"
		})},
		"notdir":   {args: 1, do: each(func(w string) string { return w[strings.LastIndexByte(w, '/')+1:] })},
		"basename": {args: 1, do: each(func(w string) string { return strings.TrimSuffix(w, suffix(w)) })},
		"suffix":   {args: 1, do: each(suffix)},
		"abspath":  {args: 1, do: relative},
		"realpath": {args: 1, do: relative},
		"wildcard": {args: 1, do: wildcard},
		"foreach":  {args: 3, lazy: true, do: foreach},
	}
}

// call splits the arguments as make does: at commas outside of the function's
// own kind of bracket.
func (x *expander) call(f function, args string, open, end byte) (string, bool) {
	var list []string
	depth, start := 0, 0
	for i := 0; i < len(args) && len(list) < f.args-1; i++ {
		switch args[i] {
		case open:
			depth++
		case end:
			depth--
		case ',':
			if depth == 0 {
				list = append(list, args[start:i])
				start = i + 1
			}
		}
	}
	list = append(list, args[start:])
	if !f.lazy {
		for i, arg := range list {
			value, ok := x.expand(arg)
			if !ok {
				return "", false
			}
			list[i] = value
		}
	}
	return f.do(x, list)
}

func pure(n int, do func([]string) string) func(*expander, []string) (string, bool) {
	return func(x *expander, a []string) (string, bool) {
		if len(a) != n {
			return "", false // make stops here
		}
		return do(a), true
	}
}

func each(do func(word string) string) func(*expander, []string) (string, bool) {
	return pure(1, func(a []string) string { return mapWords(a[0], do) })
}

func mapWords(s string, do func(string) string) string {
	var out []string
	for _, w := range strings.Fields(s) {
		if w = do(w); w != "" {
			out = append(out, w)
		}
	}
	return strings.Join(out, " ")
}

// stem returns what the % of a pattern stands for in a word.
func stem(pattern, word string) (string, bool) {
	pre, post, ok := strings.Cut(pattern, "%")
	if !ok {
		return "", pattern == word
	}
	if len(word) < len(pre)+len(post) || !strings.HasPrefix(word, pre) || !strings.HasSuffix(word, post) {
		return "", false
	}
	return word[len(pre) : len(word)-len(post)], true
}

func patsubst(from, to, word string) string {
	s, ok := stem(from, word)
	if !ok {
		return word
	}
	if strings.IndexByte(from, '%') < 0 {
		return to
	}
	return strings.Replace(to, "%", s, 1)
}

func filter(patterns, list string, keep bool) string {
	exact := map[string]bool{}
	var open []string
	for _, p := range strings.Fields(patterns) {
		if strings.IndexByte(p, '%') >= 0 {
			open = append(open, p)
		} else {
			exact[p] = true
		}
	}
	open = head(open, 100) // patterns × words must stay small
	return mapWords(list, func(w string) string {
		match := exact[w] || slices.ContainsFunc(open, func(p string) bool { _, ok := stem(p, w); return ok })
		if match == keep {
			return w
		}
		return ""
	})
}

func suffix(w string) string {
	if i := strings.LastIndexByte(w, '.'); i > strings.LastIndexByte(w, '/') {
		return w[i:]
	}
	return ""
}

func head(list []string, n int) []string { return list[:min(n, len(list))] }

// relative stands for abspath and realpath: here the project is ".".
func relative(x *expander, a []string) (string, bool) {
	x.rel = true
	return mapWords(a[0], path.Clean), true
}

func wildcard(x *expander, a []string) (string, bool) {
	var out []string
	for _, pattern := range strings.Fields(a[0]) {
		if !speakable(pattern) {
			return "", false
		}
		found, err := x.r.glob(pattern)
		if err != nil {
			return "", false
		}
		out = append(out, found...)
	}
	return strings.Join(out, " "), true
}

func foreach(x *expander, a []string) (string, bool) {
	if len(a) != 3 {
		return "", false
	}
	name, ok1 := x.expand(a[0])
	list, ok2 := x.expand(a[1])
	name = strings.TrimSpace(name)
	if !ok1 || !ok2 || !x.spend(len(list)) {
		return "", false
	}
	outer, had := x.locals[name]
	if x.locals == nil {
		x.locals = map[string]string{}
	}
	defer func() {
		delete(x.locals, name)
		if had {
			x.locals[name] = outer
		}
	}()
	var out []string
	size := 0
	for _, w := range strings.Fields(list) {
		x.locals[name] = w
		value, ok := x.expand(a[2])
		if size += len(value); !ok || size > maxExpansion || !x.spend(len(value)) {
			return "", false
		}
		out = append(out, value)
	}
	return strings.Join(out, " "), true
}
