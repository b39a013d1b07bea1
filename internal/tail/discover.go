package tail

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed discover.sh
var discoverScript string

// Found is a log that a host has.
type Found struct {
	Source string `json:"source"` // as Parse reads it
	Kind   Kind   `json:"kind"`
	Name   string `json:"name"`
	Detail string `json:"detail"` // the image, what the unit is
	State  string `json:"state"`  // such as "Up 3 days" or "failed"; empty: not known
	Dir    string `json:"dir"`    // of a compose service's project
	Recent bool   `json:"recent"` // it has written in the last day, as far as is known
}

// Discover is what to run to learn which logs a host has. It takes some seconds
// at most, whatever the host has.
func Discover() []string { return []string{"sh", "-c", discoverScript, "vmo-tail"} }

// maxFound bounds what a host can make of us.
const maxFound = 2000

// ParseDiscovered reads the output of Discover: the logs, containers first, and
// why some could not be asked for. All of it is a host's word: what has control
// characters or is no source is left out.
func ParseDiscovered(output []byte) (found []Found, problems []string) {
	found, problems = []Found{}, []string{}
	units := map[string]int{}
	seen := map[string]bool{}
	add := func(f Found) {
		s := Source{Kind: f.Kind, Name: f.Name, Dir: f.Dir}
		f.Source = s.String()
		if key := f.Source + "\x00" + f.Dir; s.Validate() == nil && !seen[key] && len(found) < maxFound {
			seen[key] = true
			found = append(found, f)
		}
	}
	for line := range strings.Lines(string(output)) {
		fields := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if slices.ContainsFunc(fields, func(s string) bool {
			return !utf8.ValidString(s) || len(s) > 1000 || strings.ContainsFunc(s, unicode.IsControl)
		}) {
			continue
		}
		for len(fields) < 8 {
			fields = append(fields, "")
		}
		switch fields[0] {
		case "C": // engine, names, image, status, compose project, service and folder
			name, _, _ := strings.Cut(fields[2], ",")
			detail := fields[3]
			if fields[1] != "docker" {
				detail += ", " + fields[1]
			}
			up := strings.HasPrefix(fields[4], "Up")
			add(Found{Kind: Docker, Name: name, Detail: detail, State: fields[4], Recent: up})
			if fields[6] != "" {
				add(Found{Kind: Compose, Name: fields[6], Detail: "project " + fields[5], State: fields[4], Dir: fields[7], Recent: up})
			}
		case "U": // unit, state, description
			units[fields[1]] = len(found)
			add(Found{Kind: Journal, Name: fields[1], Detail: fields[3], State: fields[2]})
		case "R":
			if i, ok := units[fields[1]]; ok && i < len(found) && found[i].Name == fields[1] {
				found[i].Recent = true
			}
		case "F":
			add(Found{Kind: File, Name: fields[1]})
		case "P":
			if len(problems) < 20 {
				problems = append(problems, strings.TrimSpace(fields[1]))
			}
		}
	}
	order := map[Kind]int{Compose: 0, Docker: 1, Journal: 2, File: 3}
	slices.SortStableFunc(found, func(a, b Found) int {
		if d := order[a.Kind] - order[b.Kind]; d != 0 {
			return d
		}
		switch {
		case a.Recent && !b.Recent:
			return -1
		case b.Recent && !a.Recent:
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return found, problems
}
