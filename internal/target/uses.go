package target

import "strings"

const (
	maxParamsPerTarget = 64
	maxUseSteps        = 20_000_000
)

// paramUses finds which rules use which parameter. Variables, rule lines and
// rules form one graph with an edge from what is used to its user; whatever a
// parameter reaches depends on it. Walking from the parameters keeps this
// linear for each, however long the chains of prerequisites are.
func (r *reader) paramUses(params []Param) map[*rule][]Param {
	if len(params) == 0 {
		return nil
	}
	g := r.usesGraph()
	uses := map[*rule][]Param{}
	visited := make([]int, len(g.users))
	steps := 0
	for i, p := range params {
		start := g.vars[p.Name]
		queue := []int{start}
		visited[start] = i + 1
		for len(queue) > 0 && steps < maxUseSteps {
			n := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			if ru := g.rules[n]; ru != nil && len(uses[ru]) < maxParamsPerTarget {
				uses[ru] = append(uses[ru], p)
			}
			for _, user := range g.users[n] {
				steps++
				if visited[user] != i+1 {
					visited[user] = i + 1
					queue = append(queue, user)
				}
			}
		}
	}
	return uses
}

type usesGraph struct {
	vars  map[string]int // node of each variable
	rules []*rule        // of a node, or nil
	users [][]int        // of a node
}

func (r *reader) usesGraph() *usesGraph {
	size := len(r.names) + len(r.order) + len(r.stmts)
	g := &usesGraph{vars: make(map[string]int, len(r.names)), rules: make([]*rule, size), users: make([][]int, size)}
	for i, name := range r.names {
		g.vars[name] = i
	}
	nodes := make(map[*rule]int, len(r.order))
	for i, ru := range r.order {
		nodes[ru] = len(r.names) + i
		g.rules[nodes[ru]] = ru
	}
	for i, name := range r.names {
		g.link(i, r.vars[name].texts)
	}
	for _, ru := range r.order {
		g.link(nodes[ru], ru.texts)
	}
	for i, s := range r.stmts {
		n := len(r.names) + len(r.order) + i
		g.link(n, s.recipe)
		g.link(n, []string{s.depText})
		for _, dep := range s.deps {
			if ru := r.rules[dep]; ru != nil && ru.line > 0 {
				g.users[nodes[ru]] = append(g.users[nodes[ru]], n)
			}
		}
		for _, ru := range s.rules {
			g.users[n] = append(g.users[n], nodes[ru])
		}
	}
	return g
}

func (g *usesGraph) link(user int, texts []string) {
	for _, text := range texts {
		references(text, func(name string) {
			if v, ok := g.vars[name]; ok && v != user {
				g.users[v] = append(g.users[v], user)
			}
		})
	}
}

const nameEnd = " \t\n:(){}$,=#'\"\\/"

// references calls fn with every name that s mentions as a variable, of make
// or, after "$$", of the shell: make passes what its caller sets to both.
func references(s string, fn func(name string)) {
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			return
		}
		s = s[i+1:]
		shell := s[0] == '$'
		if shell {
			s = s[1:]
		}
		switch {
		case s != "" && closer(s[0]) != 0:
			s = s[1:]
			name := untilEnd(s)
			fn(name)
			if rest := s[len(name):]; name == "call" || name == "value" || name == "origin" {
				fn(untilEnd(strings.TrimLeft(rest, " \t")))
			}
			s = s[len(name):]
		case shell:
			fn(shellName(s))
		case s != "":
			fn(s[:1])
			s = s[1:]
		}
	}
}

func untilEnd(s string) string {
	if i := strings.IndexAny(s, nameEnd); i >= 0 {
		return s[:i]
	}
	return s
}

func shellName(s string) string {
	i := 0
	for i < len(s) && (s[i] == '_' || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z' || s[i] >= '0' && s[i] <= '9') {
		i++
	}
	return s[:i]
}
