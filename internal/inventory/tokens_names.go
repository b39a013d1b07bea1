package inventory

import (
	"errors"
	"strings"
)

// matches reports whether s is what a pattern with * and ? describes. It takes
// time in proportion to the product of the lengths, whatever the pattern.
func matches(s, pattern string) bool {
	star, from := -1, 0 // the last "*" and where in s what follows it was tried last
	i, j := 0, 0
	for i < len(s) {
		switch {
		case j < len(pattern) && pattern[j] == '*':
			star, from = j, i
			j++
		case j < len(pattern) && (pattern[j] == '?' || pattern[j] == s[i]):
			i++
			j++
		case star >= 0:
			from++
			i, j = from, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[j:], "*") == ""
}

// matchesList reports whether s is in a list of patterns between commas, of which
// those with "!" exclude.
func matchesList(s, list string, fold bool) bool {
	if fold {
		list = lower(list)
	}
	found := false
	for list != "" {
		var pattern string
		pattern, list, _ = strings.Cut(list, ",")
		pattern, negated := strings.CutPrefix(pattern, "!")
		if len(pattern) >= 1023 { // the size of ssh's buffer
			return false
		}
		if matches(s, pattern) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// isConcrete reports whether a pattern of Host names one host.
func isConcrete(pattern string) bool { return !strings.ContainsAny(pattern, "*?") && pattern[0] != '!' }

// CheckAlias says why ssh would not take a name for a destination, or why it
// would take it for something else. The name goes into argv and, as %h or %n, into
// the shell commands of a configuration.
func CheckAlias(alias string) error {
	switch {
	case alias == "":
		return errors.New("the name of the host is empty")
	case alias[0] == '-':
		return errors.New("the name of a host may not begin with a dash")
	case strings.ContainsRune(alias, '@'):
		return errors.New("ssh takes what stands before an @ for the user")
	case strings.HasPrefix(alias, "ssh://"):
		return errors.New("ssh takes this for an address in the form of a URL")
	case len(alias) > 1024:
		return errors.New("the name of the host is too long")
	}
	if unsafeName(alias) {
		return errors.New("the name of the host holds a blank, a control character or a character that shells treat specially")
	}
	return nil
}

// unsafeName is the rule of OpenSSH for names that may go into a command.
func unsafeName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == 0x7f || strings.IndexByte("'`\"$\\;&<>|(){},", c) >= 0 {
			return true
		}
	}
	return strings.HasPrefix(name, "-")
}

// checkUser is the rule of OpenSSH for user names of a command line.
func checkUser(user string) error {
	bad := strings.HasPrefix(user, "-") || strings.HasSuffix(user, `\`)
	for i := range len(user) {
		c := user[i]
		bad = bad || c < ' ' || c == 0x7f || strings.IndexByte("'`\";&<>|(){}", c) >= 0
		bad = bad || c == ' ' && i+1 < len(user) && user[i+1] == '-'
	}
	if bad {
		return errors.New("the name of the user holds characters that ssh refuses")
	}
	return nil
}
