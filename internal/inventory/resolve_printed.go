package inventory

import (
	"bytes"
	"os"
	"slices"
	"strings"
)

// printed are the values in the form in which `ssh -G` prints them.
func (e *evaluator) printed() map[string][]string {
	printed := map[string][]string{}
	for key, list := range e.values {
		switch {
		case len(list) == 0 || key == forwardPath:
		case slices.Contains(lists, key):
			printed[key] = []string{strings.Join(list, " ")}
		default:
			printed[key] = slices.Clone(list)
		}
	}
	return printed
}

// lists are the keywords whose values ssh prints on one line.
var lists = []string{"userknownhostsfile", "globalknownhostsfile"}

// parsePrinted reads what `ssh -G` prints.
func parsePrinted(out []byte) map[string][]string {
	values := map[string][]string{}
	for line := range bytes.Lines(out) {
		key, value, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
		if ok {
			key = lower(key)
			values[key] = append(values[key], value)
		}
	}
	return values
}

// splitFiles takes apart a list of files that ssh printed without quotes. As
// written are the words of the configuration, if these are known; else those
// prefixes count that exist.
func splitFiles(printed string, written []string) []string {
	if strings.Join(written, " ") == printed {
		return slices.Clone(written)
	}
	words := strings.Split(printed, " ")
	var files []string
	for len(words) > 0 {
		n := 1
		for try := len(words); try > 1; try-- {
			if _, err := os.Stat(strings.Join(words[:try], " ")); err == nil {
				n = try
				break
			}
		}
		files = append(files, strings.Join(words[:n], " "))
		words = words[n:]
	}
	return files
}
