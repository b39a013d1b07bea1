package knownhosts

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"strings"
)

const (
	hashDelim = '|'
	hashMagic = "|1|"
)

// matches reports whether a line is about a host.
func (l *line) matches(name string) bool {
	if l.hosts[0] == hashDelim {
		salt, hash, err := splitHash(l.hosts)
		if err != nil {
			return false
		}
		// ssh folds a name before it is hashed, but not a HostKeyAlias.
		if hmac.Equal(hash, hashOf(salt, name)) {
			return true
		}
		folded := strings.ToLower(name)
		return folded != name && hmac.Equal(hash, hashOf(salt, folded))
	}
	return matchList(l.hosts, name)
}

// maxPattern is where OpenSSH ends a pattern: the list with a longer one matches
// nothing.
const maxPattern = 1023

// matchList reports whether one of the patterns matches and none of those with
// an exclamation mark does. Case does not count.
func matchList(list, name string) bool {
	list, name = strings.ToLower(list), strings.ToLower(name)
	matched := false
	for pattern := range strings.SplitSeq(list, ",") {
		negated := strings.HasPrefix(pattern, "!")
		pattern = strings.TrimPrefix(pattern, "!")
		if len(pattern) >= maxPattern {
			return false
		}
		if !matchPattern(pattern, name) {
			continue
		}
		if negated {
			return false
		}
		matched = true
	}
	return matched
}

// matchPattern knows * and ?. It takes at most the product of both lengths, with
// whatever pattern.
func matchPattern(pattern, name string) bool {
	star, mark := -1, 0 // the last * and where its match ends
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// splitHash reads |1|salt|hash.
func splitHash(s string) (salt, hash []byte, err error) {
	rest, ok := strings.CutPrefix(s, hashMagic)
	if !ok {
		return nil, nil, errors.New("a hashed name of an unknown kind")
	}
	first, second, ok := strings.Cut(rest, "|")
	if !ok {
		return nil, nil, errors.New("a hashed name without its hash")
	}
	salt, errSalt := base64.StdEncoding.DecodeString(first)
	hash, errHash := base64.StdEncoding.DecodeString(second)
	if errSalt != nil || errHash != nil || len(salt) != sha1.Size || len(hash) != sha1.Size {
		return nil, nil, errors.New("a hashed name that is not readable")
	}
	return salt, hash, nil
}

func hashOf(salt []byte, name string) []byte {
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return mac.Sum(nil)
}

// hashed is a name as HashKnownHosts has it written.
func hashed(name string) string {
	salt := make([]byte, sha1.Size)
	_, _ = rand.Read(salt) // never fails
	return hashMagic + base64.StdEncoding.EncodeToString(salt) + "|" + base64.StdEncoding.EncodeToString(hashOf(salt, name))
}
