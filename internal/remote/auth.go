package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
)

// maxPartial bounds how many factors a server may ask for, one after the other.
const maxPartial = 8

// errDenied is the end of a log-in for which nothing is left to try.
var errDenied = errors.New("permission denied")

// auth answers one server that asks who we are. It hands out one method at a
// time, and of publickey one key at a time: what fails with one key, such as a
// passphrase that is not given, must not stop the next one, and each is a step
// of its own. It belongs to one handshake and starts no goroutines.
//
//	a := newAuth(ctx, options, hop, prompts, memory)
//	defer a.close()
//	config.AuthCallback = a.next
//	c, chans, reqs, err := ssh.NewClientConn(a.watch(conn), addr, config)
//	err = a.explain(err) // also when it is nil: that is how it learns of success
type auth struct {
	ctx     context.Context // ends with the connection; bounds every question
	stop    context.CancelCauseFunc
	o       *inventory.Options
	hop     Hop
	prompts Prompts
	silent  string // why nobody may be asked; empty when one may
	memory  *authMemory
	agent   *agentClient
	order   []string

	// waits is told when a person starts and stops being waited for, who is asked
	// here, by another connection, or by the agent: the time does not count for the
	// deadline of the connection. It may be nil.
	waits   func(begin bool)
	waiting int // how many reasons there are to wait

	mu      sync.Mutex // guards made and changed; the rest belongs to the handshake
	made    []Step
	changed bool // the host key is not the known one: nothing secret may be sent

	begun   bool     // the server has been heard
	allowed []string // what it takes, as it said last
	spent   map[string]bool
	partial int
	pending *attempt
	keys    []*candidate // nil before they are looked for
	refused int          // keys and signatures that the server did not take
	tries   map[string]int
	advice  map[advice]string // what could be done, with what about
}

func newAuth(ctx context.Context, o *inventory.Options, hop Hop, prompts Prompts, m *authMemory) *auth {
	ctx, stop := context.WithCancelCause(ctx)
	if m == nil {
		m = newAuthMemory()
	}
	a := &auth{
		ctx: ctx, stop: stop, o: o, hop: hop, prompts: prompts, memory: m, agent: newAgent(o),
		order: strings.Split(o.Get("PreferredAuthentications"), ","),
		spent: map[string]bool{}, tries: map[string]int{}, advice: map[advice]string{},
	}
	if o.Get("PreferredAuthentications") == "" {
		a.order = []string{"publickey", "keyboard-interactive", "password"}
	}
	if o.Yes("BatchMode") {
		a.silent = "BatchMode is on"
	}
	return a
}

// close ends what is still being asked.
func (a *auth) close() { a.stop(context.Canceled) }

// withoutPasswords forbids everything that a false server could use elsewhere: the
// host key is not the known one and StrictHostKeyChecking let it pass. Signatures
// of keys stay, as with ssh: they are bound to this connection.
func (a *auth) withoutPasswords() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changed = true
}

func (a *auth) passwordsForbidden() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

// steps is what was tried until now.
func (a *auth) steps() []Step {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.made)
}

func (a *auth) step(ok bool, what, detail string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made = append(a.made, Step{Hop: a.hop.Name, What: what, Detail: fmt.Sprintf(detail, args...), OK: ok})
}

// next is the ssh.ClientAuthCallback. What became of the method before shows only
// in how often the server was content with a part.
func (a *auth) next(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	a.begun = true
	a.allowed = c.AllowedMethods
	partial := len(c.PartialSuccessMethods) > a.partial
	a.settle(partial)
	if partial {
		a.partial = len(c.PartialSuccessMethods)
		a.afresh()
	}
	if a.ctx.Err() != nil {
		return nil, context.Cause(a.ctx)
	}
	if a.partial > maxPartial {
		return nil, fmt.Errorf("%w: the server asked for more than %d factors", errDenied, maxPartial)
	}
	for _, name := range a.order {
		if a.spent[name] || !slices.Contains(a.allowed, name) {
			continue
		}
		if method := a.method(name); method != nil {
			return method, nil
		}
		a.spent[name] = true
		if a.ctx.Err() != nil {
			return nil, context.Cause(a.ctx)
		}
	}
	return nil, errDenied
}

// afresh forgets what was refused before the server was content with a part: the
// next factor may be the same method, or a key that it did not take as the first.
func (a *auth) afresh() {
	clear(a.spent)
	clear(a.tries)
	for _, k := range a.keys {
		k.tried = k.took
	}
}

// method is the next attempt of a method, nil when nothing is left of it.
func (a *auth) method(name string) ssh.AuthMethod {
	switch name {
	case "publickey":
		if a.off(name, "PubkeyAuthentication") {
			return nil
		}
		return a.nextKey()
	case "keyboard-interactive":
		if a.off(name, "KbdInteractiveAuthentication") || !a.mayAsk(name, a.prompts.Challenge != nil) {
			return nil
		}
		return a.challenge()
	case "password":
		if a.off(name, "PasswordAuthentication") {
			return nil
		}
		return a.password()
	default:
		a.step(false, name, "not tried: the built-in engine does not know this method")
		a.advice[adviceEngine] = name
		return nil
	}
}

func (a *auth) off(name, keyword string) bool {
	v := a.o.Get(keyword)
	if v != "no" && v != "false" {
		return false
	}
	a.step(false, name, "not tried: the configuration says %s no", keyword)
	return true
}

// mayAsk reports whether the operator can be asked for this method.
func (a *auth) mayAsk(name string, able bool) bool {
	why := a.silent
	if why == "" && !able {
		why = "there is nobody to ask"
	}
	if a.passwordsForbidden() {
		why = "the host key has changed, so that nothing secret is sent"
		a.advice[adviceHostKey] = a.hop.Name
	}
	if why == "" {
		return true
	}
	if a.tries[name] == 0 {
		a.step(false, name, "not tried: %s", why)
		a.advice[adviceSilent] = name
	}
	return false
}

// wait tells whoever holds the connection's deadline that a person is waited for,
// until the returned function is called.
func (a *auth) wait() func() {
	a.waiting++
	if a.waits != nil && a.waiting == 1 {
		a.waits(true)
	}
	return func() {
		a.waiting--
		if a.waits != nil && a.waiting == 0 {
			a.waits(false)
		}
	}
}

// maxTries is how often the operator is asked for the same thing.
func (a *auth) maxTries() int {
	if n, err := strconv.Atoi(a.o.Get("NumberOfPasswordPrompts")); err == nil && n >= 0 {
		return n
	}
	return 3
}
