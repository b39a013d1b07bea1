package remote

import (
	"context"
	"net"
	"strings"

	"github.com/Microsoft/go-winio"
)

// defaultAgent is the pipe of OpenSSH's agent, which 1Password uses too.
const defaultAgent = `\\.\pipe\openssh-ssh-agent`

// dialAgent opens a named pipe, or a socket file such as that of WSL or Git.
func dialAgent(ctx context.Context, address string) (net.Conn, error) {
	address = strings.ReplaceAll(address, "/", `\`)
	if strings.HasPrefix(address, `\\.\pipe\`) {
		return winio.DialPipeContext(ctx, address)
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", address)
}
