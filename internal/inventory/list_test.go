package inventory

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// alias is a host as it is in the ssh configuration: name, address, user, port.
func alias(name, address, user string, port int) Host {
	h := Host{Name: name, Address: address, User: user, Port: port, Destination: Destination{Alias: name},
		Origins: []Origin{{"name", name, "ssh_config", 1}}}
	for field, value := range map[string]string{"address": address, "user": user, "port": number(port)} {
		if value != "" {
			h.Origins = append(h.Origins, Origin{field, value, "ssh_config", 2})
		}
	}
	return h
}

// machines are those of one folder, with its name for a path.
func machines(t *testing.T, configs map[string]string) []vm {
	t.Helper()
	root := project(t, configs)
	vms, problems, _ := scanVMs([]string{root})
	if len(problems) != 0 {
		t.Fatalf("problems: %v", told(problems))
	}
	for i := range vms {
		for j := range vms[i].Origins {
			vms[i].Origins[j].File = strings.TrimPrefix(filepath.ToSlash(vms[i].Origins[j].File), filepath.ToSlash(root)+"/environments/")
		}
	}
	return vms
}

func hostNames(l List) []string {
	var names []string
	for _, h := range l.Hosts {
		names = append(names, h.Name)
	}
	return names
}

func TestList_BeginsWithThisMachine(t *testing.T) {
	for _, c := range []struct {
		ssh  []Host
		vms  map[string]string
		want string
	}{
		{nil, nil, "local"},
		{[]Host{alias("web1", "", "", 0), alias("db", "", "", 0)}, map[string]string{"prod": "vms: {x: {host: a}}"}, "local web1 db x"},
		{[]Host{alias("local", "", "", 0)}, nil, "this-machine local"},
		{[]Host{alias("local", "", "", 0), alias("this-machine", "", "", 0)}, nil, "this-machine-2 local this-machine"},
		{nil, map[string]string{"prod": "vms: {local: {host: a}}"}, "this-machine local"},
	} {
		list := merge(c.ssh, machines(t, c.vms))
		if got := strings.Join(hostNames(list), " "); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		if !list.Hosts[0].Local || list.Hosts[0].Destination != (Destination{}) {
			t.Errorf("the first host is %+v", list.Hosts[0])
		}
	}
}

func TestList_MergesAMachineWithItsSSHHost(t *testing.T) {
	ssh := []Host{alias("shop-web1", "10.0.0.9", "root", 0), alias("db", "", "", 0)}
	list := merge(ssh, machines(t, map[string]string{"prod": `vms:
  web1:
    host: 10.0.0.5
    ansible_user: root
    port: 2222
    ssh_config_host: shop-web1
    tags: [web]
  db:
    ansible_user: postgres
`}))
	if got := strings.Join(hostNames(list), " "); got != "local shop-web1 db" {
		t.Fatalf("hosts %q", got)
	}
	web := list.Hosts[1]
	if web.Destination != (Destination{Alias: "shop-web1"}) || web.Environment != "prod" || !slices.Equal(web.Tags, []string{"web"}) {
		t.Errorf("%+v", web)
	}
	if web.Address != "10.0.0.9" || web.User != "root" || web.Port != 2222 {
		t.Errorf("address %s, user %s, port %d", web.Address, web.User, web.Port)
	}
	want := []string{"address: prod/config.yml:3 says 10.0.0.5, ssh_config:2 says 10.0.0.9; ssh's is used"}
	if diff := cmp.Diff(want, web.Conflicts); diff != "" {
		t.Error(diff)
	}
	if o := origin(web, "port"); o.File != "prod/config.yml" || o.Line != 5 {
		t.Errorf("the port is from %+v", o)
	}
	if db := list.Hosts[2]; db.User != "postgres" || len(db.Conflicts) != 0 || db.Destination != (Destination{Alias: "db"}) {
		t.Errorf("%+v", db)
	}
	if len(ssh[1].Origins) != 1 {
		t.Error("the hosts of the scan were changed")
	}
}

