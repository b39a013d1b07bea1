package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"vmorchestrator/internal/inventory"
)

type hostKeys struct{ accepted func(AcceptedKey) }

func newHostKeys(accepted func(AcceptedKey)) *hostKeys { return &hostKeys{accepted} }

type hopKeys struct{ cb ssh.HostKeyCallback }

type stubHostKeyError struct{ error }

func isHostKey(err error) bool { return errors.As(err, new(*stubHostKeyError)) }

func (k *hostKeys) of(ctx context.Context, o *inventory.Options, hop Hop, p Prompts) (*hopKeys, error) {
	cb, err := knownhosts.New(strings.Fields(o.Get("UserKnownHostsFile"))...)
	return &hopKeys{cb}, err
}
func (k *hopKeys) algorithms() []string { return []string{"ssh-ed25519"} }
func (k *hopKeys) check(name string, addr net.Addr, key ssh.PublicKey) error {
	if err := k.cb(name, addr, key); err != nil {
		return &stubHostKeyError{fmt.Errorf("host key: %w", err)}
	}
	return nil
}
func (k *hopKeys) untrusted() bool { return false }
func (k *hopKeys) serve(l *link, c ssh.Conn, reqs <-chan *ssh.Request) <-chan *ssh.Request {
	return reqs
}
