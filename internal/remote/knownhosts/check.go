package knownhosts

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Status is what is known of a key.
type Status int

// The answers of [Known.Check].
const (
	IsUnknown Status = iota // no key of this host is written down
	IsKnown                 // it is the host's key, or signed by its authority
	IsChanged               // only other keys of this host are written down
	IsRevoked               // this key may not be used
)

func (s Status) String() string {
	return [...]string{"unknown", "known", "changed", "revoked"}[s]
}

// Result is what is known of a key of a host.
type Result struct {
	Status Status
	Places []Place       // the lines that say so; for a changed key all that hold another one
	Key    ssh.PublicKey // the plain key; of a certificate, the one that it certifies
	CA     bool          // it is known by its authority
	User   bool          // it is known from one of the user's files
	Cert   string        // why a certificate did not count, if one was shown
}

// Check says what is known of the key that a host shows. The error is about
// RevokedHostKeys: when those cannot be read no key may be accepted.
//
// A certificate that does not count, because its authority is not known or it
// has expired, is no worse than the key in it, which is looked for instead.
func (k *Known) Check(q Query, key ssh.PublicKey) (Result, error) {
	place, err := k.revokedBy(key)
	if err != nil {
		return Result{Key: plain(key)}, err
	}
	if place != (Place{}) {
		return Result{Status: IsRevoked, Places: []Place{place}, Key: plain(key)}, nil
	}
	why := ""
	if cert, ok := key.(*ssh.Certificate); ok {
		r := k.checkCert(q, cert)
		if r.Status != IsUnknown {
			return r, nil
		}
		key, why = cert.Key, r.Cert
	}
	r := k.checkPlain(q, key)
	r.Cert = why
	return r, nil
}

func (k *Known) checkPlain(q Query, key ssh.PublicKey) Result {
	var first Result
	for i, name := range q.names() {
		r := checkEntries(k.Find(name), key)
		if i == 0 {
			first = r
		}
		switch {
		case r.Status == IsKnown || r.Status == IsRevoked:
			return r
		case r.Status == IsChanged && i == 0:
			return r
		}
	}
	return first
}

// checkEntries judges a plain key by the lines about its host. A key of another
// type makes it a changed one as well, as with ssh: the order of the algorithms
// sees to it that a server shows the type that is known.
func checkEntries(entries []Entry, key ssh.PublicKey) Result {
	r := Result{Key: key}
	want := key.Marshal()
	for _, e := range entries {
		same := bytes.Equal(e.Key.Marshal(), want)
		switch {
		case e.Marker == MarkRevoked && same:
			return Result{Status: IsRevoked, Places: []Place{e.Place}, Key: key}
		case e.Marker != MarkNone: // an authority's key is nobody's host key
		case same && r.Status != IsKnown:
			r.Status, r.Places, r.User = IsKnown, []Place{e.Place}, e.User
		case !same && r.Status != IsKnown:
			r.Status, r.Places = IsChanged, append(r.Places, e.Place)
		}
	}
	return r
}

// checkCert returns IsKnown, IsRevoked or, with the reason, IsUnknown.
func (k *Known) checkCert(q Query, cert *ssh.Certificate) Result {
	unknown := Result{Key: cert.Key, Cert: "no authority is known that signed it"}
	for i, name := range q.names() {
		entries := k.Find(name)
		r := Result{Key: cert.Key}
		for _, e := range entries {
			switch {
			case e.Marker == MarkRevoked && (sameKey(e.Key, cert.Key) || sameKey(e.Key, cert.SignatureKey)):
				return Result{Status: IsRevoked, Places: []Place{e.Place}, Key: cert.Key}
			case e.Marker == MarkCA && !r.CA && sameKey(e.Key, cert.SignatureKey):
				r.Status, r.CA, r.User, r.Places = IsKnown, true, e.User, []Place{e.Place}
			}
		}
		if r.CA {
			err := q.verify(cert)
			if err == nil {
				return r
			}
			unknown.Cert = strings.TrimPrefix(err.Error(), "ssh: ")
			if i == 0 {
				return unknown
			}
		}
		if i > 0 { // ssh looks for the plain key of the name alone before that of name and port
			if r := checkEntries(entries, cert.Key); r.Status == IsKnown {
				return r
			}
		}
	}
	return unknown
}

// verify looks at what a certificate says, once its authority is known.
func (q Query) verify(cert *ssh.Certificate) error {
	if by := cert.Signature.Format; !q.signedWell(by) {
		return fmt.Errorf("it is signed by the algorithm %q, which CASignatureAlgorithms does not allow", by)
	}
	checker := ssh.CertChecker{IsHostAuthority: func(ssh.PublicKey, string) bool { return true }}
	return checker.CheckHostKey(net.JoinHostPort(q.principal(), "22"), nil, cert)
}

func (q Query) signedWell(algorithm string) bool {
	if len(q.CASignatures) == 0 {
		return algorithm != ssh.KeyAlgoRSA && algorithm != "ssh-dss" // DSA, as x/crypto would call it if it did not warn of the name
	}
	return slices.Contains(q.CASignatures, algorithm)
}

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

func plain(key ssh.PublicKey) ssh.PublicKey {
	if cert, ok := key.(*ssh.Certificate); ok {
		return cert.Key
	}
	return key
}
