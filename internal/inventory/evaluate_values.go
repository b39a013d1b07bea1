package inventory

import (
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
)

var errMissing = errors.New("Missing argument.") //nolint:staticcheck // the words of ssh

func (st states) read(e *evaluator, s *statement) error {
	arg := s.next()
	if arg == "" {
		return errors.New("missing argument.")
	}
	value, ok := st[lower(arg)]
	if !ok {
		return fmt.Errorf("unsupported option %q.", arg)
	}
	e.set(s, s.keyword, value)
	return nil
}

func (e *evaluator) stringLine(s *statement) error {
	arg := s.next()
	if arg == "" {
		return errMissing
	}
	if s.keyword == "user" && strings.Contains(arg, "${") {
		e.volatile = true
	}
	e.set(s, s.keyword, arg)
	return nil
}

// restLine keeps all arguments as one value, without a look at them.
func (e *evaluator) restLine(s *statement) error {
	if len(s.args) == 0 || s.args[0] == "" {
		return errMissing
	}
	e.set(s, s.keyword, strings.Join(s.args, " "))
	s.args = nil
	return nil
}

// commandLine takes the rest of the line as it stands, quotes and # included.
func (e *evaluator) commandLine(s *statement) error {
	s.args = nil
	e.set(s, s.keyword, strings.TrimLeft(s.rest, blank+"="))
	return nil
}

// ProxyCommand and ProxyJump exclude each other, the first one counts; but a
// ProxyJump none only excludes another ProxyJump.
func (e *evaluator) proxyJumpLine(s *statement) error {
	s.args = nil
	value := strings.TrimLeft(s.rest, blank+"=")
	printed, last, err := readJump(value)
	if err != nil {
		return fmt.Errorf("Invalid ProxyJump %q", value) //nolint:staticcheck // the words of ssh
	}
	_, command := e.values["proxycommand"]
	_, jump := e.values["proxyjump"]
	if !*s.active || jump || command && printed != "" {
		return nil
	}
	e.jump = last
	e.set(s, "proxyjump", printed)
	if printed != "" {
		e.values["proxycommand"] = []string{"none"}
	}
	return nil
}

func (e *evaluator) timeLine(s *statement) error {
	arg := s.next()
	if arg == "" {
		return errors.New("missing time value.")
	}
	if arg == "none" { // for ssh this is the same as not to say anything
		return nil
	}
	seconds, ok := seconds(arg)
	if !ok {
		return errors.New("invalid time value.")
	}
	e.set(s, s.keyword, strconv.Itoa(seconds))
	return nil
}

// seconds reads a time as ssh does: numbers with the units s, m, h, d and w, in any
// order; a number without a unit ends it.
func seconds(s string) (int, bool) {
	total := 0
	for s != "" {
		digits, rest, ok := leadingNumber(s)
		if !ok || digits < 0 {
			return 0, false
		}
		unit := 1
		if rest != "" {
			switch rest[0] | 0x20 {
			case 's':
			case 'm':
				unit = 60
			case 'h':
				unit = 60 * 60
			case 'd':
				unit = 24 * 60 * 60
			case 'w':
				unit = 7 * 24 * 60 * 60
			default:
				return 0, false
			}
			rest = rest[1:]
		}
		if digits > math.MaxInt32/unit || total > math.MaxInt32-digits*unit {
			return 0, false
		}
		total += digits * unit
		s = rest
	}
	return total, true
}

// leadingNumber is strtol: white space and a sign may come first.
func leadingNumber(s string) (n int, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	end := 0
	if end < len(s) && (s[end] == '+' || s[end] == '-') {
		end++
	}
	start := end
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	if end == start {
		return 0, s, false
	}
	n, err := strconv.Atoi(s[:end])
	if err != nil {
		n = math.MaxInt // strtol stops at the largest number, which is too large for everybody
	}
	return n, s[end:], true
}

func (e *evaluator) intLine(s *statement) error {
	n, rest, ok := leadingNumber(s.next())
	if !ok || rest != "" || n < 0 || n > math.MaxInt32 {
		return errors.New("integer value invalid.")
	}
	e.set(s, s.keyword, strconv.Itoa(n))
	return nil
}

