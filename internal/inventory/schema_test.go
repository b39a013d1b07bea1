package inventory

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEnvironmentSchema_HasTheKeysThatAreRead holds docs/schemas to the reader: it
// takes each key of the schema, and what it says it knows besides is in there.
func TestEnvironmentSchema_HasTheKeysThatAreRead(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/schemas/environment.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]json.RawMessage
		Others     json.RawMessage `json:"additionalProperties"`
	}
	var top, machines, machine object
	for _, err := range []error{json.Unmarshal(text, &top), json.Unmarshal(top.Properties["vms"], &machines), json.Unmarshal(machines.Others, &machine)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "ssh_config"), []byte("Host db1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(config string) List {
		dir := filepath.Join(root, "environments", "prod")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config.yml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		return Read(Sources{SSHConfig: filepath.Join(root, "ssh_config"), Home: root, Roots: []string{root}})
	}

	list := read("template: small\nvms:\n  db1: {host: db1.example, ansible_user: deploy, port: 2222, ssh_config_host: db1, tags: [db]}\n")
	if want := []string{"ansible_user", "host", "port", "ssh_config_host", "tags"}; !slices.Equal(slices.Sorted(maps.Keys(machine.Properties)), want) {
		t.Errorf("a machine has the keys %v in the schema, want those that are tried here: %v", slices.Sorted(maps.Keys(machine.Properties)), want)
	}
	for _, p := range list.Problems {
		t.Errorf("a file with every key of the schema: %+v", p)
	}

	known := func(config string) (names []string) {
		for _, p := range read(config).Problems {
			if _, after, found := strings.Cut(p.Text, "known are "); found {
				names = regexp.MustCompile(`,| and `).Split(after, -1)
			}
		}
		for i := range names {
			names[i] = strings.TrimSpace(names[i])
		}
		slices.Sort(names)
		return names
	}
	if got, want := known("nonsense: 1\n"), slices.Sorted(maps.Keys(top.Properties)); !slices.Equal(got, want) {
		t.Errorf("the reader knows %v, the schema has %v", got, want)
	}
	if got, want := known("vms:\n  db1: {nonsense: 1}\n"), slices.Sorted(maps.Keys(machine.Properties)); !slices.Equal(got, want) {
		t.Errorf("of a machine the reader knows %v, the schema has %v", got, want)
	}
}
