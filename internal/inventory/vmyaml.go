package inventory

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// pair is one key of a mapping, with its value and the line of the key.
type pair struct {
	key   string
	value *yaml.Node
	line  int
}

// pairs are the keys of a mapping, each once. Those it merges (<<: *defaults, one
// level deep, as Ansible's files have them) come after its own, which win.
func (c *vmConfig) pairs(n *yaml.Node, host, what string) []pair {
	n = resolved(n)
	if n.Kind != yaml.MappingNode {
		c.problem(n.Line, host, "%s must have keys, not be %s", what, shown(n))
		return nil
	}
	var own []pair
	var merged []*yaml.Node
	at := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolved(n.Content[i]), resolved(n.Content[i+1])
		switch {
		case key.Kind != yaml.ScalarNode:
			c.problem(n.Content[i].Line, host, "a key of %s is not a word", what)
		case key.Value == "<<":
			if merged = []*yaml.Node{value}; value.Kind == yaml.SequenceNode {
				merged = value.Content
			}
		case at[key.Value] > 0:
			c.problem(n.Content[i].Line, host, "%q stands in line %d already; this one is passed over", key.Value, at[key.Value])
		default:
			at[key.Value] = n.Content[i].Line
			own = append(own, pair{key.Value, value, n.Content[i].Line})
		}
	}
	for _, m := range merged {
		m = resolved(m)
		if m.Kind != yaml.MappingNode {
			c.problem(m.Line, host, "only keys can be merged into %s", what)
			continue
		}
		for i := 0; i+1 < len(m.Content); i += 2 {
			if key := resolved(m.Content[i]); key.Kind == yaml.ScalarNode && at[key.Value] == 0 {
				at[key.Value] = key.Line
				own = append(own, pair{key.Value, resolved(m.Content[i+1]), key.Line})
			}
		}
	}
	return own
}

// resolved follows an alias (*name) to what it stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// text is a value that must be one line of text.
func (c *vmConfig) text(p pair, host string) (string, bool) {
	if p.value.Kind != yaml.ScalarNode || p.value.ShortTag() != "!!str" || !printable(p.value.Value) {
		c.problem(p.line, host, "%s must be text, not %s", p.key, shown(p.value))
		return "", false
	}
	return p.value.Value, true
}

// printable refuses what could not be shown in one line: the file is somebody
// else's, and its values reach a terminal.
func printable(s string) bool {
	return s != "" && len(s) <= 1024 && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// shown is a value as a message names it.
func shown(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind != yaml.ScalarNode:
		return "this"
	case n.ShortTag() == "!!null":
		return "empty"
	case n.ShortTag() != "!!str" && printable(n.Value): // a number, date or truth value
		return fmt.Sprintf("%.80s without quotes", n.Value)
	}
	return fmt.Sprintf("%.80q", n.Value)
}

// validName is stricter than YAML: the name is typed after --on, where env:, tag:,
// user@ and / have a meaning, and stands in tables.
func validName(s string) bool {
	return validHost(s) && !strings.ContainsAny(s, "/:@%[]*?!#~=+")
}

// validHost and validUser are what ssh accepts as a destination (ssh.c,
// valid_hostname and valid_ruser), and no more than what can be printed.
func validHost(s string) bool {
	return printable(s) && s[0] != '-' && !strings.ContainsAny(s, " '`\"$\\;&<>|(){},@")
}

func validUser(s string) bool {
	return printable(s) && s[0] != '-' && !strings.ContainsAny(s, " '`\";&<>|(){}") && !strings.HasSuffix(s, "\\")
}
