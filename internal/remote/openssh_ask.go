package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// serveAskpass listens for the questions of ssh, and returns the environment in
// which it asks them there: by starting this program under another name.
func (m *master) serveAskpass() (map[string]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, which ssh has to start: %w", err)
	}
	name, socket := filepath.Join(m.dir, askpassName), filepath.Join(m.dir, "a")
	if err := os.Symlink(self, name); err != nil {
		return nil, fmt.Errorf("make a name for the questions of ssh: %w", err)
	}
	if m.listen, err = net.Listen("unix", socket); err != nil {
		return nil, fmt.Errorf("listen for the questions of ssh: %w", err)
	}
	m.work.Go(func() {
		for {
			conn, err := m.listen.Accept()
			if err != nil {
				return // it was closed
			}
			m.work.Go(func() { m.attend(conn) })
		}
	})
	return map[string]string{"SSH_ASKPASS": name, "SSH_ASKPASS_REQUIRE": "force", askpassVariable: socket}, nil
}

// attend answers one question.
func (m *master) attend(conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(m.ctx, func() { _ = conn.Close() })()
	ctx, cancel := context.WithCancelCause(m.ctx)
	defer cancel(nil)
	var q askpassQuestion
	_ = conn.SetReadDeadline(time.Now().Add(askpassTimeout))
	if err := json.NewDecoder(io.LimitReader(conn, maxQuestion)).Decode(&q); err != nil {
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	m.work.Go(func() { // ends with conn: ssh does not wait for the answer any more
		_, _ = io.Copy(io.Discard, conn)
		cancel(errEnded)
	})
	answer, err := m.answer(ctx, q)
	_ = conn.SetWriteDeadline(time.Now().Add(askpassTimeout))
	_ = json.NewEncoder(conn).Encode(askpassAnswer{answer, err == nil})
}

// What ssh asks of itself. The text that a server wants to have asked begins with
// "(user@host) ", and cannot pass for one of these.
var (
	reAuthenticity = regexp.MustCompile(`(?s)^The authenticity of host '([^']*)' can't be established\.\n(.*)Are you sure you want to continue connecting \(yes/no(/\[fingerprint\])?\)\? ?$`)
	reFingerprint  = regexp.MustCompile(`(?m)^(\S+) key fingerprint is (?:\S+ )?(SHA256:[A-Za-z0-9+/=]+?|MD5:[0-9a-f:]+)\.?$`)
	reOther        = regexp.MustCompile(`(?m)^ {4}(.+:\d+): (.+)$`)
	rePassphrase   = regexp.MustCompile(`^Enter passphrase for (?:key )?'([^'\n]+)': ?$`)
	rePassword     = regexp.MustCompile(`^([^\s@]+)@([^\s']+)'s password: ?$`)
	reServerAsks   = regexp.MustCompile(`^\(([^\s@]+)@([^\s)]+)\) `)
)

// answer asks the operator. An answer is never in the error.
func (m *master) answer(ctx context.Context, q askpassQuestion) (string, error) {
	if q.Hint == "none" { // it is no question: the operator has to touch the key
		m.try("touch")
		if m.prompts.waiting != nil {
			defer m.prompts.waiting()()
		}
		if m.prompts.Banner != nil {
			m.prompts.Banner(m.d.step.hop, plainText(q.Prompt))
		}
		<-ctx.Done()
		return "", nil
	}
	if parts := reAuthenticity.FindStringSubmatch(q.Prompt); parts != nil {
		if key := reFingerprint.FindStringSubmatch(parts[2]); key != nil {
			return m.askHostKey(ctx, parts[1], parts[2], key[1], key[2], parts[3] != "")
		}
	}
	if path := rePassphrase.FindStringSubmatch(q.Prompt); path != nil {
		s, err := m.askSecret(ctx, SecretQuestion{Hop: m.d.step.hop, Kind: "passphrase", Of: path[1]})
		if err != nil {
			m.mu.Lock()
			m.refusal = err // ssh goes on with the next key
			m.mu.Unlock()
		}
		return s, err
	}
	var s string
	var err error
	if who := rePassword.FindStringSubmatch(q.Prompt); who != nil {
		s, err = m.askSecret(ctx, SecretQuestion{Hop: m.hop(who[1], who[2]), Kind: "password", Of: who[1] + "@" + who[2]})
	} else {
		s, err = m.askOther(ctx, q.Prompt, q.Hint == "confirm" || strings.Contains(q.Prompt, "(yes/no"))
	}
	if err != nil && ctx.Err() == nil {
		m.refuse(err)
	}
	return s, err
}

// hop is the machine on the way that ssh means.
func (m *master) hop(user, host string) Hop {
	for _, s := range m.d.way {
		if s.options.User == user && (s.options.HostName == host || s.at.Alias == host || s.options.Get("HostKeyAlias") == host) {
			return s.hop
		}
	}
	return m.d.step.hop
}

// try counts how often the same was asked.
func (m *master) try(what string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries[what]++
	return m.tries[what]
}

func (m *master) askSecret(ctx context.Context, q SecretQuestion) (string, error) {
	if m.prompts.Secret == nil {
		return "", ErrRefused
	}
	q.Of = plainText(q.Of)
	q.Try = m.try(q.Kind + " " + q.Of)
	s, err := m.prompts.Secret(ctx, q)
	if err != nil {
		return "", refusal(err)
	}
	return s, nil
}

// askOther passes on whatever else ssh, a token or a server wants to know.
func (m *master) askOther(ctx context.Context, text string, echo bool) (string, error) {
	if m.prompts.Challenge == nil {
		return "", ErrRefused
	}
	q := ChallengeQuestion{Hop: m.d.step.hop, Fields: []Field{{Prompt: strings.TrimSpace(plainText(text)), Echo: echo}}, Try: m.try("other " + text)}
	if who := reServerAsks.FindStringSubmatch(text); who != nil {
		q.Hop = m.hop(who[1], who[2])
		q.Fields[0].Prompt = strings.TrimSpace(plainText(strings.TrimPrefix(text, who[0])))
	}
	answers, err := m.prompts.Challenge(ctx, q)
	switch {
	case err != nil:
		return "", refusal(err)
	case len(answers) != 1:
		return "", ErrRefused
	}
	return answers[0], nil
}

// askHostKey asks about an unknown host key. The answer names the key, so that it
// is accepted and no other.
func (m *master) askHostKey(ctx context.Context, host, text, kind, fingerprint string, byName bool) (string, error) {
	m.try("host key")
	q := HostKeyQuestion{Hop: m.hopAt(host), Type: keyTypeOf(kind), Fingerprint: fingerprint, Others: []string{}}
	if f := m.said.facts(); f.fingerprint == fingerprint {
		q.Type = f.keyType
	}
	if files := hostKeyFiles(m.d.optionsOf(q.Hop)); len(files.User) > 0 {
		q.File = files.User[0]
	}
	for _, other := range reOther.FindAllStringSubmatch(text, maxOthers) {
		q.Others = append(q.Others, clean(other[2])+" ("+clean(other[1])+")")
	}
	yes, err := false, ErrRefused
	if m.prompts.HostKey != nil {
		yes, err = m.prompts.HostKey(ctx, q)
	}
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err == nil && !yes, err != nil && !errors.Is(err, ErrRefused):
		err = ErrRefused
	}
	if err != nil {
		m.refuse(job.WithHint(&HostKeyError{Kind: HostKeyUnknown, Name: clean(host), Type: q.Type, Fingerprint: fingerprint,
			Err: fmt.Errorf("the host key of %s is not known (%s %s) and was not accepted: %w", clean(host), q.Type, fingerprint, err)},
			fmt.Sprintf("Compare the fingerprint with what `ssh-keygen -lf` says on %s of its own key, then connect again.", q.Hop.Name)))
		return "", err
	}
	m.mu.Lock()
	m.accepted = append(m.accepted, q)
	m.mu.Unlock()
	if byName {
		return fingerprint, nil
	}
	return "yes", nil
}

// hopAt is the machine of the way that ssh calls host, or host (address).
func (m *master) hopAt(host string) Hop {
	name, _, _ := strings.Cut(host, " ")
	for _, s := range m.d.way {
		if hostKeyQuery(s.options).Name() == name {
			return s.hop
		}
	}
	return m.d.step.hop
}

func (d *dialer) optionsOf(hop Hop) *inventory.Options {
	for _, s := range d.way {
		if s.hop == hop {
			return s.options
		}
	}
	return d.step.options
}

// keyTypeOf is the type that ssh calls by a short name in its question.
func keyTypeOf(short string) string {
	switch short {
	case "ED25519":
		return ssh.KeyAlgoED25519
	case "RSA":
		return ssh.KeyAlgoRSA
	}
	return short
}
