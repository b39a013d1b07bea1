package inventory

import (
	"slices"
	"strings"
)

// near are at most three names that an operator may have meant.
func near(list List, name string) []string {
	type candidate struct {
		name string
		far  int
	}
	var candidates []candidate
	add := func(c string) {
		far := distance(strings.ToLower(name), strings.ToLower(c))
		if far <= 1+len(name)/3 || len(name) > 2 && strings.Contains(strings.ToLower(c), strings.ToLower(name)) {
			if !slices.ContainsFunc(candidates, func(o candidate) bool { return o.name == c }) {
				candidates = append(candidates, candidate{c, far})
			}
		}
	}
	for _, h := range list.Hosts {
		add(h.Name)
		if h.Environment != "" && strings.HasPrefix(name, "env:") {
			add("env:" + h.Environment)
		}
		if strings.HasPrefix(name, "tag:") {
			for _, tag := range h.Tags {
				add("tag:" + tag)
			}
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return a.far - b.far })
	names := []string{}
	for _, c := range candidates[:min(3, len(candidates))] {
		names = append(names, c.name)
	}
	return names
}

// distance is how many letters must be put in, taken out, changed or swapped with
// their neighbour to make one word of the other.
func distance(a, b string) int {
	if len(a) > 256 || len(b) > 256 {
		return len(a) + len(b)
	}
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
