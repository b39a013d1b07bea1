package remote

import (
	"bytes"
	"errors"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/job"
)

// changed tells whoever shows states. It must not be called with h.mu.
func (h *host) changed() {
	if h.pool.cfg.Changed != nil && h.at.jumps == "" {
		h.pool.cfg.Changed(h.at.Destination)
	}
}

func (h *host) snapshot() State {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.state
	s.Connections, s.MaxSessions = len(h.links), h.limit
	for _, l := range h.links {
		s.Sessions += l.sessions
	}
	return s
}

// arrived needs h.mu. There is a connection.
func (h *host) arrived(l *link, t *trail) {
	since := h.state.Since
	if h.state.Status != StatusConnected {
		since = time.Now()
	}
	if losesSessions(l.client.ServerVersion()) {
		h.limit = 1
	}
	h.refusedKey = nil
	h.state = State{
		Destination: h.at.Destination, Status: StatusConnected, Since: since, Engine: "built-in",
		LatencyMS: h.state.LatencyMS, Steps: t.all(), Way: t.came(""),
		Server: clean(string(l.client.ServerVersion())), HostKey: t.hostKey,
	}
	if m := l.master(); m != nil {
		m.describe(&h.state)
	} else if c, ok := l.client.Conn.(ssh.AlgorithmsConnMetadata); ok {
		a := c.Algorithms()
		h.state.Kex, h.state.Cipher, h.state.MAC = a.KeyExchange, a.Read.Cipher, a.Read.MAC
	}
}

// losesSessions reports whether a server closes a session that has not begun its
// command yet when the command of another session on the same connection ends.
// What began a moment too late runs then, unheard, and the connection is over.
// Dropbear does so, also in 2026; with one session at a time it cannot.
func losesSessions(version []byte) bool { return bytes.Contains(version, []byte("dropbear")) }

// failed needs h.mu. There is no connection, and the attempt to make one failed.
func (h *host) failed(t *trail, err error, silent bool) {
	s := &h.state
	s.Steps, s.Hint = t.all(), job.HintOf(err)
	h.refusedKey = refusedBy(err)
	s.KeyChanged = h.refusedKey != nil
	var c *ConnectError
	switch {
	case errors.As(err, &c):
		s.Error, s.Way = err.Error(), t.came(c.Hop)
		if silent && c.Status == StatusUnreachable {
			return // it stays disconnected, and is tried again
		}
		s.Status, s.Next = c.Status, time.Time{}
	case errors.Is(err, ErrClosed):
		s.Status, s.Error = StatusUnknown, ""
	default: // nobody waited for it any more
		s.Status, s.Error = StatusUnknown, ""
	}
	s.Since = time.Now()
}

func (h *host) latency(took time.Duration) {
	h.mu.Lock()
	h.state.LatencyMS = float64(took.Microseconds()) / 1000
	h.mu.Unlock()
	h.changed()
}

// clean makes one short line of what a server or a program said, without
// anything that a terminal would act on.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if cut := 300; len(s) > cut {
		s = strings.ToValidUTF8(s[:cut], "") + "…"
	}
	return s
}
