package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

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
