package journal

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"sync"
	"time"

	"vmorchestrator/internal/job"
)

// Key signs the ledger. Kept says where its private half is kept, in words.
type Key struct {
	Private ed25519.PrivateKey
	Kept    string
}

func (k *Key) public() string {
	return base64.StdEncoding.EncodeToString(k.Private.Public().(ed25519.PublicKey))
}

// id names a key in what it signs.
func (k *Key) id() string { return keyID(k.Private.Public().(ed25519.PublicKey)) }

func keyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:8])
}

// keyWait is how long the first signature of a process may wait for a keychain.
// Without a key entries are written unsigned, and a later signed one covers them.
const keyWait = 3 * time.Second

// signer fetches the key once, in the background of the first job.
type signer struct {
	fetch   func(ctx context.Context, installation string) (Key, error)
	of      string // the installation
	start   sync.Once
	fetched chan struct{}
	found   *Key
	trouble error
	stop    context.CancelFunc
	known   bool // the ledger names it
}

func newSigner(installation string, fetch func(context.Context, string) (Key, error)) *signer {
	return &signer{of: installation, fetch: fetch, fetched: make(chan struct{})}
}

// prepare begins to fetch the key.
func (s *signer) prepare() {
	s.start.Do(func() {
		if s.fetch == nil {
			close(s.fetched)
			return
		}
		ctx, stop := context.WithTimeout(context.Background(), keyWait)
		s.stop = stop
		go func() {
			defer close(s.fetched)
			defer stop()
			key, err := s.fetch(ctx, s.of)
			if err != nil {
				s.trouble = err
				return
			}
			s.found = &key
		}()
	})
}

// wait waits until it is known whether there is a key. The context of fetch bounds it.
func (s *signer) wait() {
	s.prepare()
	<-s.fetched
}

// close waits for the goroutine.
func (s *signer) close() {
	s.start.Do(func() { close(s.fetched) })
	if s.stop != nil {
		s.stop()
	}
	<-s.fetched
}

// key returns the key, nil without one, and whether the ledger does not name it
// yet. The caller has the lock of the ledger.
func (s *signer) key(l *ledger) (key *Key, fresh bool) {
	s.wait()
	if s.found == nil {
		return nil, false
	}
	if !s.known {
		public := s.found.public()
		err := walkLedger(l.f, 0, func(e job.Entry, _ int64) (bool, error) {
			st, err := e.Statement()
			s.known = err == nil && st.Kind == job.EntryKey && st.Key == public
			return s.known, err
		})
		if err != nil {
			return s.found, false // verify tells about a ledger that cannot be read
		}
		fresh = !s.known
		s.known = true
	}
	return s.found, fresh
}
