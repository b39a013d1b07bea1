package remote

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/knownhosts"
)

// HostKeyError means that the host key of a server was not accepted. Nothing
// secret was sent to it.
type HostKeyError struct {
	Kind        HostKeyKind
	Name        string             // the host, as known_hosts has it: host, [host]:port or HostKeyAlias
	Type        string             // of the key that the server showed
	Fingerprint string             // SHA256:…
	Places      []knownhosts.Place // the lines that speak against it
	Err         error              // why, in a sentence

	refused *refusedKey // changed: what it takes to replace the known one; nil: nobody knows
}

// HostKeyKind says what is wrong with a host key.
type HostKeyKind string

// What can be wrong with a host key.
const (
	HostKeyUnknown  HostKeyKind = "unknown"  // nobody has said yet that it is the right one
	HostKeyChanged  HostKeyKind = "changed"  // another one is known
	HostKeyRevoked  HostKeyKind = "revoked"  // it is listed as one that may not be used
	HostKeyRejected HostKeyKind = "rejected" // it cannot be judged, or is too weak
)

func (e *HostKeyError) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *HostKeyError) Unwrap() error { return e.Err }

// isHostKey reports whether a connection failed because of the host key.
func isHostKey(err error) bool { return errors.As(err, new(*HostKeyError)) }

// refuse makes the error of a key that is not accepted.
func (k *hopKeys) refuse(kind HostKeyKind, r knownhosts.Result, why error, hint string) error {
	e := &HostKeyError{Kind: kind, Name: k.query.Name(), Type: r.Key.Type(), Fingerprint: ssh.FingerprintSHA256(r.Key), Places: r.Places, Err: why}
	if kind == HostKeyChanged {
		e.refused = k.refused(r)
	}
	return job.WithHint(e, hint)
}

// refuseUnknown says why an unknown key is not accepted; with says it too, for
// errors.Is, and may be nil.
func (k *hopKeys) refuseUnknown(r knownhosts.Result, why string, with error) error {
	text := fmt.Sprintf("the host key of %s is not known (%s %s) %s", k.query.Name(), r.Key.Type(), ssh.FingerprintSHA256(r.Key), why)
	if r.Cert != "" {
		text += "; its certificate does not count: " + clean(r.Cert)
	}
	if c := k.o.Get("KnownHostsCommand"); c != "" && c != "none" {
		text += "; KnownHostsCommand was not asked, which only ssh does"
	}
	err := errors.New(text)
	if with != nil {
		err = fmt.Errorf("%s: %w", text, with)
	}
	next := "connect while somebody is there to confirm it"
	if k.strictness() == strictYes {
		next = "add the key to " + k.file() + " by hand, or set StrictHostKeyChecking to ask"
	}
	return k.refuse(HostKeyUnknown, r, err,
		fmt.Sprintf("Compare the fingerprint with what `ssh-keygen -lf` says on %s of its own key, then %s.", k.hop.Name, next))
}

func (k *hopKeys) refuseRevoked(r knownhosts.Result) error {
	return k.refuse(HostKeyRevoked, r,
		fmt.Errorf("the host key of %s (%s %s) is revoked by %s", k.query.Name(), r.Key.Type(), ssh.FingerprintSHA256(r.Key), places(r.Places)),
		fmt.Sprintf("Do not connect: whoever holds this key may pose as %s. Its administrator has to give it a new one.", k.hop.Name))
}

func (k *hopKeys) refuseChanged(r knownhosts.Result) error {
	return k.refuse(HostKeyChanged, r,
		fmt.Errorf("the host key of %s has changed: it shows %s %s, but another key stands in %s",
			k.query.Name(), r.Key.Type(), ssh.FingerprintSHA256(r.Key), places(r.Places)),
		"Somebody may be listening in. If the host was installed anew, compare the fingerprint there, then replace the old key: on its page in the window, with `vmo hosts forget "+shellWord(k.hop.Name)+"`, or with "+k.removal(r)+".")
}

// removal is the command that takes the old keys out.
func (k *hopKeys) removal(r knownhosts.Result) string {
	var commands, done []string
	for _, p := range r.Places {
		c := fmt.Sprintf("ssh-keygen -f %s -R %s", shellWord(p.File), shellWord(k.query.Name()))
		if !slices.Contains(done, p.File) {
			done, commands = append(done, p.File), append(commands, "`"+c+"`")
		}
	}
	return strings.Join(commands, " and ")
}

func places(list []knownhosts.Place) string {
	var all []string
	for _, p := range list {
		all = append(all, p.String())
	}
	return strings.Join(all, ", ")
}

// shellWord is a word as a shell takes it, for the operator to copy.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-~+,:@%", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
