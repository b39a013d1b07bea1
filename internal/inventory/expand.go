package inventory

import (
	"crypto/sha1" // what %C is made of; nothing is protected by it
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// local is what a configuration knows of this machine and its user.
type local struct {
	home, user, uid string
	hostname        string
	getenv          func(string) (string, bool)
}

// thisMachine asks the system. ssh takes the home directory of the password file,
// whatever $HOME says.
func thisMachine(home string) local {
	l := local{home: home, getenv: os.LookupEnv}
	if u, err := user.Current(); err == nil {
		l.user, l.uid = u.Username, u.Uid
		if i := strings.LastIndexByte(l.user, '\\'); i >= 0 { // DOMAIN\user on Windows
			l.user = l.user[i+1:]
		}
		if l.home == "" {
			l.home = u.HomeDir
		}
	}
	if l.home == "" {
		l.home, _ = os.UserHomeDir() // empty: nothing is read
	}
	l.hostname, _ = os.Hostname() // empty if it is not known
	return l
}

// target is what the tokens of a configuration say of the destination.
type target struct {
	alias, host, user, keyAlias string
	port                        int
	jump                        string // of %j; only newer versions have it in %C
}

// tokens are the values of %x, except for those that only a connection knows.
func (l *local) tokens(t target) map[byte]string {
	port := strconv.Itoa(t.port)
	short, _, _ := strings.Cut(l.hostname, ".")
	hash := sha1.Sum([]byte(l.hostname + t.host + port + t.user + t.jump))
	return map[byte]string{
		'C': hex.EncodeToString(hash[:]), 'L': short, 'd': l.home, 'h': t.host, 'i': l.uid, 'j': t.jump,
		'k': t.keyAlias, 'l': l.hostname, 'n': t.alias, 'p': port, 'r': t.user, 'u': l.user,
	}
}

// proxyTokens are those that ProxyCommand knows. The command goes to a shell, so
// none of them may hold what a shell would act on: they come from wherever the
// name of the host comes from.
func proxyTokens(command string, all map[byte]string) (map[byte]string, error) {
	few := maps.Clone(all)
	maps.DeleteFunc(few, func(c byte, _ string) bool { return strings.IndexByte("hknpr", c) < 0 })
	for _, c := range []byte("hknr") {
		if strings.Contains(strings.ReplaceAll(command, "%%", ""), "%"+string(c)) && unsafeName(few[c]) {
			return nil, fmt.Errorf("%%%c of ProxyCommand stands for %q, which a shell would not take as it is", c, few[c])
		}
	}
	return few, nil
}

// expandPercent replaces %x, and "%%" by "%".
func expandPercent(s string, tokens map[byte]string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", fmt.Errorf("%q ends within a token", s)
		}
		if s[i] == '%' {
			b.WriteByte('%')
			continue
		}
		value, known := tokens[s[i]]
		if !known {
			return "", fmt.Errorf("unknown key %%%c", s[i])
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

// expandEnv replaces ${NAME}. A variable that is not set is an error.
func expandEnv(s string, getenv func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed || name == "" {
			return "", fmt.Errorf("${%s is not the name of a variable in braces", after)
		}
		value, set := getenv(name)
		if !set {
			return "", fmt.Errorf("env var ${%s} has no value", name)
		}
		b.WriteString(value)
		s = rest
	}
}

// expandBoth replaces tokens and variables in one pass: neither is looked for in
// the value of the other.
func (l *local) expandBoth(s string, tokens map[byte]string) (string, error) {
	var b strings.Builder
	for s != "" {
		i := strings.IndexAny(s, "%$")
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		s = s[i:]
		end := min(2, len(s))
		expand := func(part string) (string, error) { return expandPercent(part, tokens) }
		if s[0] == '$' {
			expand = func(part string) (string, error) { return expandEnv(part, l.getenv) }
			end = 1
			if strings.HasPrefix(s, "${") {
				if end = strings.IndexByte(s, '}') + 1; end == 0 {
					end = len(s)
				}
			}
		}
		value, err := expand(s[:end])
		if err != nil {
			return "", err
		}
		b.WriteString(value)
		s = s[end:]
	}
	return b.String(), nil
}

// expandPath does to the name of a file what ssh does: ~ first, then the rest.
func (l *local) expandPath(path string, tokens map[byte]string) (string, error) {
	path, err := l.expandTilde(path)
	if err != nil {
		return "", err
	}
	return l.expandBoth(path, tokens)
}
