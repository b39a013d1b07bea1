package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// project writes a root folder with the config.yml of each environment.
func project(t *testing.T, configs map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "shop")
	for env, text := range configs {
		dir := filepath.Join(root, "environments", env)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config.yml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// told are problems as line:host:text, without the folder.
func told(problems []Problem) []string {
	lines := []string{}
	for _, p := range problems {
		lines = append(lines, fmt.Sprintf("%s:%d:%s: %s", filepath.Base(filepath.Dir(p.File)), p.Line, p.Host, p.Text))
	}
	return lines
}

func TestVMConfig_KeepsTheLineOfEveryValue(t *testing.T) {
	root := project(t, map[string]string{"prod": `# machines
template: ubuntu-24.04
vms:
  web1:
    host: 10.0.0.5
    ansible_user: deploy
    port: 2222
    ssh_config_host: shop-web1
    tags: [web, eu]
`})
	vms, problems, looked := scanVMs([]string{root})
	if len(problems) != 0 {
		t.Fatalf("problems: %v", told(problems))
	}
	file := filepath.Join(root, "environments", "prod", "config.yml")
	want := Host{Name: "web1", Environment: "prod", Address: "10.0.0.5", User: "deploy", Port: 2222, Tags: []string{"web", "eu"}, Origins: []Origin{
		{"name", "web1", file, 4}, {"environment", "prod", file, 0}, {"address", "10.0.0.5", file, 5}, {"user", "deploy", file, 6},
		{"port", "2222", file, 7}, {"ssh_config_host", "shop-web1", file, 8}, {"tags", "web, eu", file, 9}, {"template", "ubuntu-24.04", file, 2},
	}}
	if diff := cmp.Diff(want, vms[0].Host); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if vms[0].alias != "shop-web1" {
		t.Errorf("alias %q", vms[0].alias)
	}
	if want := []string{filepath.Join(root, "environments") + "/", file}; !slices.Equal(looked, want) {
		t.Errorf("looked at %v, want %v", looked, want)
	}
}

func TestVMConfig_TellsWhatIsWrongOnItsLine(t *testing.T) {
	const good = "vms:\n  ok: {host: a}\n"
	for name, c := range map[string]struct {
		text  string
		want  string // the problem; empty: none
		hosts string
	}{
		"unknown key of the file":    {"network: x\n" + good, `prod:1:: unknown key "network"; known are template and vms`, "ok"},
		"unknown key of a machine":   {"vms:\n  ok:\n    host: a\n    cpu: 4\n", `prod:4:ok: unknown key "cpu"; known are host, ansible_user, port, ssh_config_host and tags`, "ok"},
		"malformed":                  {"vms:\n  web: {host: [}\n", "prod:2:: not YAML: did not find expected node content", ""},
		"malformed later document":   {good + "---\na: [\n", "prod:5:: not YAML: did not find expected node content", ""},
		"a second document":          {good + "---\nvms: {b: {host: b}}\n", "prod:3:: only the first document of the file is read", "ok"},
		"a control character":        {"vms:\n  a: {host: \"x\x01\"}\n", "prod:2:: not YAML: control characters are not allowed (value: 1)", ""},
		"an escaped control char":    {`vms: {ok: {host: a}, b: {host: "x\e[2J"}}`, `prod:1:b: host must be text, not "x\x1b[2J"`, "ok"},
		"a tab":                      {"vms:\n\tok: 1\n", "prod:2:: not YAML: found character that cannot start any token", ""},
		"a duplicate machine":        {good + "  ok: {host: b}\n", `prod:3:: "ok" stands in line 2 already; this one is passed over`, "ok"},
		"a duplicate key":            {"vms:\n  ok:\n    host: a\n    host: b\n", `prod:4:ok: "host" stands in line 3 already; this one is passed over`, "ok"},
		"port out of range":          {good + "  b:\n    port: 70000\n", "prod:4:b: port must be from 1 to 65535, not 70000", "ok"},
		"port zero":                  {good + "  b: {port: 0}\n", "prod:3:b: port must be a number in decimal digits, not 0 without quotes", "ok"},
		"port octal":                 {good + "  b: {port: 022}\n", "prod:3:b: port must be a number in decimal digits, not 022 without quotes", "ok"},
		"port is text":               {good + "  b: {port: \"22\"}\n", `prod:3:b: port must be a number in decimal digits, not "22"`, "ok"},
		"host is a number":           {good + "  b: {host: 10.5}\n", "prod:3:b: host must be text, not 10.5 without quotes", "ok"},
		"host is a list":             {good + "  b: {host: [a]}\n", "prod:3:b: host must be text, not a list", "ok"},
		"host is an option":          {good + "  b: {host: -oProxyCommand=x}\n", `prod:3:b: host: ssh would not take "-oProxyCommand=x"`, "ok"},
		"host is a command":          {good + "  b: {host: \"a;reboot\"}\n", `prod:3:b: host: ssh would not take "a;reboot"`, "ok"},
		"user is a command":          {good + "  b: {ansible_user: \"`id`\"}\n", "prod:3:b: ansible_user: ssh would not take \"`id`\"", "ok"},
		"a machine is text":          {good + "  b: 10.0.0.1\n", "prod:3:b: b must have keys, such as host", "ok"},
		"a machine's name":           {good + "  \"a b\": {host: a}\n", `prod:3:: "a b" cannot name a machine: letters, digits and ._- are allowed`, "ok"},
		"tags with a mapping":        {"vms:\n  ok:\n    tags:\n    - a\n    - {b: c}\n", "prod:5:ok: tags must be a list of words, not keys", "ok"},
		"vms is a list":              {"vms:\n- web1\n", "prod:2:: vms must have keys, not be a list", ""},
		"the file is a list":         {"- a\n", "prod:1:: the file must have keys, not be a list", ""},
		"template is a list":         {"template: [a]\n" + good, "prod:1:: template must be text, not a list", "ok"},
		"empty":                      {"", "", ""},
		"only a comment":             {"# nothing\n", "", ""},
		"no machines yet":            {"vms:\n", "", ""},
		"a machine without keys":     {"vms:\n  web9:\n", "", "web9"},
		"defaults that are merged":   {"vms:\n  a: &d {host: x, tags: t}\n  b:\n    <<: *d\n    host: y\n", "", "a b"},
		"an alias that holds itself": {"vms: &v\n  ok: {host: a}\n  b: *v\n", `prod:2:b: unknown key "ok"; known are host, ansible_user, port, ssh_config_host and tags`, "ok b"},
	} {
		t.Run(name, func(t *testing.T) {
			// The neighbour is read whatever is wrong here.
			vms, problems, _ := scanVMs([]string{project(t, map[string]string{"prod": c.text, "test": "vms: {neighbour: {host: n}}"})})
			var names []string
			for _, m := range vms {
				names = append(names, m.Name)
			}
			if got, want := strings.Join(names, " "), strings.TrimSpace(c.hosts+" neighbour"); got != want {
				t.Errorf("machines %q, want %q", got, want)
			}
			if got := told(problems); c.want == "" && len(got) != 0 || c.want != "" && !slices.Contains(got, c.want) {
				t.Errorf("problems\n%s\nwant\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

func TestVMConfig_WhatIsNotThereIsNoProblemButWatched(t *testing.T) {
	empty := t.TempDir()
	root := project(t, map[string]string{"prod": ""})
	if err := os.Mkdir(filepath.Join(root, "environments", "bare"), 0o755); err != nil {
		t.Fatal(err)
	}
	vms, problems, looked := scanVMs([]string{empty, root})
	if len(vms) != 0 || len(problems) != 0 {
		t.Errorf("vms %v, problems %v", vms, told(problems))
	}
	for _, path := range []string{filepath.Join(empty, "environments") + "/", filepath.Join(root, "environments", "bare", "config.yml")} {
		if !slices.Contains(looked, path) {
			t.Errorf("%s is not among %v", path, looked)
		}
	}
}

func TestVMConfig_AFolderGivenTwiceIsReadOnce(t *testing.T) {
	root := project(t, map[string]string{"prod": "vms: {a: {host: x}}"})
	if vms, _, _ := scanVMs([]string{root, root + "/."}); len(vms) != 1 {
		t.Errorf("%d machines", len(vms))
	}
}

func TestVMConfig_RefusesWhatIsTooLargeOrNoFile(t *testing.T) {
	root := project(t, map[string]string{"big": "# " + strings.Repeat("x", maxConfig), "dir": ""})
	config := filepath.Join(root, "environments", "dir", "config.yml")
	if err := os.Remove(config); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(config, 0o755); err != nil {
		t.Fatal(err)
	}
	_, problems, _ := scanVMs([]string{root})
	want := []string{"big:0:: cannot be read: it is larger than 4 MiB", "dir:0:: cannot be read: it is not a regular file"}
	if diff := cmp.Diff(want, told(problems)); diff != "" {
		t.Error(diff)
	}
}

func FuzzVMConfig(f *testing.F) {
	f.Add([]byte("template: t\nvms:\n  a: &x {host: b, port: 22, tags: [c]}\n  d: {<<: *x, ansible_user: u, ssh_config_host: s}\n"))
	f.Add([]byte("vms: &v {a: *v, <<: [*v, *v]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), "config.yml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c := vmConfig{file: file, env: "e"}
		c.read()
		for _, m := range c.vms {
			if !validName(m.Name) || m.Address != "" && !validHost(m.Address) || m.Port < 0 || m.Port > 65535 {
				t.Errorf("accepted %+v", m)
			}
		}
	})
}
