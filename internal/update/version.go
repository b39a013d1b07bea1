package update

import (
	"cmp"
	"regexp"
	"strconv"
)

// described is a version as scripts/version.sh writes it: v0.2.0, v0.2.0-rc.1,
// v0.2.0-3-gabc, with or without -dirty.
var described = regexp.MustCompile(`^v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-(alpha|beta|rc)\.?(\d{1,9}))?(?:-(\d{1,9})-g[0-9a-f]+)?(?:-dirty)?$`)

// Compare orders two versions as they were made; known is false if one of them is
// none that can be ordered, such as that of a build without git.
func Compare(a, b string) (order int, known bool) {
	x, okX := numbers(a)
	y, okY := numbers(b)
	if !okX || !okY {
		return 0, false
	}
	for i := range x {
		if order = cmp.Compare(x[i], y[i]); order != 0 {
			return order, true
		}
	}
	return 0, true
}

func numbers(version string) (n [6]int, ok bool) {
	m := described.FindStringSubmatch(version)
	if m == nil {
		return n, false
	}
	stages := map[string]int{"alpha": 0, "beta": 1, "rc": 2, "": 3} // none is the release itself
	for i, text := range []string{m[1], m[2], m[3], "", m[5], m[6]} {
		n[i], _ = strconv.Atoi(text) // at most nine digits, or none, which is 0
	}
	n[3] = stages[m[4]]
	return n, true
}
