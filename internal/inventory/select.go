package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// UnknownError means that no host has a name.
type UnknownError struct {
	Name   string   // as it was asked for
	Near   []string // the names that it may have been meant for, the nearest first
	Shared []string // the hosts that share it, when there are several
}

func (e *UnknownError) Error() string {
	switch {
	case len(e.Shared) > 0:
		return fmt.Sprintf("%q could be %s", e.Name, strings.Join(e.Shared, " or "))
	case len(e.Near) > 0:
		return fmt.Sprintf("no host is called %q; there is %s", e.Name, strings.Join(e.Near, ", "))
	}
	return fmt.Sprintf("no host is called %q", e.Name)
}

// Select finds hosts by what an operator types, each once, in the order of the
// names: the name of a host, or another name that its sources give it; env:NAME
// and tag:NAME for every host of an environment or with a tag; and a destination
// with a user or a port, such as root@10.0.0.5 or ssh://db:2222, which need not be
// in the list.
func Select(list List, names []string) ([]Host, error) {
	if len(names) == 0 {
		return nil, errors.New("no host is named")
	}
	var chosen []Host
	seen := map[string]bool{}
	for _, name := range names {
		hosts, err := find(list, name)
		if err != nil {
			return nil, err
		}
		for _, h := range hosts {
			if !seen[h.Name] {
				seen[h.Name] = true
				chosen = append(chosen, h)
			}
		}
	}
	return chosen, nil
}

func find(list List, name string) ([]Host, error) {
	for _, h := range list.Hosts {
		if h.Name == name {
			return []Host{h}, nil
		}
	}
	if env, ok := strings.CutPrefix(name, "env:"); ok {
		return all(list, name, func(h Host) bool { return env != "" && h.Environment == env })
	}
	if tag, ok := strings.CutPrefix(name, "tag:"); ok {
		return all(list, name, func(h Host) bool { return slices.Contains(h.Tags, tag) })
	}
	also := slices.DeleteFunc(slices.Clone(list.Hosts), func(h Host) bool { return !alsoCalled(h, name) })
	if len(also) == 1 {
		return also, nil
	}
	if len(also) > 1 {
		e := &UnknownError{Name: name}
		for _, h := range also {
			e.Shared = append(e.Shared, h.Name)
		}
		return nil, e
	}
	if d, ok := parseDestination(name); ok {
		return []Host{unlisted(list, d)}, nil
	}
	return nil, &UnknownError{Name: name, Near: near(list, name)}
}

func all(list List, name string, is func(Host) bool) ([]Host, error) {
	found := slices.DeleteFunc(slices.Clone(list.Hosts), func(h Host) bool { return !is(h) })
	if len(found) == 0 {
		return nil, &UnknownError{Name: name, Near: near(list, name)}
	}
	return found, nil
}

// alsoCalled reports whether a source gives the host a name: that of a machine
// which is an ssh host, alone or with its environment.
func alsoCalled(h Host, name string) bool {
	for _, o := range h.Origins {
		if o.Field == "name" && (o.Value == name || h.Environment != "" && h.Environment+"/"+o.Value == name) {
			return true
		}
	}
	return false
}

// unlisted is the host of a destination. When it names a host of the list, that
// one is meant, as another user or at another port.
func unlisted(list List, d Destination) Host {
	h := Host{Tags: []string{}, Origins: []Origin{}, Conflicts: []string{}}
	if hosts, err := find(list, d.Alias); err == nil && len(hosts) == 1 && !hosts[0].Local && !strings.Contains(d.Alias, ":") {
		h = hosts[0]
		d.Alias = h.Name
	}
	h.Name = d.String()
	if h.Destination.Alias == "" {
		h.Address, h.Destination.Alias = d.Alias, d.Alias
	}
	if d.User != "" {
		h.User, h.Destination.User = d.User, d.User
	}
	if d.Port != 0 {
		h.Port, h.Destination.Port = d.Port, d.Port
	}
	return h
}

// parseDestination reads [user@]host[:port] and ssh://[user@]host[:port], with a
// user or a port: a name alone would make a host of every misspelling.
func parseDestination(s string) (Destination, bool) {
	var d Destination
	rest, isURL := strings.CutPrefix(s, "ssh://")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		d.User, rest = rest[:i], rest[i+1:]
		if isURL {
			if user, err := url.PathUnescape(d.User); err == nil {
				d.User = user
			}
			rest = strings.TrimSuffix(rest, "/")
		}
		if !validUser(d.User) {
			return d, false
		}
	} else if isURL {
		rest = strings.TrimSuffix(rest, "/")
	}
	host, port, ok := rest, "", true
	switch {
	case strings.HasPrefix(rest, "["):
		var colon bool
		host, rest, ok = strings.Cut(rest[1:], "]")
		port, colon = strings.CutPrefix(rest, ":")
		ok = ok && isIPv6(host) && (rest == "" || colon && port != "")
	case strings.Count(rest, ":") == 1:
		host, port, _ = strings.Cut(rest, ":")
		ok = port != ""
	case strings.Contains(rest, ":"):
		ok = isIPv6(rest)
	}
	if ok && port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		d.Port, ok = int(n), err == nil && n > 0
	}
	d.Alias = host
	return d, ok && validHost(host) && !strings.ContainsAny(host, "/[]") && (d.User != "" || d.Port != 0)
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6()
}