func TestList_WithoutSSHHostTheMachineIsReachedAsItsFileSays(t *testing.T) {
	list := merge(nil, machines(t, map[string]string{"prod": `vms:
  web1: {host: 10.0.0.5, ansible_user: deploy, port: 2222}
  web2:
  web3: {ssh_config_host: web3.prod, host: 10.0.0.7}
`}))
	want := []Destination{{}, {"10.0.0.5", "deploy", 2222}, {"web2", "", 0}, {"web3.prod", "", 0}}
	var got []Destination
	for _, h := range list.Hosts {
		got = append(got, h.Destination)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(list.Problems) != 1 || list.Problems[0].Line != 4 || !strings.Contains(list.Problems[0].Text, "no Host web3.prod") {
		t.Errorf("%+v", list.Problems)
	}
}

func TestList_KeepsNamesUnique(t *testing.T) {
	both := map[string]string{"dev": "vms: {web: {host: a}, only: {host: b}}", "prod": "vms: {web: {host: c}}"}
	if got := strings.Join(hostNames(merge(nil, machines(t, both))), " "); got != "local dev/web only prod/web" {
		t.Errorf("two environments: %q", got)
	}
	// ssh's web is neither of the two.
	list := merge([]Host{alias("web", "", "", 0)}, machines(t, both))
	if got := strings.Join(hostNames(list), " "); got != "local web dev/web only prod/web" || list.Hosts[1].Environment != "" {
		t.Errorf("with ssh's: %q", got)
	}
	one := machines(t, both)
	two := machines(t, both)
	for i := range two {
		two[i].project = "blog"
	}
	got := strings.Join(hostNames(merge(nil, append(one, two...))), " ")
	if got != "local shop/dev/web dev/only shop/prod/web blog/dev/web blog/prod/web" && got != "local shop/dev/web shop/dev/only shop/prod/web blog/dev/web blog/dev/only blog/prod/web" {
		t.Errorf("two projects: %q", got)
	}
	list = merge(nil, append(machines(t, both), machines(t, both)...))
	if len(list.Hosts) != 4 || len(list.Problems) != 3 {
		t.Errorf("two projects of one name: %v, %v", hostNames(list), told(list.Problems))
	}
}

func TestList_TwoMachinesThatAreOneSSHHostAreAConflict(t *testing.T) {
	list := merge([]Host{alias("web", "", "", 0)}, machines(t, map[string]string{
		"dev": "vms:\n  a: {ssh_config_host: web}\n", "prod": "vms:\n\n  b: {ssh_config_host: web}\n  web: {host: x}\n"}))
	if got := strings.Join(hostNames(list), " "); got != "local web b prod/web" {
		t.Fatalf("hosts %q", got)
	}
	want := []string{"name: prod/config.yml:3 and dev/config.yml:2 both say that they are the ssh host web"}
	if diff := cmp.Diff(want, list.Hosts[2].Conflicts); diff != "" {
		t.Error(diff)
	}
	if list.Hosts[2].Destination.Alias != "web" || list.Hosts[3].Destination.Alias != "x" {
		t.Errorf("%+v", list.Hosts)
	}
}

func TestRead_ListsBothSources(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(home, ".ssh", "config")
	if err := os.WriteFile(config, []byte("Host web1\n  HostName 10.0.0.9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := project(t, map[string]string{"prod": "vms:\n  web1: {host: 10.0.0.5}\n  db: {host: 10.0.0.6, cpu: 2}\n"})
	list := Read(Sources{Home: home, Roots: []string{root}})
	if got := strings.Join(hostNames(list), " "); got != "local web1 db" {
		t.Fatalf("hosts %q", got)
	}
	file := filepath.Join(root, "environments", "prod", "config.yml")
	want := []string{"address: " + file + ":2 says 10.0.0.5, " + config + ":2 says 10.0.0.9; ssh's is used"}
	if diff := cmp.Diff(want, list.Hosts[1].Conflicts); diff != "" {
		t.Error(diff)
	}
	if len(list.Problems) != 1 || list.Problems[0].Line != 3 {
		t.Errorf("problems: %v", told(list.Problems))
	}
	for _, path := range []string{config, file} {
		if !slices.Contains(list.Looked, path) {
			t.Errorf("%s is not among %v", path, list.Looked)
		}
	}
}

func TestRead_OfNothingIsThisMachine(t *testing.T) {
	list := Read(Sources{Home: t.TempDir()})
	if len(list.Hosts) != 1 || !list.Hosts[0].Local || list.Problems == nil {
		t.Errorf("%+v", list)
	}
}

func TestDiffers_NamesWhatSSHDoesOtherwise(t *testing.T) {
	h := merge([]Host{alias("web", "", "", 0)}, machines(t, map[string]string{"prod": "vms:\n  web: {ansible_user: deploy, port: 22}\n"})).Hosts[1]
	got := Differs(h, New(h.Destination, "web", "root", 22, nil))
	if diff := cmp.Diff([]string{"user: prod/config.yml:2 says deploy; ssh uses root"}, got); diff != "" {
		t.Error(diff)
	}
}
