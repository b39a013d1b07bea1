package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/crypto/ssh"
)

// A server may ask for what it likes in keyboard-interactive, and as often. These
// bounds are far above what a second factor needs.
const (
	maxRounds = 16
	maxFields = 32
	maxText   = 4096
)

// password is the next attempt with a password: the one that worked before, then
// what the operator says.
func (a *auth) password() ssh.AuthMethod {
	const name = "password"
	p := &attempt{what: name}
	if known, ok := a.memory.password(a.hop); ok && a.tries[name] == 0 && !a.passwordsForbidden() {
		p.recalled = true
		a.pending = p
		a.tries[name] = 1
		p.password = known
		return ssh.Password(known)
	}
	if !a.mayAsk(name, a.prompts.Secret != nil) || a.tries[name] >= a.maxTries() {
		return nil
	}
	a.tries[name]++
	a.pending = p
	return ssh.PasswordCallback(func() (string, error) {
		p.password, p.err = a.secret("password", a.hop.User+"@"+a.hop.Name, a.tries[name])
		return p.password, p.err
	})
}

// secret asks for a passphrase or a password. It is never in the error.
func (a *auth) secret(kind, of string, try int) (string, error) {
	defer a.wait()()
	if a.ctx.Err() != nil {
		return "", context.Cause(a.ctx)
	}
	s, err := a.prompts.Secret(a.ctx, SecretQuestion{Hop: a.hop, Kind: kind, Of: of, Try: try})
	if a.ctx.Err() != nil {
		return "", context.Cause(a.ctx)
	}
	if err != nil {
		return "", refusal(err)
	}
	return s, nil
}

// refusal keeps the text of an error that is not one of ours out of steps and
// errors: whoever asked may have put the answer into it.
func refusal(err error) error {
	if errors.Is(err, ErrRefused) || gaveUp(err) {
		return err
	}
	return fmt.Errorf("%w: the question failed", ErrRefused)
}

// challenge is the next attempt with keyboard-interactive.
func (a *auth) challenge() ssh.AuthMethod {
	const name = "keyboard-interactive"
	if a.tries[name] >= a.maxTries() {
		return nil
	}
	a.tries[name]++
	p := &attempt{what: name}
	a.pending = p
	return ssh.KeyboardInteractive(func(title, instruction string, prompts []string, echos []bool) ([]string, error) {
		p.asked++
		var answers []string
		answers, p.err = a.answers(p.asked, title, instruction, prompts, echos)
		return answers, p.err
	})
}

func (a *auth) answers(round int, title, instruction string, prompts []string, echos []bool) ([]string, error) {
	if round > maxRounds || len(prompts) > maxFields {
		return nil, errors.New("the server asks without end")
	}
	title, instruction = plainText(title), plainText(instruction)
	if len(prompts) == 0 { // RFC 4256, 3.4: it only wants to say something
		if text := strings.TrimSpace(title + "\n" + instruction); text != "" && a.prompts.Banner != nil {
			a.prompts.Banner(a.hop, text)
		}
		return nil, nil
	}
	q := ChallengeQuestion{Hop: a.hop, Name: title, Instruction: instruction, Try: a.tries["keyboard-interactive"]}
	for i, prompt := range prompts {
		q.Fields = append(q.Fields, Field{Prompt: plainText(prompt), Echo: echos[i]})
	}
	defer a.wait()()
	if a.ctx.Err() != nil {
		return nil, context.Cause(a.ctx)
	}
	answers, err := a.prompts.Challenge(a.ctx, q)
	switch {
	case a.ctx.Err() != nil:
		return nil, context.Cause(a.ctx)
	case err != nil:
		return nil, refusal(err)
	case len(answers) != len(prompts):
		return nil, ErrRefused
	}
	return answers, nil
}

// settleAnswer writes down that a password or answers did not help. Who did not
// want to answer is not asked again.
func (a *auth) settleAnswer(p *attempt) {
	switch {
	case p.err != nil:
		a.spent[p.what] = true
		a.step(false, p.what, "%v", p.err)
	case errors.Is(context.Cause(a.ctx), errHungUp):
		a.step(false, p.what, "%v", context.Cause(a.ctx))
	case p.recalled:
		a.memory.forgetPassword(a.hop, p.password)
		a.tries[p.what] = 0
		a.step(false, p.what, "the server does not accept the password of before any more")
	case p.what == "keyboard-interactive" && p.asked == 0:
		a.spent[p.what] = true
		a.step(false, p.what, "the server refused without a question")
	default:
		a.step(false, p.what, "not accepted by the server (answer %d of at most %d)", a.tries[p.what], a.maxTries())
	}
}

// plainText is the text of a server without what could move a cursor or hide
// something, and not longer than anybody reads.
func plainText(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

// oneLine is plainText that stands in a step.
func oneLine(s string) string { return strings.Join(strings.Fields(plainText(s)), " ") }
