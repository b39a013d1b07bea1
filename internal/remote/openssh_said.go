package remote

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"vmorchestrator/internal/job"
)

// opensshFacts is what ssh -v tells of a connection.
type opensshFacts struct {
	server               string
	keyType, fingerprint string
	kex, cipher, mac     string
	written              bool // it wrote the host key down
}

func (f opensshFacts) hostKey() string { return strings.TrimSpace(f.keyType + " " + f.fingerprint) }

// opensshOutput reads what `ssh -v` writes. Once ssh asks to log in the server may
// print what it likes there (its banner), and with jump hosts theirs: facts come
// only from before that, of a machine that is reached directly.
type opensshOutput struct {
	alone bool // there are no jump hosts

	mu     sync.Mutex
	line   []byte
	banner bool // the server may speak from now on
	known  opensshFacts
	made   []Step
	words  tail // what is no debugging
}

// maxSteps and maxSaid bound what a server can make ssh say.
const (
	maxSteps = 50
	maxSaid  = 4 << 10
)

func (s *opensshOutput) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := b; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		s.line = append(s.line, line[:min(len(line), max(0, maxSaid-len(s.line)))]...)
		rest = after
		if whole {
			s.read(strings.TrimRight(string(s.line), "\r"))
			s.line = s.line[:0]
		}
	}
	return len(b), nil
}

var (
	reServer  = regexp.MustCompile(`^Remote protocol version ([\d.]+), remote software version (.*)$`)
	reHostKey = regexp.MustCompile(`^Server host (?:key|certificate): (\S+) (SHA256:\S+?),?(?: .*)?$`)
	reKex     = regexp.MustCompile(`^kex: algorithm: (\S+)$`)
	reCipher  = regexp.MustCompile(`^kex: server->client cipher: (\S+) MAC: (\S+) `)
	reWritten = regexp.MustCompile(`^Warning: Permanently added '.*' \(\S+\) to the list of known hosts\.$`)
	reOffer   = regexp.MustCompile(`^(Offering public key|Server accepts key): (.*)$`)
	reMethod  = regexp.MustCompile(`^Next authentication method: (\S+)$`)
	reSuccess = regexp.MustCompile(`^Authenticated (?:to .* )?using "(.*)"\.?$`)
)

// read takes one line.
func (s *opensshOutput) read(line string) {
	debug, ok := strings.CutPrefix(line, "debug1: ")
	if !ok {
		if success := reSuccess.FindStringSubmatch(line); success != nil {
			s.step(success[1], "accepted", true)
			return
		}
		if s.alone && !s.banner && reWritten.MatchString(line) {
			s.known.written = true
			return
		}
		if !strings.HasPrefix(line, "OpenSSH_") || s.banner { // its own version
			_, _ = s.words.Write([]byte(line + "\n"))
		}
		return
	}
	f := &s.known
	switch {
	case strings.HasPrefix(debug, "SSH2_MSG_SERVICE_ACCEPT") || strings.HasPrefix(debug, "SSH2_MSG_NEWKEYS received"):
		s.banner = true
	case s.banner || !s.alone:
		if m := reOffer.FindStringSubmatch(debug); m != nil {
			s.step("publickey", m[1]+": "+m[2], m[1] != "Offering public key")
		} else if m := reMethod.FindStringSubmatch(debug); m != nil {
			s.step(m[1], "tried next", true)
		}
	default:
		if m := reServer.FindStringSubmatch(debug); m != nil && f.server == "" {
			f.server = clean("SSH-" + m[1] + "-" + m[2])
		} else if m := reHostKey.FindStringSubmatch(debug); m != nil && f.fingerprint == "" {
			f.keyType, f.fingerprint = clean(m[1]), clean(m[2])
			s.step("host key", f.hostKey(), true)
		} else if m := reKex.FindStringSubmatch(debug); m != nil && f.kex == "" {
			f.kex = clean(m[1])
		} else if m := reCipher.FindStringSubmatch(debug); m != nil && f.cipher == "" {
			f.cipher, f.mac = clean(m[1]), strings.TrimPrefix(clean(m[2]), "<implicit>")
		}
	}
}

func (s *opensshOutput) step(what, detail string, ok bool) {
	if len(s.made) < maxSteps {
		s.made = append(s.made, Step{What: clean(what), Detail: clean(detail), OK: ok})
	}
}

func (s *opensshOutput) facts() opensshFacts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

func (s *opensshOutput) steps(hop string) []Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Step, len(s.made))
	for i, made := range s.made {
		made.Hop = hop
		all[i] = made
	}
	return all
}

// early reports whether the connection ended before the server said who it is.
func (s *opensshOutput) early() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alone && s.known.fingerprint == "" && !s.banner
}

// lastWords is what ssh said when it ended, or else the error.
func (m *master) lastWords(err error) error {
	_ = m.Close() // so that all of it has been read
	lines := strings.Split(m.said.words.String(), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Errorf("ssh said: %s", clean(last))
	}
	return err
}

// explain makes an error of what ssh said. It has ended.
func (m *master) explain(err error) error {
	text := m.said.words.String()
	refused := m.refused()
	has := func(any ...string) bool {
		for _, s := range any {
			if strings.Contains(text, s) {
				return true
			}
		}
		return false
	}
	alias := m.d.step.hop.Name
	said := func() error {
		e := fmt.Errorf("ssh said: %s", clean(text))
		if text == "" {
			e = errors.New("ssh ended without a word")
		}
		if refused != nil {
			e = fmt.Errorf("%w; %w", e, refused)
		}
		return e
	}
	f := m.said.facts()
	var key *HostKeyError
	switch {
	case errors.As(refused, &key):
		return refused
	case refused != nil && !errors.Is(err, errEnded):
		return &authFailure{fmt.Errorf("log in as %s: %w", m.d.step.hop.User, refused)}
	case !errors.Is(err, errEnded):
		return err
	case has("HOST IDENTIFICATION HAS CHANGED"):
		e := &HostKeyError{Kind: HostKeyChanged, Name: alias, Type: f.keyType, Fingerprint: f.fingerprint, Err: said()}
		if f.fingerprint != "" { // of this machine, not of one on the way
			o := m.d.step.options
			e.refused = &refusedKey{hop: m.d.step.hop, query: hostKeyQuery(o), files: hostKeyFiles(o), kind: f.keyType, fingerprint: f.fingerprint}
		}
		return job.WithHint(e,
			"Somebody may be listening in. If the host was installed anew, compare the fingerprint there, then remove the old key: on its page in the window, or with `vmo hosts forget "+shellWord(alias)+"`.")
	case has("REVOKED HOST KEY", "is revoked", "marked as revoked"):
		return job.WithHint(&HostKeyError{Kind: HostKeyRevoked, Name: alias, Type: f.keyType, Fingerprint: f.fingerprint, Err: said()},
			"Do not connect: whoever holds this key may pose as "+alias+".")
	case has("Host key verification failed", "host key is known for"):
		return job.WithHint(&HostKeyError{Kind: HostKeyUnknown, Name: alias, Type: f.keyType, Fingerprint: f.fingerprint, Err: said()},
			"Connect while somebody is there to confirm the host key, or make it known to ssh.")
	case has("Permission denied", "Too many authentication failures", "No supported authentication methods"):
		return job.WithHint(&authFailure{said()}, "See what ssh does with: ssh -v "+alias)
	case m.said.early() && has("Connection closed by", "Connection reset by", "kex_exchange_identification"):
		return &earlyEnd{said()}
	default:
		return job.WithHint(said(), "See what ssh does with: ssh -v "+alias)
	}
}
