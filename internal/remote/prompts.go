package remote

import (
	"context"
	"errors"
	"time"
)

// Prompts are the questions a connection may have for the operator. A nil
// function refuses, as BatchMode does; so does one that returns ErrRefused. They
// may be called from several goroutines at once, and must return when the context
// ends. A reconnect in the background never asks.
type Prompts struct {
	// HostKey asks whether an unknown host key is the right one.
	HostKey func(ctx context.Context, q HostKeyQuestion) (bool, error)

	// Secret asks for a passphrase or password.
	Secret func(ctx context.Context, q SecretQuestion) (string, error)

	// Challenge asks what a server wants to know: keyboard-interactive, RFC 4256.
	// There is one answer for each of its fields.
	Challenge func(ctx context.Context, q ChallengeQuestion) ([]string, error)

	// Banner shows what a server says before authentication. It is hostile text.
	Banner func(hop Hop, text string)

	// waiting is told that a connection begins to wait for the answer to a question
	// that another one has asked, and calls what it returns when that is over. It
	// may be nil.
	waiting func() (over func())
}

// ErrRefused means that a question was not answered: there is nobody to ask, or
// the operator dismissed it.
var ErrRefused = errors.New("the question was not answered")

// Hop names who asks: one machine on the way to the host.
type Hop struct {
	Host   string `json:"host"`   // the host that the operator wanted, as listed
	Name   string `json:"name"`   // this machine, as the configuration names it; equals Host for the last one
	User   string `json:"user"`   // whom we log in as
	Addr   string `json:"addr"`   // host:port that is dialled
	Number int    `json:"number"` // from 1
	Of     int    `json:"of"`     // how many there are
}

// HostKeyQuestion asks about a host key that is not known yet.
type HostKeyQuestion struct {
	Hop         Hop      `json:"hop"`
	Type        string   `json:"type"`        // such as ssh-ed25519
	Fingerprint string   `json:"fingerprint"` // SHA256:…, as ssh shows it
	File        string   `json:"file"`        // where it will be written
	Others      []string `json:"others"`      // names and places (file:line) under which the same key is known already
}

// SecretQuestion asks for something that is never shown, recorded or kept longer
// than the program runs.
type SecretQuestion struct {
	Hop  Hop    `json:"hop"`
	Kind string `json:"kind"` // "passphrase" or "password"
	Of   string `json:"of"`   // path of the key, or user@host
	Try  int    `json:"try"`  // from 1; more means that the last answer was wrong
}

// ChallengeQuestion is what the server asks. All its text is hostile.
type ChallengeQuestion struct {
	Hop         Hop     `json:"hop"`
	Name        string  `json:"name"`
	Instruction string  `json:"instruction"`
	Fields      []Field `json:"fields"`
	Try         int     `json:"try"`
}

// Field is one question of a server.
type Field struct {
	Prompt string `json:"prompt"`
	Echo   bool   `json:"echo"` // the answer may be seen while it is typed
}

// AcceptedKey is a host key that was accepted, on whose word, and where it was
// written.
type AcceptedKey struct {
	Hop         Hop
	Type        string
	Fingerprint string
	File        string
	Line        int    // zero if it could not be written
	Because     string // "asked", "accept-new", "StrictHostKeyChecking no", "proved by the server (UpdateHostKeys)"
	At          time.Time
}
