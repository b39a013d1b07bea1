package app

import (
	"net"
	"strings"
)

// localHost reports whether a request was addressed to this machine by a name
// that cannot be made to point elsewhere: a page on the net that resolves its
// own name to 127.0.0.1 must not read the journal of a development build.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	switch strings.Trim(host, "[]") {
	case "", "wails", "wails.localhost", "localhost", "127.0.0.1", "::1":
		return true
	}
	return false
}
