// Package update asks whether there is a newer release, and nothing else: it sends
// nothing about this machine, brings no program here and installs none.
//
// A release is described by a manifest, a small JSON file, and the signature of it
// by minisign in a file beside it. Both come over HTTPS alone, and are believed only
// if the signature is of the one key that is known. Whoever has the server, or the
// way to it, can therefore hide a release for a while, and do nothing else: a
// manifest says until when it holds, so that it cannot be shown for ever, and one
// that is older than the newest that was seen is refused.
//
// Whether it is asked at all is the operator's choice; whoever manages the machine
// can forbid it (Policy). The package starts no goroutines that outlive a call.
package update

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/jedisct1/go-minisign"

	"vmorchestrator/internal/job"
)

// Set when it is built, by scripts/version.sh ldflags, from build/release.conf.
var (
	builtinURL string // of the manifest
	builtinKey string // the public key of minisign
)

// URL is where this program was built to look; empty: nowhere.
func URL() string { return builtinURL }

// Key is the public key that this program was built with; empty: none.
func Key() string { return builtinKey }

// Why a manifest is not believed.
var (
	ErrSignature = errors.New("it is not signed with the known key")
	ErrExpired   = errors.New("it holds no longer")
	ErrOlder     = errors.New("it is older than one that was seen before")
	ErrFuture    = errors.New("it was made later than the clock of this machine says")
)

// Signed is a manifest with its signature, as they came.
type Signed struct {
	Manifest  []byte `json:"manifest"`
	Signature []byte `json:"signature"`
}

// Source is where releases are published, and by whom.
type Source struct {
	URL   string         // of the manifest; its signature is at the same with .minisig
	Key   string         // the public key of minisign: its file, or the line in it
	Roots *x509.CertPool // who may vouch for the server; nil: those of the system
}

// Check says what is wrong with a source; nothing is asked.
func (s Source) Check() error {
	if _, err := s.address(); err != nil {
		return err
	}
	_, err := s.key()
	return err
}

func (s Source) address() (*url.URL, error) {
	fail := func(what string) (*url.URL, error) {
		return nil, job.WithHint(fmt.Errorf("%w: the address of the releases %q %s", job.ErrInvalid, s.URL, what), "It is that of the manifest of a release, such as https://releases.example.com/vm-orchestrator/release.json.")
	}
	u, err := url.Parse(s.URL)
	switch {
	case s.URL == "", err == nil && strings.HasSuffix("."+u.Hostname(), ".invalid"): // RFC 6761: the placeholder of build/release.conf
		return nil, job.WithHint(fmt.Errorf("%w: it is not known where releases are published", job.ErrInvalid), "Ask whoever gives you this program, then: vmo update on https://…/release.json")
	case err != nil:
		return fail("cannot be read")
	case u.Scheme != "https":
		return fail("does not begin with https://")
	case u.Hostname() == "":
		return fail("names no server")
	case u.User != nil:
		return fail("has a user in it, and must not")
	case u.Fragment != "" || u.RawQuery != "" || u.Path == "" || strings.HasSuffix(u.Path, "/"):
		return fail("does not name a file")
	}
	return u, nil
}

func (s Source) key() (minisign.PublicKey, error) {
	line := ""
	for each := range strings.Lines(s.Key) {
		if each = strings.TrimSpace(each); each != "" && !strings.HasPrefix(each, "untrusted comment:") {
			line = each
		}
	}
	if line == "" {
		return minisign.PublicKey{}, job.WithHint(fmt.Errorf("%w: this program knows no key that releases are signed with", job.ErrInvalid),
			"It is built in (docs/release.md), or in the policy of a managed machine. Without one nothing can be believed, so nothing is asked.")
	}
	key, err := minisign.NewPublicKey(line)
	if err != nil || key.SignatureAlgorithm != [2]byte{'E', 'd'} {
		return key, fmt.Errorf("%w: the key that releases are signed with is none of minisign", job.ErrInvalid)
	}
	return key, nil
}

// Place is where a file of a release is.
func (s Source) Place(name string) string {
	u, err := s.address()
	if err != nil {
		return name
	}
	u.Path, u.RawPath = path.Join(path.Dir(u.Path), name), ""
	return u.String()
}

// Open believes a manifest, or says why not. It is not asked whether it still holds.
func (s Source) Open(from Signed) (Manifest, error) {
	key, err := s.key()
	if err != nil {
		return Manifest{}, err
	}
	signature, err := minisign.DecodeSignature(string(from.Signature))
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: there is no signature of minisign", ErrSignature)
	}
	if ok, err := key.Verify(from.Manifest, signature); err != nil || !ok {
		return Manifest{}, ErrSignature
	}
	return parse(from.Manifest)
}

// clockError is by how much the clocks of machines may differ.
const clockError = 24 * time.Hour

// Newer says whether a manifest may take the place of the one that was seen last:
// it holds now, and nothing in it goes back. Without one before, that is the zero
// Manifest.
func (m Manifest) Newer(before Manifest, now time.Time) error {
	switch {
	case now.After(m.Expires):
		return job.WithHint(fmt.Errorf("%w: it held until %s", ErrExpired, m.Expires.Format(time.DateOnly)),
			"Either nobody has signed it anew, or it is held back on the way, or the clock of this machine is wrong. Ask whoever publishes the releases.")
	case m.Date.After(now.Add(clockError)):
		return job.WithHint(fmt.Errorf("%w: %s", ErrFuture, m.Date.Format(time.DateOnly)), "Set the clock of this machine.")
	case before.Version == "":
		return nil
	}
	older := m.Date.Before(before.Date) || m.Date.Equal(before.Date) && m.Expires.Before(before.Expires)
	if order, known := Compare(m.Version, before.Version); known && order < 0 || older {
		return job.WithHint(fmt.Errorf("%w: it is %s of %s, and %s of %s was there", ErrOlder, m.Version, m.Date.Format(time.DateOnly), before.Version, before.Date.Format(time.DateOnly)),
			"Install nothing older because of it. Ask whoever publishes the releases: what is taken back gets a higher number.")
	}
	return nil
}
