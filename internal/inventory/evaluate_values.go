package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var errMissing = errors.New("missing argument")

func (st states) read(e *evaluator, s *statement) error {
	arg := s.next()
	if arg == "" {
		return errors.New("missing argument")
	}
	value, ok := st[lower(arg)]
	if !ok {
		return fmt.Errorf("unsupported option %q", arg)
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

// forwardLine is a forward, of which there may be any number.
func (e *evaluator) forwardLine(s *statement) error {
	if len(s.args) == 0 || s.args[0] == "" {
		return errMissing
	}
	f, err := ParseForward(strings.TrimSuffix(s.keyword, "forward"), strings.Join(s.args, ":"))
	if _, _, port := f.ListenAddress(); err != nil || port == 0 && f.Kind != ForwardRemote && !IsSocket(f.Listen) {
		return errors.New("bad forwarding specification")
	}
	if *s.active {
		e.add(s, s.keyword, strings.Join(s.args, " "))
	}
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
		return fmt.Errorf("invalid ProxyJump %q", value)
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
		return errors.New("too many files specified (max 100)")
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
			return fmt.Errorf("keyword %s \"none\" argument must appear alone", s.keyword)
		}
	}
	if *s.active && len(e.values[s.keyword]) == 0 {
		if len(all) > 32 {
			return fmt.Errorf("too many %s entries", s.keyword)
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
		return fmt.Errorf("invalid environment expansion %s: %w", arg, err)
	}
	if name, legacy := strings.CutPrefix(arg, "$"); legacy && !strings.HasPrefix(name, "{") && !isEnvName(name) {
		return fmt.Errorf("invalid environment name %s", arg)
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
			return errors.New("invalid environment name")
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
			return errors.New("invalid SetEnv")
		}
		twice := slices.ContainsFunc(e.values[s.keyword], func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if *s.active && !set && !twice {
			e.add(s, s.keyword, arg)
		}
	}
	return nil
}
