package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// errHungUp is the end of a connection during authentication. x/crypto takes it
// for one more refusal and would go on to the next method, which would ask the
// operator for a password that nobody waits for.
var errHungUp = errors.New("the connection ended")

// watch returns the connection to be given to the handshake. Its end closes the
// questions that are open, and keeps others from being asked.
func (a *auth) watch(c net.Conn) net.Conn { return &heardConn{c, a.stop} }

type heardConn struct {
	net.Conn
	ended context.CancelCauseFunc
}

func (c *heardConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		c.ended(fmt.Errorf("%w: the server closed it", errHungUp))
	default:
		c.ended(fmt.Errorf("%w: %w", errHungUp, err))
	}
	return n, err
}