func (e *evaluator) portLine(s *statement) error {
	arg := s.next()
	if arg == "" {
		return errMissing
	}
	port := portNumber(arg)
	if port <= 0 {
		return fmt.Errorf("Bad port '%s'.", arg) //nolint:staticcheck // the words of ssh
	}
	e.set(s, s.keyword, strconv.Itoa(port))
	return nil
}

// portNumber knows numbers and the names of services; -1 for neither.
func portNumber(s string) int {
	if n, rest, ok := leadingNumber(s); ok && rest == "" && n >= 0 && n <= 65535 {
		return n
	}
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return -1
	}
	n, err := net.LookupPort("tcp", s)
	if err != nil {
		return -1
	}
	return n
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s) // 0: no number
	return n
}

// fileLine is a keyword that may stand several times; equal values count once.
func (e *evaluator) fileLine(s *statement) error {
	arg := s.next()
	if arg == "" {
		return errMissing
	}
	if !*s.active {
		return nil
	}
	if len(e.values[s.keyword]) >= 100 {
		return errors.New("Too many files specified (max 100).") //nolint:staticcheck // the words of ssh
	}
	if !slices.Contains(e.values[s.keyword], arg) {
		e.add(s, s.keyword, arg)
	}
	return nil
}

// filesLine is a keyword that takes several files on its first line.
func (e *evaluator) filesLine(s *statement) error {
	all := s.args
	s.args = nil
	for _, arg := range all {
		if arg == "" {
			return fmt.Errorf("keyword %s empty argument", s.keyword)
		}
		if strings.EqualFold(arg, "none") && len(all) > 1 {
			return fmt.Errorf("keyword %s \"none\" argument must appear alone.", s.keyword)
		}
	}
	if *s.active && len(e.values[s.keyword]) == 0 {
		if len(all) > 32 {
			return fmt.Errorf("too many %s entries.", s.keyword)
		}
		e.set(s, s.keyword, all...)
	}
	return nil
}

// agentLine reads the path of a socket, which ForwardAgent may have in place of
// yes or no.
func (e *evaluator) agentLine(s *statement) error {
	arg := s.next()
	if arg == "" {
		return errMissing
	}
	key := s.keyword
	if key == "forwardagent" {
		if value, ok := flag[lower(arg)]; ok {
			e.set(s, key, value)
			return nil
		}
		e.set(s, key, "yes")
		key = forwardPath
	}
	e.volatile = e.volatile || strings.HasPrefix(arg, "$")
	if _, err := expandEnv(arg, e.getenv); err != nil {
		return fmt.Errorf("Invalid environment expansion %s: %w", arg, err) //nolint:staticcheck // the words of ssh
	}
	if name, legacy := strings.CutPrefix(arg, "$"); legacy && !strings.HasPrefix(name, "{") && !isEnvName(name) {
		return fmt.Errorf("Invalid environment name %s.", arg) //nolint:staticcheck // the words of ssh
	}
	e.set(s, key, arg)
	return nil
}

// forwardPath is kept apart: ssh keeps the first yes or no and the first path.
const forwardPath = "forwardagent path"

func isEnvName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

func (e *evaluator) sendEnvLine(s *statement) error {
	for len(s.args) > 0 {
		arg := s.next()
		if arg == "" || strings.Contains(arg, "=") {
			return errors.New("Invalid environment name.") //nolint:staticcheck // the words of ssh
		}
		if !*s.active {
			continue
		}
		if pattern, remove := strings.CutPrefix(arg, "-"); remove {
			e.values[s.keyword] = slices.DeleteFunc(e.values[s.keyword], func(v string) bool { return matches(v, pattern) })
			continue
		}
		e.add(s, s.keyword, arg)
	}
	return nil
}

// setEnvLine: the first line counts, and on it the first value of each name.
func (e *evaluator) setEnvLine(s *statement) error {
	set := len(e.values[s.keyword]) > 0
	for len(s.args) > 0 {
		arg := s.next()
		name, _, ok := strings.Cut(arg, "=")
		if !ok {
			return errors.New("Invalid SetEnv.") //nolint:staticcheck // the words of ssh
		}
		twice := slices.ContainsFunc(e.values[s.keyword], func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if *s.active && !set && !twice {
			e.add(s, s.keyword, arg)
		}
	}
	return nil
}
