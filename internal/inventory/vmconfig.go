package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxConfig bounds a config.yml: an environment of some thousand machines is far
// below it.
const maxConfig = 4 << 20

// vm is one machine of an environments/<env>/config.yml.
type vm struct {
	Host           // Name is as in the file: not yet unique
	alias   string // what its ssh_config_host says; empty: it says nothing
	project string // the base name of the root folder
}

// scanVMs reads environments/*/config.yml of each root folder, in the order of
// the roots and then of the environments' names.
func scanVMs(roots []string) (vms []vm, problems []Problem, looked []string) {
	seen := map[string]bool{}
	for _, root := range roots {
		folder := filepath.Join(root, "environments")
		looked = append(looked, folder+string(filepath.Separator))
		entries, err := os.ReadDir(folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, Problem{File: folder, Text: "cannot be read: " + reason(err)})
		}
		for _, entry := range entries {
			file := filepath.Join(folder, entry.Name(), "config.yml")
			if entry.Type().IsRegular() || seen[real(file)] {
				continue // seen: a project that was added twice, or through a link
			}
			seen[real(file)] = true
			looked = append(looked, file)
			if !printable(entry.Name()) {
				problems = append(problems, Problem{File: file, Text: fmt.Sprintf("%q cannot name an environment", entry.Name())})
				continue
			}
			c := vmConfig{file: file, env: entry.Name()}
			c.read()
			for i := range c.vms {
				c.vms[i].project = filepath.Base(root)
			}
			vms, problems = append(vms, c.vms...), append(problems, c.problems...)
		}
	}
	return vms, problems, looked
}

// real is the file behind links; the path itself if there is none.
func real(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return path
}

// reason is an error without the path, which the Problem names already.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// vmConfig is one config.yml while it is read.
type vmConfig struct {
	file, env string
	template  Origin // of the environment: every machine has it
	vms       []vm
	problems  []Problem
}

func (c *vmConfig) problem(line int, host, format string, args ...any) {
	c.problems = append(c.problems, Problem{File: c.file, Line: line, Host: host, Text: fmt.Sprintf(format, args...)})
}

func (c *vmConfig) read() {
	text, err := readBounded(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		return // a folder of environments/ that describes no machines
	}
	if err != nil {
		c.problem(0, "", "cannot be read: %s", reason(err))
		return
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&document); err != nil {
		if !errors.Is(err, io.EOF) { // an empty file
			c.malformed(text, err)
		}
		return
	}
	if len(document.Content) == 0 {
		return
	}
	var rest yaml.Node
	if err := decoder.Decode(&rest); err == nil {
		c.problem(rest.Line, "", "only the first document of the file is read")
	} else if !errors.Is(err, io.EOF) {
		c.malformed(text, err)
		return
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return // nothing but comments
	}
	var machines *yaml.Node
	for _, p := range c.pairs(root, "", "the file") {
		switch p.key {
		case "vms":
			machines = p.value
		case "template":
			if s, ok := c.text(p, ""); ok {
				c.template = Origin{Field: "template", Value: s, File: c.file, Line: p.line}
			}
		default:
			c.problem(p.line, "", "unknown key %q; known are template and vms", p.key)
		}
	}
	if machines != nil && machines.ShortTag() != "!!null" {
		for _, p := range c.pairs(machines, "", "vms") {
			c.machine(p)
		}
	}
}

// readBounded refuses what is too large before it is in memory, and what is not
// a file: opening a named pipe would wait for a writer.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(text) > maxConfig {
		err = fmt.Errorf("it is larger than %d MiB", maxConfig>>20)
	}
	return text, err
}

func (c *vmConfig) malformed(text []byte, err error) {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		c.problem(0, "", "not YAML: %v", err)
		return
	}
	line := e.Mark.Line
	if line == 0 { // the reader's complaints name no place
		if i := bytes.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == '\uFFFD' }); i >= 0 {
			line = 1 + bytes.Count(text[:i], []byte("\n"))
		}
	}
	c.problem(line, "", "not YAML: %s", e.Message)
}

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
