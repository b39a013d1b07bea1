package remote

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh/agent"
)

// addToAgent does what AddKeysToAgent says with a key that was just read from its
// file. That it fails stops nothing.
func (a *auth) addToAgent(k *candidate, key any) {
	added, ok := addedKey(a.o.Get("AddKeysToAgent"))
	if !ok {
		return
	}
	added.PrivateKey, added.Comment = key, k.file.path
	err := a.agent.add(a.ctx, added)
	switch {
	case errors.Is(err, errNoAgent):
	case err != nil:
		a.step(false, "agent", "%s not added: %v", k.file.path, err)
	default:
		a.step(true, "agent", "%s added (AddKeysToAgent)", k.file.path)
	}
}

// addedKey says how a key is added; false: not at all. To ask before the key is
// added is not what the operator wants from a job, so that ask means what protects
// the key as well: the agent asks before it is used.
func addedKey(value string) (agent.AddedKey, bool) {
	var key agent.AddedKey
	add := false
	for _, word := range strings.Fields(value) {
		switch word {
		case "yes", "true":
			add = true
		case "ask", "confirm":
			add, key.ConfirmBeforeUse = true, true
		case "no", "false":
			return key, false
		default:
			seconds, ok := lifetime(word)
			if !ok {
				return key, false
			}
			add, key.LifetimeSecs = true, seconds
		}
	}
	return key, add
}

// lifetime is a time as ssh_config has it: 90, 10m, 1h30m.
func lifetime(s string) (uint32, bool) {
	units := map[byte]uint64{'s': 1, 'm': 60, 'h': 3600, 'd': 24 * 3600, 'w': 7 * 24 * 3600}
	var total uint64
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
		n, err := strconv.ParseUint(s[:digits], 10, 32)
		if err != nil {
			return 0, false
		}
		s = s[digits:]
		unit := uint64(1)
		if s != "" {
			if unit = units[s[0]|0x20]; unit == 0 {
				return 0, false
			}
			s = s[1:]
		}
		total += n * unit
	}
	return uint32(min(total, 1<<32-1)), total > 0
}
