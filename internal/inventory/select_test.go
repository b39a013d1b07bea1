package inventory

import (
	"errors"
	"strings"
	"testing"
)

func selectable(t *testing.T) List {
	return merge([]Host{alias("bastion", "", "", 0), alias("shop-web", "", "", 0)}, machines(t, map[string]string{
		"dev":  "vms: {web: {host: 10.1.0.1, tags: [www]}, db1: {host: 10.1.0.2}}",
		"prod": "vms: {web: {ssh_config_host: shop-web, tags: [www]}, db2: {host: 10.2.0.2, ansible_user: pg, tags: [sql, eu]}, db3: {host: 10.2.0.3, tags: sql}}",
	}))
}

func TestSelect_FindsHostsInTheOrderOfTheNames(t *testing.T) {
	list := selectable(t)
	for names, want := range map[string]string{
		"db2 bastion local":         "db2 bastion local",
		"db2 db2 tag:sql":           "db2 db3",
		"tag:www":                   "shop-web dev/web",
		"env:prod":                  "shop-web db2 db3",
		"dev/web prod/web shop-web": "dev/web shop-web",
		"root@10.0.0.5:2222":        "root@10.0.0.5:2222",
		"ssh://ops@h:7/ ops@h:7":    "ops@h:7",
		"h:22":                      "h:22",
		"[::1]:22 u@[::1]:22":       "[::1]:22 u@[::1]:22",
		"u@fe80::1":                 "u@fe80::1",
		"me@corp@h":                 "me@corp@h",
		"root@db2":                  "root@db2",
	} {
		hosts, err := Select(list, strings.Fields(names))
		if err != nil {
			t.Errorf("%s: %v", names, err)
		}
		var got []string
		for _, h := range hosts {
			got = append(got, h.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", names, got, want)
		}
	}
}

func TestSelect_ADestinationMayNameAHostOfTheList(t *testing.T) {
	for typed, want := range map[string]Destination{
		"root@db2":      {"10.2.0.2", "root", 0},
		"db2:2222":      {"10.2.0.2", "pg", 2222},
		"root@shop-web": {"shop-web", "root", 0},
		"root@10.9.9.9": {"10.9.9.9", "root", 0},
		"root@[::1]:22": {"::1", "root", 22},
		"root@local":    {"local", "root", 0},
	} {
		hosts, err := Select(selectable(t), []string{typed})
		if err != nil || hosts[0].Destination != want {
			t.Errorf("%s: %+v, %v; want %+v", typed, hosts, err, want)
		}
	}
	hosts, _ := Select(selectable(t), []string{"root@db2"})
	if hosts[0].Environment != "prod" || hosts[0].User != "root" {
		t.Errorf("%+v", hosts[0])
	}
}

func TestSelect_RefusesWhatIsNotAHost(t *testing.T) {
	for typed, want := range map[string]string{
		"basiton":         `no host is called "basiton"; there is bastion`,
		"db":              `no host is called "db"; there is db1, db2, db3`,
		"10.0.0.5":        `no host is called "10.0.0.5"`,
		"zzzzzz":          `no host is called "zzzzzz"`,
		"web":             `"web" could be shop-web or dev/web`,
		"env:prd":         `no host is called "env:prd"; there is env:prod`,
		"env:":            `no host is called "env:"`,
		"tag:sq":          `no host is called "tag:sq"; there is tag:sql`,
		"-oProxyCommand@": `no host is called "-oProxyCommand@"`,
		"a@-x":            "no host",
		"-x@a":            "no host",
		"a;b@c":           "no host",
		"u@h;x":           "no host",
		"h:0":             "no host",
		"h:65536":         "no host",
		"h:":              "no host",
		"u@h:x":           "no host",
		"u@[h]:22":        "no host",
		"u@[::1]x":        "no host",
		"u@a:b:c":         "no host",
		"u@":              "no host",
		"@h":              "no host",
		"u@h\x1b[2J":      "no host",
		"":                "no host",
	} {
		hosts, err := Select(selectable(t), []string{"bastion", typed})
		var unknown *UnknownError
		if hosts != nil || !errors.As(err, &unknown) || unknown.Name != typed || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, %v", typed, hosts, err)
		}
	}
	if _, err := Select(selectable(t), nil); err == nil {
		t.Error("no names select something")
	}
}
