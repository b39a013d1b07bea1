package inventory

import (
	"cmp"
	"fmt"
	"strconv"
)

// merge makes one list of the hosts of ssh's configuration and the machines of
// the environments. A machine that is one of ssh's hosts, because it says so or
// because it has the same name, becomes one entry with it: under ssh's name, and
// reached as ssh reaches it. Where both give a value, ssh's wins.
func merge(ssh []Host, vms []vm) List {
	list := List{Hosts: make([]Host, 1, 1+len(ssh)+len(vms))}
	list.Hosts = append(list.Hosts, ssh...)
	alias := map[string]int{} // → index in list.Hosts
	for i := range ssh {
		alias[ssh[i].Name] = 1 + i
	}
	names := names{taken: map[string]bool{}, machines: map[string]int{}, asked: map[string]bool{}}
	for _, h := range ssh {
		names.taken[h.Name] = true
	}
	for _, m := range vms {
		names.machines[m.Name]++
		names.machines[m.Environment+"/"+m.Name]++
		names.asked[m.alias] = true
	}
	claimed := map[string]Origin{}
	var rest []vm
	for _, m := range vms {
		wanted := cmp.Or(m.alias, m.Name)
		if m.alias == "" && (names.machines[m.Name] > 1 || names.asked[m.Name]) {
			wanted = "" // of several machines ssh's host can be only one, and nobody says which
		}
		i, known := alias[wanted]
		other, double := claimed[wanted]
		switch {
		case known && !double:
			claimed[wanted] = m.Origins[0]
			list.Hosts[i] = merged(list.Hosts[i], m)
			continue
		case known:
			m.Destination = Destination{Alias: wanted}
			m.Conflicts = append(m.Conflicts, fmt.Sprintf("name: %s and %s both say that they are the ssh host %s", place(m.Origins[0]), place(other), wanted))
		case m.alias != "": // perhaps a Host *.example.com: ssh knows, the list does not
			m.Destination = Destination{Alias: m.alias}
			at := origin(m.Host, "ssh_config_host")
			list.Problems = append(list.Problems, Problem{File: at.File, Line: at.Line, Host: m.Name,
				Text: fmt.Sprintf("no Host %s is in ssh's configuration; ssh is given the name as it is", m.alias)})
		default:
			m.Destination = Destination{Alias: cmp.Or(m.Address, m.Name), User: m.User, Port: m.Port}
		}
		rest = append(rest, m)
	}
	for _, m := range rest {
		list.add(m, names)
	}
	list.Hosts[0] = Host{Name: names.local(), Local: true}
	for i := range list.Hosts { // the page iterates over them: none is null
		h := &list.Hosts[i]
		h.Tags, h.Origins, h.Conflicts = append([]string{}, h.Tags...), append([]Origin{}, h.Origins...), append([]string{}, h.Conflicts...)
	}
	return list
}

// names are kept unique.
type names struct {
	taken    map[string]bool // by a host of the list
	machines map[string]int  // how many have the name, and how many the env/name
	asked    map[string]bool // as an ssh_config_host
}

// add adds a machine under a name that no other has: its own, with its
// environment, or with its project as well.
func (l *List) add(m vm, names names) {
	short := m.Environment + "/" + m.Name
	long := m.project + "/" + short
	candidates := []string{m.Name, short, long}
	switch {
	case names.machines[short] > 1: // of two projects
		candidates = candidates[2:]
	case names.machines[m.Name] > 1:
		candidates = candidates[1:]
	}
	for _, name := range candidates {
		if !names.taken[name] {
			names.taken[name] = true
			m.Name = name
			l.Hosts = append(l.Hosts, m.Host)
			return
		}
	}
	at := m.Origins[0]
	l.Problems = append(l.Problems, Problem{File: at.File, Line: at.Line, Host: m.Name,
		Text: fmt.Sprintf("another machine is called %s already; this one is passed over", long)})
}

func (n names) local() string {
	name := "local"
	for i := 1; n.taken[name]; i++ {
		if name = "this-machine"; i > 1 {
			name += "-" + strconv.Itoa(i)
		}
	}
	return name
}

// merged is a host of ssh's configuration with what an environment knows of it.
func merged(h Host, m vm) Host {
	h.Environment, h.Tags = m.Environment, append(h.Tags[:len(h.Tags):len(h.Tags)], m.Tags...)
	differ := func(field, theirs, ours string) {
		if theirs != "" && ours != "" && theirs != ours {
			h.Conflicts = append(h.Conflicts, fmt.Sprintf("%s: %s says %s, %s says %s; ssh's is used",
				field, place(origin(m.Host, field)), theirs, place(origin(h, field)), ours))
		}
	}
	differ("address", m.Address, h.Address)
	differ("user", m.User, h.User)
	differ("port", number(m.Port), number(h.Port))
	h.Address, h.User, h.Port = cmp.Or(h.Address, m.Address), cmp.Or(h.User, m.User), cmp.Or(h.Port, m.Port)
	h.Conflicts = append(h.Conflicts, m.Conflicts...)
	h.Origins = append(h.Origins[:len(h.Origins):len(h.Origins)], m.Origins...)
	return h
}

// Differs says in words where what is written about a host is not what ssh would
// do to reach it: values of a config.yml that are not used, because the host is
// one of ssh's and a pattern of its configuration gives another.
func Differs(h Host, o *Options) []string {
	differ := []string{}
	check := func(field, written, effective string) {
		if written != "" && effective != "" && written != effective {
			differ = append(differ, fmt.Sprintf("%s: %s says %s; ssh uses %s", field, place(origin(h, field)), written, effective))
		}
	}
	check("address", h.Address, o.HostName)
	check("user", h.User, o.User)
	check("port", number(h.Port), number(o.Port))
	return differ
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// origin is the first origin of a field.
func origin(h Host, field string) Origin {
	for _, o := range h.Origins {
		if o.Field == field {
			return o
		}
	}
	return Origin{}
}

func place(o Origin) string {
	if o.Line == 0 {
		return o.File
	}
	return o.File + ":" + strconv.Itoa(o.Line)
}
