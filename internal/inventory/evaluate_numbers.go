package inventory

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
)

func (e *evaluator) timeLine(s *statement) error {
	arg := s.next()
	if arg == "" {
		return errors.New("missing time value")
	}
	if arg == "none" { // for ssh this is the same as not to say anything
		return nil
	}
	seconds, ok := seconds(arg)
	if !ok {
		return errors.New("invalid time value")
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
		return errors.New("integer value invalid")
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
		return fmt.Errorf("bad port '%s'", arg)
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
