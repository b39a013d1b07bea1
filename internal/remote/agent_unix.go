//go:build unix

package remote

import (
	"context"
	"net"
)

// defaultAgent is where an agent is when nothing says so: nowhere.
const defaultAgent = ""

func dialAgent(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", address)
}
