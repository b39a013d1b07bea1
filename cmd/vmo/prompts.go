package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"vmorchestrator/internal/engine"
)

// terminalPrompts asks the questions of connections on the terminal, one at a
// time. Without a terminal nothing is asked, and every question is refused.
// They go to /dev/tty and not to standard input, which belongs to the command; it
// is opened when the first connection begins.
func terminalPrompts() engine.Prompts {
	in, out, err := openTerminal()
	if err != nil {
		return engine.Prompts{}
	}
	if !foreground(in) {
		in.Close()
		return engine.Prompts{}
	}
	a := &asker{in: in, tty: out}
	return engine.Prompts{HostKey: a.hostKey, Secret: a.secret, Challenge: a.challenge, Banner: a.banner}
}

type asker struct {
	mu  sync.Mutex
	in  *os.File
	tty *os.File // where the questions are shown
}

func (a *asker) hostKey(ctx context.Context, q engine.HostKeyQuestion) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintf(a.tty, "The host key of %s is not known.\n%s key fingerprint is %s\n", who(q.Hop), q.Type, q.Fingerprint)
	for _, other := range q.Others {
		fmt.Fprintf(a.tty, "The same key is known as: %s\n", visible(other))
	}
	for range 3 {
		fmt.Fprint(a.tty, "Continue? (yes, no, or the fingerprint) ")
		line, err := a.line(ctx, true)
		if err != nil {
			return false, err
		}
		switch strings.TrimSpace(line) {
		case "yes", q.Fingerprint:
			return true, nil
		case "no":
			return false, nil
		}
	}
	return false, nil
}

func (a *asker) secret(ctx context.Context, q engine.SecretQuestion) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q.Try > 1 {
		fmt.Fprintln(a.tty, "That was not it.")
	}
	switch q.Kind {
	case "passphrase":
		fmt.Fprintf(a.tty, "Passphrase of %s, for %s: ", visible(q.Of), who(q.Hop))
	default:
		fmt.Fprintf(a.tty, "Password of %s: ", who(q.Hop))
	}
	return a.line(ctx, false)
}

func (a *asker) challenge(ctx context.Context, q engine.ChallengeQuestion) ([]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, text := range []string{q.Name, q.Instruction} {
		if strings.TrimSpace(text) != "" {
			fmt.Fprintf(a.tty, "(%s) %s\n", who(q.Hop), visible(text))
		}
	}
	var answers []string
	for _, f := range q.Fields {
		fmt.Fprintf(a.tty, "(%s) %s ", who(q.Hop), visible(strings.TrimRight(f.Prompt, " ")))
		answer, err := a.line(ctx, f.Echo)
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

func (a *asker) banner(hop engine.Hop, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for line := range strings.Lines(text) {
		fmt.Fprintln(a.tty, visible(strings.TrimRight(line, "\r\n")))
	}
}

// line reads one line. A read from a terminal cannot be ended: when the
// connection gives up, the goroutine stays until vmo exits, and the terminal is
// put right at once.
func (a *asker) line(ctx context.Context, echo bool) (string, error) {
	fd := int(a.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("ask on the terminal: %w", err)
	}
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		if !echo {
			text, err := term.ReadPassword(fd)
			got <- answer{string(text), err}
			return
		}
		var line []byte
		for b := make([]byte, 1); ; {
			if _, err := a.in.Read(b); err != nil {
				got <- answer{"", err}
				return
			}
			if b[0] == '\n' {
				got <- answer{string(line), nil}
				return
			}
			line = append(line, b[0])
		}
	}()
	select {
	case g := <-got:
		if !echo {
			fmt.Fprintln(a.tty)
		}
		return g.text, g.err
	case <-ctx.Done():
		fmt.Fprintln(a.tty)
		return "", errors.Join(context.Cause(ctx), term.Restore(fd, before))
	}
}

// who names the machine that asks, and the way to the host.
func who(h engine.Hop) string {
	name := h.Name
	if h.User != "" {
		name = h.User + "@" + name
	}
	if h.Addr != "" {
		name += " (" + h.Addr + ")"
	}
	if h.Of > 1 && h.Number < h.Of {
		name += fmt.Sprintf(", hop %d of %d on the way to %s", h.Number, h.Of, h.Host)
	}
	return visible(name)
}
