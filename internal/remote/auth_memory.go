package remote

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
)

// authMemory is what one program has learnt about logging in, so that it asks
// once and offers first what the server takes. Nothing of it is ever written
// down. All connections of a Pool share one.
type authMemory struct {
	mu        sync.Mutex
	worked    map[string]string         // by machine: the fingerprint of the key that it took
	passwords map[string]string         // by machine: the password that it took
	unlocked  map[[sha256.Size]byte]any // by the content of the file: the private key
	asking    map[[sha256.Size]byte]*question
}

// question is a passphrase that somebody is being asked for.
type question struct {
	done chan struct{}
	key  any
	err  error // read after done
}

func newAuthMemory() *authMemory {
	return &authMemory{
		worked: map[string]string{}, passwords: map[string]string{},
		unlocked: map[[sha256.Size]byte]any{}, asking: map[[sha256.Size]byte]*question{},
	}
}

// machine is what things are remembered by. The address alone would not do: two
// networks behind two jump hosts may use the same one.
func (h Hop) machine() string { return h.Name + "\x00" + h.User + "\x00" + h.Addr }

func (m *authMemory) key(h Hop) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.worked[h.machine()]
}

func (m *authMemory) keyWorked(h Hop, fingerprint string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.worked[h.machine()] = fingerprint
}

func (m *authMemory) password(h Hop) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.passwords[h.machine()]
	return p, ok
}

func (m *authMemory) passwordWorked(h Hop, password string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passwords[h.machine()] = password
}

// forgetPassword drops the password that a server has just refused, unless
// another connection has learnt a newer one meanwhile.
func (m *authMemory) forgetPassword(h Hop, password string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.passwords[h.machine()] == password {
		delete(m.passwords, h.machine())
	}
}

// unlock returns the private key of a file, which ask finds out. However many
// connections want it, one of them asks at a time; the others wait, and share the
// answer, also when it is a refusal: an operator who dismissed the question for
// one host does not want it for forty others of the same run.
func (m *authMemory) unlock(ctx context.Context, file [sha256.Size]byte, ask func() (any, error)) (any, error) {
	for {
		m.mu.Lock()
		if key, ok := m.unlocked[file]; ok {
			m.mu.Unlock()
			return key, nil
		}
		q, others := m.asking[file]
		if !others {
			q = &question{done: make(chan struct{})}
			m.asking[file] = q
		}
		m.mu.Unlock()
		if !others {
			return m.answer(file, q, ask)
		}
		select {
		case <-q.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if q.err == nil || !gaveUp(q.err) {
			return q.key, q.err
		}
		// Whoever asked has gone, which says nothing about the answer: ask anew.
	}
}

func (m *authMemory) answer(file [sha256.Size]byte, q *question, ask func() (any, error)) (any, error) {
	q.err = context.Canceled // should ask panic, the others do not wait for ever
	defer func() {
		m.mu.Lock()
		delete(m.asking, file)
		if q.err == nil {
			m.unlocked[file] = q.key
		}
		m.mu.Unlock()
		close(q.done)
	}()
	q.key, q.err = ask()
	return q.key, q.err
}

// gaveUp reports whether an error says that the asker's own time was over.
func gaveUp(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errHungUp)
}
