package inventory

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// machine reads one entry of vms. One whose way there is in doubt is passed over:
// with another port or address it could be another machine.
func (c *vmConfig) machine(p pair) {
	name := p.key
	if !validName(name) {
		c.problem(p.line, "", "%q cannot name a machine: letters, digits and ._- are allowed", name)
		return
	}
	m := vm{Host: Host{Name: name, Environment: c.env}}
	at := func(field, value string, line int) {
		m.Origins = append(m.Origins, Origin{Field: field, Value: value, File: c.file, Line: line})
	}
	at("name", name, p.line)
	at("environment", c.env, 0)
	usable := true
	fields := []pair{}
	if p.value.ShortTag() != "!!null" { // a name alone: found by DNS, or in ssh's configuration
		if p.value.Kind != yaml.MappingNode {
			c.problem(p.line, name, "%s must have keys, such as host", name)
			return
		}
		fields = c.pairs(p.value, name, name)
	}
	for _, f := range fields {
		switch f.key {
		case "host":
			s, ok := c.checked(f, name, validHost)
			if usable = usable && ok; ok {
				m.Address = s
				at("address", s, f.line)
			}
		case "ansible_user":
			s, ok := c.checked(f, name, validUser)
			if usable = usable && ok; ok {
				m.User = s
				at("user", s, f.line)
			}
		case "ssh_config_host":
			s, ok := c.checked(f, name, validHost)
			if usable = usable && ok; ok {
				m.alias = s
				at("ssh_config_host", s, f.line)
			}
		case "port":
			n, ok := c.port(f, name)
			if usable = usable && ok; ok {
				m.Port = n
				at("port", strconv.Itoa(n), f.line)
			}
		case "tags":
			if m.Tags = c.tags(f, name); len(m.Tags) > 0 {
				at("tags", strings.Join(m.Tags, ", "), f.line)
			}
		default:
			c.problem(f.line, name, "unknown key %q; known are host, ansible_user, port, ssh_config_host and tags", f.key)
		}
	}
	if !usable {
		return // the problem is told
	}
	if c.template.Value != "" {
		m.Origins = append(m.Origins, c.template)
	}
	c.vms = append(c.vms, m)
}

func (c *vmConfig) checked(p pair, host string, valid func(string) bool) (string, bool) {
	s, ok := c.text(p, host)
	if ok && !valid(s) {
		c.problem(p.line, host, "%s: ssh would not take %q", p.key, s)
		return "", false
	}
	return s, ok
}

func (c *vmConfig) port(p pair, host string) (int, bool) {
	n, err := strconv.Atoi(p.value.Value)
	switch {
	case p.value.ShortTag() != "!!int" || err != nil || strings.HasPrefix(p.value.Value, "0"): // 022 is 18 to some readers
		c.problem(p.line, host, "port must be a number in decimal digits, not %s", shown(p.value))
	case n < 1 || n > 65535:
		c.problem(p.line, host, "port must be from 1 to 65535, not %d", n)
	default:
		return n, true
	}
	return 0, false
}

func (c *vmConfig) tags(p pair, host string) []string {
	items := []*yaml.Node{p.value}
	if p.value.Kind == yaml.SequenceNode {
		items = p.value.Content
	} else if p.value.ShortTag() == "!!null" {
		return nil
	}
	var tags []string
	for _, item := range items {
		item = resolved(item)
		if item.Kind != yaml.ScalarNode || item.ShortTag() == "!!null" || !printable(item.Value) {
			c.problem(item.Line, host, "tags must be a list of words, not %s", shown(item))
			continue
		}
		if !slices.Contains(tags, item.Value) {
			tags = append(tags, item.Value)
		}
	}
	return tags
}
