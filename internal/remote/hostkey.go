package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/remote/knownhosts"
)

// hostKeys decides about host keys for all connections of a pool: those that see
// the same new key at the same time have one question in common. It starts no
// goroutines; who waits for the operator is the connection that has to know.
type hostKeys struct {
	accepted func(AcceptedKey) // may be nil

	mu     sync.Mutex
	asking map[shownKey]*hostKeyAsked
	inMind map[shownKey]bool // accepted by the operator, but no file keeps it
}

// shownKey is a key that a host showed.
type shownKey struct{ name, fingerprint string }

func newHostKeys(accepted func(AcceptedKey)) *hostKeys {
	return &hostKeys{accepted: accepted, asking: map[shownKey]*hostKeyAsked{}, inMind: map[shownKey]bool{}}
}

// hopKeys decides about the key of one machine, for one handshake.
type hopKeys struct {
	all     *hostKeys
	ctx     context.Context
	o       *inventory.Options
	hop     Hop
	prompts Prompts
	query   knownhosts.Query
	files   knownhosts.Files
	order   []string // HostKeyAlgorithms

	mu       sync.Mutex
	unsafe   bool              // the key is not the known one, and we go on all the same
	judged   knownhosts.Result // what was found out last
	accepted ssh.PublicKey     // for this connection
}

// of prepares the decision about one machine. It fails when we have none of the
// algorithms that its configuration allows.
func (h *hostKeys) of(ctx context.Context, o *inventory.Options, hop Hop, prompts Prompts) (*hopKeys, error) {
	k := &hopKeys{all: h, ctx: ctx, o: o, hop: hop, prompts: prompts, files: hostKeyFiles(o), query: hostKeyQuery(o)}
	allowed, err := hostKeyAlgorithms(o)
	if err != nil {
		return nil, err
	}
	k.order = k.files.Read().Algorithms(k.query, allowed)
	return k, nil
}

// algorithms is what to offer the server: never empty, since the default of
// x/crypto would have servers show another key than the one that is known.
func (k *hopKeys) algorithms() []string { return k.order }

// untrusted reports whether the handshake went on although the key is not the
// known one (StrictHostKeyChecking no): then, as with ssh, there must be no
// password, no keyboard-interactive and no agent forwarding.
func (k *hopKeys) untrusted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unsafe
}

// strictness is StrictHostKeyChecking. ssh -G prints yes as true, no as false.
type strictness string

const (
	strictYes strictness = "yes"
	strictAsk strictness = "ask"
	strictNew strictness = "accept-new"
	strictOff strictness = "no"
)

func (k *hopKeys) strictness() strictness {
	switch strings.ToLower(k.o.Get("StrictHostKeyChecking")) {
	case "yes", "true":
		return strictYes
	case "accept-new":
		return strictNew
	case "no", "off", "false":
		return strictOff
	}
	return strictAsk
}

// check is the ssh.HostKeyCallback. It is called again whenever the connection
// changes its keys, long after the handshake: the same key stays accepted then.
func (k *hopKeys) check(_ string, addr net.Addr, key ssh.PublicKey) error {
	k.mu.Lock()
	before := k.accepted
	k.mu.Unlock()
	if sameKey(before, key) {
		return nil
	}
	if err := k.decide(addr, key); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.accepted = key
	return nil
}

// decide accepts a key or says why not.
func (k *hopKeys) decide(addr net.Addr, key ssh.PublicKey) error {
	for {
		r, err := k.judge(key)
		if err != nil {
			return err
		}
		switch {
		case r.Status == knownhosts.IsRevoked:
			return k.refuseRevoked(r)
		case r.Status == knownhosts.IsKnown:
			return nil
		case k.local(addr):
			k.all.accept(k.hop, r.Key, "", 0, "NoHostAuthenticationForLocalhost")
			return nil
		case r.Status == knownhosts.IsChanged && k.strictness() != strictOff:
			return k.refuseChanged(r)
		case r.Status == knownhosts.IsChanged:
			k.mu.Lock()
			k.unsafe = true
			k.mu.Unlock()
			k.all.accept(k.hop, r.Key, "", 0, "StrictHostKeyChecking no, although it has changed")
			return nil
		}
		switch k.strictness() {
		case strictYes:
			return k.refuseUnknown(r, "and StrictHostKeyChecking is yes", nil)
		case strictNew:
			k.keep(r.Key, "accept-new")
			return nil
		case strictOff:
			k.keep(r.Key, "StrictHostKeyChecking no")
			return nil
		}
		if again, err := k.ask(r); !again {
			return err
		}
	}
}

// judge says what is known of a key by now.
func (k *hopKeys) judge(key ssh.PublicKey) (knownhosts.Result, error) {
	r, err := k.files.Read().Check(k.query, key)
	if err != nil {
		hint := "Make the file readable, or take RevokedHostKeys out of the configuration."
		if errors.Is(err, knownhosts.ErrKRL) {
			hint = "Let ssh make this connection, or list the revoked keys as text, one a line."
		}
		return r, k.refuse(HostKeyRejected, r, fmt.Errorf("the host key of %s cannot be judged: %w", k.query.Name(), err), hint)
	}
	if err := k.strong(r.Key); err != nil {
		return r, k.refuse(HostKeyRejected, r, err, "Have the server use a key of another type, such as ssh-ed25519.")
	}
	k.mu.Lock()
	k.judged = r
	k.mu.Unlock()
	return r, nil
}

// local reports whether the host is this machine and its key does not count.
func (k *hopKeys) local(addr net.Addr) bool {
	if !k.o.Yes("NoHostAuthenticationForLocalhost") || k.query.Alias != "" || k.hop.Number > 1 || proxyCommand(k.o) != "" {
		return false // seen from another machine, the address is another one's
	}
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// file is where a new key is written; empty: nowhere.
func (k *hopKeys) file() string {
	if len(k.files.User) == 0 {
		return ""
	}
	return k.files.User[0]
}

// keep writes a key down. ssh connects too when it cannot; the line is zero then.
func (k *hopKeys) keep(key ssh.PublicKey, because string) int {
	file, line := k.file(), 0
	if file != "" {
		line, _ = knownhosts.Add(file, k.query, key, k.o.Yes("HashKnownHosts")) // that it is zero says it
	}
	k.all.accept(k.hop, key, file, line, because)
	return line
}

func (h *hostKeys) accept(hop Hop, key ssh.PublicKey, file string, line int, because string) {
	if h.accepted != nil {
		h.accepted(AcceptedKey{
			Hop: hop, Type: key.Type(), Fingerprint: ssh.FingerprintSHA256(key), File: file, Line: line, Because: because, At: time.Now(),
		})
	}
}
