package knownhosts

import (
	"strings"

	"golang.org/x/crypto/ssh"
)

// Algorithms orders the effective HostKeyAlgorithms so that a host shows a key
// that is known, as ssh does (order_hostkeyalgs). None is left out: a host that
// has lost the key that is known must turn out as changed, not as one without a
// common algorithm.
func (k *Known) Algorithms(q Query, effective []string) []string {
	types, authority := map[string]bool{}, false
	for _, e := range k.Find(q.Name()) {
		switch e.Marker {
		case MarkCA:
			authority = true
		case MarkNone:
			types[e.Key.Type()] = true
		}
	}
	if len(effective) == 0 || types[keyType(effective[0])] {
		return effective
	}
	var first, last []string
	for _, a := range effective {
		if types[keyType(a)] || authority && isCert(a) {
			first = append(first, a)
		} else {
			last = append(last, a)
		}
	}
	return append(first, last...)
}

const certSuffix = "-cert-v01@openssh.com"

func isCert(algorithm string) bool { return strings.HasSuffix(algorithm, certSuffix) }

// keyType is the type of the plain key that an algorithm is for.
func keyType(algorithm string) string {
	name := strings.TrimSuffix(algorithm, certSuffix)
	switch {
	case name == ssh.KeyAlgoRSASHA256 || name == ssh.KeyAlgoRSASHA512:
		return ssh.KeyAlgoRSA
	case name != algorithm && strings.HasPrefix(name, "sk-"):
		return name + "@openssh.com"
	}
	return name
}
