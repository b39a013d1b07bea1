package remote

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
)

// defaultAccepted are the signatures that are made unless PubkeyAcceptedAlgorithms
// says otherwise: all that x/crypto knows but those with SHA-1 and DSA.
var defaultAccepted = []string{
	ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
	ssh.CertAlgoSKED25519v01, ssh.CertAlgoSKECDSA256v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
	ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
}

// signatures are, for each type of a key or certificate, the algorithms it can
// sign with: as PubkeyAcceptedAlgorithms calls them, and as the signature does.
// Every other type has one, of its own name.
var signatures = map[string][][2]string{
	ssh.KeyAlgoRSA: {
		{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA512}, {ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA256}, {ssh.KeyAlgoRSA, ssh.KeyAlgoRSA},
	},
	ssh.CertAlgoRSAv01: {
		{ssh.CertAlgoRSASHA512v01, ssh.KeyAlgoRSASHA512}, {ssh.CertAlgoRSASHA256v01, ssh.KeyAlgoRSASHA256}, {ssh.CertAlgoRSAv01, ssh.KeyAlgoRSA},
	},
}

// accepted is PubkeyAcceptedAlgorithms as a list. ssh -G has put it together
// already; the prefixes are there when somebody else evaluated the configuration.
func accepted(o *inventory.Options) []string {
	value := o.Get("PubkeyAcceptedAlgorithms")
	if value == "" {
		return defaultAccepted
	}
	names := strings.Split(strings.TrimLeft(value, "+-^"), ",")
	switch value[0] {
	case '+':
		return append(slices.Clone(defaultAccepted), names...)
	case '^':
		return append(names, defaultAccepted...)
	case '-':
		return slices.DeleteFunc(slices.Clone(defaultAccepted), func(name string) bool {
			return slices.ContainsFunc(names, func(pattern string) bool {
				ok, _ := path.Match(pattern, name)
				return ok
			})
		})
	default:
		return names
	}
}

// signatureAlgorithms are those that a key may sign with, in the order of the configuration.
func signatureAlgorithms(pub ssh.PublicKey, accepted []string) []string {
	own, ok := signatures[pub.Type()]
	if !ok {
		own = [][2]string{{pub.Type(), plainType(pub)}}
	}
	var all []string
	for _, name := range accepted {
		for _, pair := range own {
			if pair[0] == name && !slices.Contains(all, pair[1]) {
				all = append(all, pair[1])
			}
		}
	}
	return all
}

// plainType is the type of a key, of a certificate that of its key.
func plainType(pub ssh.PublicKey) string {
	if cert, ok := pub.(*ssh.Certificate); ok {
		return cert.Key.Type()
	}
	return pub.Type()
}
