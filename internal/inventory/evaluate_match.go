package inventory

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// host decides whether the lines after a Host apply.
func (e *evaluator) hostLine(s *statement) error {
	*s.active = false
	for len(s.args) > 0 {
		pattern := s.next()
		if pattern == "" {
			return errors.New("keyword host empty argument")
		}
		if s.source.never {
			break
		}
		pattern, negated := strings.CutPrefix(pattern, "!")
		if !matches(e.host, pattern) {
			continue
		}
		*s.active = !negated
		if negated {
			break
		}
	}
	s.args = nil
	return nil
}

// matchLine decides whether the lines after a Match apply. Every criterion is
// looked at for its form, also after one that failed; only exec is then not run.
func (e *evaluator) matchLine(s *statement) error {
	d := &delimited{rest: s.rest, more: true}
	holds, err := e.criteria(d, s)
	if err != nil {
		if isRefusal(err) {
			return err
		}
		return fmt.Errorf("bad Match condition: %w", err)
	}
	*s.active = holds && !s.source.never
	if !d.more || d.rest == "" {
		s.args = nil
	}
	return nil
}

func (e *evaluator) criteria(d *delimited, s *statement) (holds bool, err error) {
	holds = true
	count := 0
	for {
		word, ok := d.next()
		if !ok || word == "" {
			break
		}
		if word[0] == '#' {
			d.more = false
			break
		}
		name, negated := strings.CutPrefix(word, "!")
		name = lower(name)
		if name == "all" {
			arg, more := d.next()
			if count > 1 || more && arg != "" && arg[0] != '#' {
				return false, fmt.Errorf("'%s' cannot be combined with other Match attributes", word)
			}
			if more && strings.HasPrefix(arg, "#") {
				d.more = false
			}
			return holds && !negated, nil
		}
		count++
		if name == "canonical" || name == "final" {
			e.wantFinal = e.wantFinal || name == "final" && !e.final
			e.volatile = true
			holds = holds && e.final != negated
			continue
		}
		arg, ok := d.next()
		if !ok || arg == "" || arg[0] == '#' {
			return false, fmt.Errorf("missing Match criteria for %s", name)
		}
		is, err := e.criterion(name, arg, holds, s)
		if err != nil && !errors.Is(err, errUnknown) {
			return false, err
		}
		holds = holds && err == nil && is != negated
	}
	if count == 0 {
		return false, errors.New("one or more attributes required for Match")
	}
	return holds, nil
}

// errUnknown is a criterion that cannot be evaluated here. It does not hold, nor
// does its negation.
var errUnknown = errors.New("unknown")

// criterion evaluates one that has an argument.
func (e *evaluator) criterion(name, arg string, holds bool, s *statement) (bool, error) {
	t, err := e.target()
	if err != nil {
		return false, err
	}
	switch name {
	case "host":
		return matchesList(lower(t.host), arg, true), nil
	case "originalhost":
		return matchesList(lower(e.alias), arg, true), nil
	case "user":
		return matchesList(t.user, arg, false), nil
	case "localuser":
		return matchesList(e.user, arg, false), nil
	case "exec":
		return e.execLine(arg, t, holds, s)
	case "tagged":
		return matchesList(e.first("tag"), arg, false), nil
	case "version": // of the ssh that is not there
		e.cannot("Match version")
		return false, errUnknown
	case "sessiontype":
		return matchesList("exec", arg, true), nil
	case "command":
		e.cannot("Match command")
		return false, errUnknown
	case "localnetwork":
		e.volatile = true
		return onNetwork(arg)
	}
	return false, fmt.Errorf("unsupported Match attribute %s", name)
}

func (e *evaluator) execLine(arg string, t target, holds bool, s *statement) (bool, error) {
	e.volatile, e.execs = true, true
	command, err := expandPercent(arg, e.tokens(t))
	if err != nil {
		return false, refuse("%s line %d: %v", s.file, s.line, err)
	}
	if !holds {
		return false, nil
	}
	if e.exec == nil {
		e.cannot("Match exec")
		return false, errUnknown
	}
	ok, err := e.exec(command)
	if err != nil {
		r := refuse("%s line %d: match exec '%.100s' error: %v", s.file, s.line, command, err)
		r.cause = err
		return false, r
	}
	return ok, nil
}

// target is what is known of the destination so far.
func (e *evaluator) target() (target, error) {
	t := target{alias: e.alias, host: e.host, user: e.user, port: 22}
	if name, set := e.values["hostname"]; set {
		t.host = name[0]
		if !e.final {
			var err error
			if t.host, err = expandPercent(name[0], map[byte]string{'h': e.host}); err != nil {
				return t, refuse("%v", err)
			}
		}
	}
	if u := e.first("user"); u != "" {
		t.user = u
	}
	if p := e.first("port"); p != "" {
		t.port = atoi(p)
	}
	if t.keyAlias = e.first("hostkeyalias"); t.keyAlias == "" {
		t.keyAlias = t.host
	}
	return t, nil
}

// onNetwork reports whether this machine has an address in one of the networks.
func onNetwork(list string) (bool, error) {
	var networks []netip.Prefix
	for item := range strings.SplitSeq(list, ",") {
		p, err := netip.ParsePrefix(strings.TrimPrefix(item, "!"))
		if err != nil {
			return false, fmt.Errorf("invalid network %q", item)
		}
		networks = append(networks, p)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false, nil // none are known
	}
	for _, a := range addresses {
		p, err := netip.ParsePrefix(a.String())
		for _, n := range networks {
			if err == nil && n.Contains(p.Addr().Unmap()) {
				return true, nil
			}
		}
	}
	return false, nil
}
