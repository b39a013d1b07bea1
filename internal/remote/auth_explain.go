package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/job"
)

// advice is something the operator could do. The first one that applies is given.
type advice int

const (
	adviceHostKey  advice = iota // the host key has changed
	adviceMany                   // more keys than the server lets us try
	adviceUnlock                 // a key was wanted, and its passphrase not given
	adviceThrottle               // the server hung up
	adviceMode                   // others may read the key
	adviceAdd                    // only ssh can read the key
	adviceEmpty                  // the agent holds nothing
	adviceSilent                 // a password was not asked for
	adviceEngine                 // the server wants what we cannot do
	adviceAgent                  // there is no agent
	adviceLast                   // none of these
)

func (a *auth) hint(of advice) string {
	about := a.advice[of]
	switch of {
	case adviceHostKey:
		return fmt.Sprintf("Find out why the host key of %s has changed, and replace it in known_hosts; until then no password is sent.", about)
	case adviceMany:
		return fmt.Sprintf("Name the one key for it in ~/.ssh/config: Host %s, with IdentityFile and IdentitiesOnly yes.", about)
	case adviceUnlock:
		return fmt.Sprintf("Give the passphrase when asked, or load the key first: ssh-add %s", about)
	case adviceThrottle:
		return fmt.Sprintf("Wait a minute before you try again: the server may be throttling this address after failed log-ins. ssh -v %s shows whether it is.", a.hop.Name)
	case adviceMode:
		return "Take the key away from others: chmod 600 " + about
	case adviceAdd:
		return "Load the key in the agent: ssh-add " + strings.TrimSuffix(about, ".pub")
	case adviceEmpty:
		return "Load a key in the agent with ssh-add, or unlock it with ssh-add -X."
	case adviceSilent:
		return fmt.Sprintf("Make a key known to the server (ssh-copy-id %s), or connect where the question can be answered.", a.hop.Name)
	case adviceEngine:
		return fmt.Sprintf("Use the OpenSSH engine for this host (vmo hosts engine %s openssh): the server wants %s.", a.hop.Name, about)
	case adviceAgent:
		return fmt.Sprintf("Start an agent and load a key (ssh-add), or name one with IdentityFile; there is no agent: %s.", about)
	default:
		return fmt.Sprintf("Make one of these keys known to the server (ssh-copy-id %s), and check the user name.", a.hop.Name)
	}
}

// explain turns the end of a handshake into an error that says what was tried. It
// must be called with nil too: that is when a key or password is remembered. What
// ended before the server was asked about us is not its to explain.
func (a *auth) explain(err error) error {
	if err == nil {
		a.succeed()
		return nil
	}
	if !a.begun {
		return err
	}
	said, cause := disconnected(err), context.Cause(a.ctx)
	if said != "" {
		cause = errHungUp
		a.stop(cause)
	}
	a.settle(false)
	switch {
	case said != "":
		err = fmt.Errorf("%w: the server ended the connection: %q", errDenied, said)
		a.advice[adviceThrottle] = a.hop.Name
		if strings.Contains(strings.ToLower(said), "too many") {
			a.advice[adviceMany] = a.hop.Name
		}
	case errors.Is(err, errDenied): // ours; that the handshake has closed the connection since means nothing
		err = denied(err)
	case errors.Is(cause, errHungUp):
		err = fmt.Errorf("%w: %w", errDenied, cause)
		a.advice[adviceThrottle] = a.hop.Name
	case cause != nil:
		return fmt.Errorf("log in as %s: %w", a.hop.User, cause)
	default:
		err = fmt.Errorf("%w: %v", errDenied, err)
	}
	a.unsupported()
	return job.WithHint(fmt.Errorf("log in as %s: %w%s", a.hop.User, err, a.summary()), a.hint(a.first()))
}

// denied takes off what x/crypto wrote around an error of ours.
func denied(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if strings.HasPrefix(inner.Error(), errDenied.Error()) {
			return inner
		}
	}
	return err
}

// disconnected is what the server said when it ended the connection; x/crypto does
// not export the type of that error.
func disconnected(err error) string {
	_, text, ok := strings.Cut(err.Error(), "ssh: disconnect, reason ")
	if !ok {
		return ""
	}
	_, text, _ = strings.Cut(text, ": ")
	return oneLine(strings.Trim(text, `"`))
}

// unsupported notes the methods of the server that nobody tried: if it wants
// nothing else, no key will help.
func (a *auth) unsupported() {
	able := false
	for _, name := range a.allowed {
		able = able || slices.Contains([]string{"publickey", "password", "keyboard-interactive"}, name)
	}
	if !able && len(a.allowed) > 0 {
		a.advice[adviceEngine] = a.methods()
	}
}

// methods are those the server takes, as it calls them.
func (a *auth) methods() string { return oneLine(strings.Join(a.allowed, ", ")) }

func (a *auth) first() advice {
	for of := advice(0); of < adviceLast; of++ {
		if _, ok := a.advice[of]; ok {
			return of
		}
	}
	return adviceLast
}

// summary is what the server takes and what was tried, in one line.
func (a *auth) summary() string {
	var b strings.Builder
	if len(a.allowed) > 0 {
		fmt.Fprintf(&b, "; the server takes %s", a.methods())
	}
	for i, s := range a.steps() {
		if i == 0 {
			b.WriteString("; tried: ")
		} else {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: %s", s.What, s.Detail)
	}
	return strings.ReplaceAll(b.String(), "\n", " ")
}

var _ ssh.ClientAuthCallback = (*auth)(nil).next
