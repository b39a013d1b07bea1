package inventory

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ParseJump reads the value of ProxyJump, as in "a,u@b:2222,ssh://c,[::1]:22": the
// machines on the way, the nearest one first. "none" and "" are no machines. What
// each of them is, only the configuration tells: resolve them like any other.
func ParseJump(value string) ([]Destination, error) {
	if value == "" || strings.EqualFold(value, "none") {
		return nil, nil
	}
	var hops []Destination
	for item := range strings.SplitSeq(value, ",") {
		d, err := parseHop(item)
		if err == nil {
			err = CheckDestination(d)
		}
		if err != nil {
			return nil, fmt.Errorf("ProxyJump %q: %w", value, err)
		}
		hops = append(hops, d)
	}
	return hops, nil
}

// CheckDestination says why ssh would not take a destination.
func CheckDestination(d Destination) error {
	if err := CheckAlias(d.Alias); err != nil {
		return err
	}
	if d.Port < 0 || d.Port > 65535 {
		return fmt.Errorf("%d is not the number of a port", d.Port)
	}
	return checkUser(d.User)
}

var errHop = errors.New("not [user@]host[:port] or ssh://[user@]host[:port]")

// parseHop reads one machine, with the rules and the gaps of OpenSSH.
func parseHop(s string) (d Destination, err error) {
	uri := false
	if s, uri = strings.CutPrefix(s, "ssh://"); uri {
		return parseURI(s)
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		if i == 0 {
			return d, errHop
		}
		d.User, s = s[:i], s[i+1:]
	}
	host, delim, port, ok := cutPort(s)
	if !ok || delim == '/' {
		return d, errHop
	}
	d.Alias = host
	d.Port, err = portOf(port)
	return d, err
}

func parseURI(s string) (d Destination, err error) {
	if user, rest, found := strings.Cut(s, "@"); found {
		user, _, _ = strings.Cut(user, ";")
		if d.User, err = url.QueryUnescape(user); err != nil || user == "" {
			return d, errHop
		}
		s = rest
	}
	host, delim, rest, ok := cutPort(s)
	if !ok || !isDomain(host) {
		return d, errHop
	}
	d.Alias = strings.TrimSuffix(host, ".")
	path := rest
	if delim == ':' {
		var port string
		port, path, _ = strings.Cut(rest, "/")
		if d.Port, err = portOf(port); err != nil || rest != "" && port == "" {
			return d, errHop
		}
	}
	if path != "" {
		return d, errHop
	}
	return d, nil
}

// cutPort splits "host:port", "[host]:port" and, in a URL, "host/path".
func cutPort(s string) (host string, delim byte, rest string, ok bool) {
	end := strings.IndexAny(s, ":/")
	if strings.HasPrefix(s, "[") {
		if end = strings.IndexByte(s, ']'); end < 0 {
			return "", 0, "", false
		}
		end++
	}
	if end < 0 || end == len(s) {
		end = len(s)
	} else if delim, rest = s[end], s[end+1:]; delim != ':' && delim != '/' {
		return "", 0, "", false
	}
	host = s[:end]
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return host[1 : len(host)-1], delim, rest, true
	}
	return host, delim, rest, host != ""
}

func portOf(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	port := portNumber(s)
	if port <= 0 {
		return 0, fmt.Errorf("bad port %q", s)
	}
	return port, nil
}

func isDomain(s string) bool {
	if s == "" || s[0] == '.' || s[0] == '-' || s[0] == '_' || strings.Contains(s, "..") {
		return false
	}
	return strings.Trim(lower(s), "abcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}

// readJump checks a ProxyJump of a configuration and returns it as `ssh -G` prints
// it, with the machine that is connected to last; "" stands for none.
func readJump(value string) (printed string, last Destination, err error) {
	if strings.EqualFold(value, "none") {
		return "", last, nil
	}
	text, _, _ := strings.Cut(value, "#")
	if i := strings.IndexAny(text[min(1, len(text)):], " \t\n\v\f\r"); i >= 0 {
		text = text[:i+1]
	}
	items := strings.Split(text, ",")
	for i, item := range items {
		if last, err = parseHop(item); err != nil {
			return "", last, fmt.Errorf("machine %d: %w", i+1, err)
		}
	}
	var b strings.Builder
	b.WriteString(text[:strings.LastIndexByte(text, ',')+1])
	if last.User != "" {
		b.WriteString(last.User + "@")
	}
	host := last.Alias
	if strings.Contains(host, ":") || strings.Trim(host, "0123456789.") == "" {
		host = "[" + host + "]"
	}
	b.WriteString(host)
	if last.Port > 0 {
		fmt.Fprintf(&b, ":%d", last.Port)
	}
	return b.String(), last, nil
}
