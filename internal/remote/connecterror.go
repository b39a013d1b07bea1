package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/job"
)

// failure makes a ConnectError of what went wrong at this machine, with what the
// operator can do about it.
func (d *dialer) failure(err error) error {
	c := &ConnectError{Host: d.host.name, Hop: d.step.hop.Name, Status: StatusUnreachable, Err: err, Steps: d.trail.all()}
	hint := job.HintOf(err)
	if hint == "" {
		hint = d.hint(err)
	}
	var denied *authFailure
	var key *HostKeyError
	switch {
	case errors.As(err, &key):
		c.Status, c.Err = StatusHostKey, key
	case errors.As(err, &denied):
		c.Status, c.Err = StatusRefused, denied.err
	}
	if hint == "" {
		return c
	}
	return job.WithHint(c, hint)
}

// limitsHint is about a server that closes connections before it says anything.
const limitsHint = "The server may limit connections from this address: MaxStartups for those at once, PerSourcePenalties after failed log-ins. Wait, and look into its log."

func (d *dialer) hint(err error) string {
	var (
		name    *net.DNSError
		early   *earlyEnd
		out     *shutOut
		open    *ssh.OpenChannelError
		nothing *ssh.AlgorithmNegotiationError
	)
	o := d.step.options
	where := ""
	if at := o.Origin("HostName"); at.File != "" {
		where = fmt.Sprintf(" (%s:%d)", at.File, at.Line)
	}
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("Check HostName%s: %s is not a name that this machine can look up; a VPN may be missing.", where, o.HostName)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("Check that sshd runs on %s and listens on port %d.", o.HostName, o.Port)
	case errors.Is(err, errTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return fmt.Sprintf("Check that %s is up and that no firewall drops the connection; ConnectTimeout sets how long to wait.", d.step.hop.Addr)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "Check the network of this machine, and whether a VPN is missing."
	case errors.As(err, &early), errors.As(err, &out):
		return limitsHint
	case errors.As(err, &open):
		return fmt.Sprintf("Check that %s may connect to %s, and AllowTcpForwarding in its sshd_config.", d.via.host.name, d.step.hop.Addr)
	case errors.As(err, &nothing):
		return "The server is too old or too strict for the built-in engine: compare with `ssh -v`."
	}
	return ""
}

// withHintOf gives err the hint of another error.
func withHintOf(err, other error) error {
	if hint := job.HintOf(other); hint != "" && job.HintOf(err) == "" {
		return job.WithHint(err, hint)
	}
	return err
}
