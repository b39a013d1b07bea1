package knownhosts

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// krlMagic begins a binary list of revoked keys.
const krlMagic = "SSHKRL\n\x00"

// ErrKRL means that RevokedHostKeys names a binary list, which only ssh itself
// can read.
var ErrKRL = errors.New("a binary key revocation list, which only ssh can read")

// revokedBy looks for a key, and for the authority of a certificate, in
// RevokedHostKeys. A line that cannot be read could be the one that matters: it
// is an error, as it is for ssh.
func (k *Known) revokedBy(key ssh.PublicKey) (Place, error) {
	keys := []ssh.PublicKey{plain(key)}
	if cert, ok := key.(*ssh.Certificate); ok {
		keys = append(keys, cert.SignatureKey)
	}
	for _, file := range k.revoked {
		text, err := readRegular(file)
		if err == nil && bytes.HasPrefix(text, []byte(krlMagic)) {
			err = ErrKRL
		}
		if err != nil {
			return Place{}, fmt.Errorf("read the revoked host keys %s: %w", file, err)
		}
		for n := 1; len(text) > 0; n++ {
			var raw []byte
			raw, text, _ = bytes.Cut(text, []byte{'\n'})
			entry := strings.TrimLeft(strings.TrimSuffix(string(raw), "\r"), blanks)
			if entry == "" || entry[0] == '#' {
				continue
			}
			revoked, err := parseKey(entry)
			if err != nil {
				return Place{}, fmt.Errorf("read the revoked host keys %s:%d: %w", file, n, err)
			}
			for _, key := range keys {
				if sameKey(plain(revoked), key) {
					return Place{file, n}, nil
				}
			}
		}
	}
	return Place{}, nil
}
