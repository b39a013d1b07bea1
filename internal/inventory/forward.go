package inventory

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// The kinds of a forward.
const (
	ForwardLocal   = "local"   // listens here, and connects from the host
	ForwardRemote  = "remote"  // listens on the host, and connects from here
	ForwardDynamic = "dynamic" // listens here as a SOCKS proxy, and connects from the host
)

// Forward is a port or socket that leads to another one through a host, as
// LocalForward, RemoteForward and DynamicForward of ssh.
type Forward struct {
	Kind string `json:"kind"` // "local", "remote" or "dynamic"

	// Listen is "PORT", "ADDRESS:PORT" or the path of a socket. Without an address it
	// is as GatewayPorts says, and * is every address.
	Listen string `json:"listen"`

	// To is "HOST:PORT" or the path of a socket. It is empty when whoever connects
	// says it, by SOCKS.
	To string `json:"to"`
}

// Flag is the option of ssh that asks for it.
func (f Forward) Flag() []string {
	flag := map[string]string{ForwardLocal: "-L", ForwardRemote: "-R", ForwardDynamic: "-D"}[f.Kind]
	if f.To == "" {
		return []string{flag, f.Listen}
	}
	return []string{flag, f.Listen + ":" + f.To}
}

// IsSocket reports whether Listen or To is the path of a socket.
func IsSocket(address string) bool { return strings.Contains(address, "/") }

// ListenAddress splits Listen. Given is false when no address was.
func (f Forward) ListenAddress() (host string, given bool, port int) {
	host, text, err := net.SplitHostPort(f.Listen)
	if err != nil {
		host, text = "", f.Listen
	}
	port, _ = strconv.Atoi(text) // it was checked when it was read
	return host, err == nil, port
}

// ParseForward reads what stands behind -L, -R or -D: [bind:]port:host:hostport, and
// paths of sockets in place of either side.
func ParseForward(kind, text string) (Forward, error) {
	bad := func(why string) (Forward, error) {
		return Forward{}, fmt.Errorf("the %s forward %q cannot be read: %s", kind, text, why)
	}
	fields, err := forwardFields(text)
	if err != nil {
		return bad(err.Error())
	}
	f := Forward{Kind: kind}
	var to []string
	switch n := len(fields); {
	case n > 0 && IsSocket(fields[0]):
		f.Listen, to = fields[0], fields[1:]
	case n == 1 || n == 3 && !IsSocket(fields[2]), n == 2 && IsSocket(fields[1]):
		f.Listen, to = fields[0], fields[1:]
		if _, err := listenPort(f.Listen); err != nil {
			return bad(err.Error())
		}
	case n >= 2:
		if fields[0] == "" {
			fields[0] = "*"
		}
		f.Listen, to = net.JoinHostPort(fields[0], fields[1]), fields[2:]
		if _, err := listenPort(fields[1]); err != nil {
			return bad(err.Error())
		}
	}
	switch {
	case len(to) == 0 && kind != ForwardLocal, len(to) == 2 && to[0] == "socks" && to[1] == "0" && kind == ForwardRemote:
		return f, nil
	case kind == ForwardDynamic:
		return bad("it is [bind:]port")
	case len(to) == 1 && IsSocket(to[0]):
		f.To = to[0]
		return f, nil
	case len(to) != 2 || to[0] == "":
		return bad("it is [bind:]port:host:hostport, where either side may be the path of a socket")
	}
	if port, err := listenPort(to[1]); err != nil || port == 0 {
		return bad(fmt.Sprintf("%q is not a port", to[1]))
	}
	f.To = net.JoinHostPort(to[0], to[1])
	return f, nil
}

// listenPort reads a port; 0 has the system choose one.
func listenPort(text string) (int, error) {
	port, err := strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return 0, fmt.Errorf("%q is not a port", text)
	}
	return port, nil
}

// forwardFields splits at colons outside of brackets. A backslash takes the meaning
// of what follows it.
func forwardFields(text string) (fields []string, err error) {
	rest := strings.TrimSpace(text)
	for more := true; more; {
		var field strings.Builder
		if inner, ok := strings.CutPrefix(rest, "["); ok {
			name, after, closed := strings.Cut(inner, "]")
			if !closed || after != "" && after[0] != ':' {
				return nil, fmt.Errorf("its brackets do not match")
			}
			field.WriteString(name)
			rest = after
		}
		i := 0
		for ; i < len(rest) && rest[i] != ':'; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			field.WriteByte(rest[i])
		}
		fields = append(fields, field.String())
		more = i < len(rest)
		rest = strings.TrimPrefix(rest[i:], ":")
	}
	if len(fields) > 4 {
		return nil, fmt.Errorf("it has too many parts")
	}
	return fields, nil
}

// Forwards are the forwards that a configuration opens, and what cannot be read of
// them. With ClearAllForwardings there are none.
func (o *Options) Forwards() (all []Forward, problems []error) {
	if o.Yes("ClearAllForwardings") {
		return nil, nil
	}
	for _, k := range []struct{ keyword, kind string }{{"LocalForward", ForwardLocal}, {"RemoteForward", ForwardRemote}, {"DynamicForward", ForwardDynamic}} {
		for _, value := range o.All(k.keyword) {
			words := strings.Fields(value)
			f, err := ParseForward(k.kind, strings.Join(words, ":"))
			if k.kind == ForwardDynamic && slices.ContainsFunc(all, func(l Forward) bool { return IsSocket(l.To) && l.Kind == ForwardLocal && l.Listen == listenOf(value) }) {
				continue // ssh -G prints a local forward to a socket as both
			}
			if err != nil {
				problems = append(problems, err)
				continue
			}
			all = append(all, f)
		}
	}
	return all, problems
}

// listenOf is what a DynamicForward listens on, also if that is no port.
func listenOf(value string) string {
	if IsSocket(value) {
		return value
	}
	f, _ := ParseForward(ForwardDynamic, value) // an empty one is equal to none
	return f.Listen
}
