package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
)

// Prompts are the questions of connections; see [remote.Prompts].
type Prompts = remote.Prompts

// What connections ask; see package remote.
type (
	Hop               = remote.Hop
	HostKeyQuestion   = remote.HostKeyQuestion
	SecretQuestion    = remote.SecretQuestion
	ChallengeQuestion = remote.ChallengeQuestion
)

// Prompt is a question that waits for the operator of a window. What a server
// says in it is hostile text.
type Prompt struct {
	ID        string                    `json:"id"`
	Kind      string                    `json:"kind"` // "host-key", "secret" or "challenge"
	Hop       remote.Hop                `json:"hop"`
	HostKey   *remote.HostKeyQuestion   `json:"host_key,omitempty"`
	Secret    *remote.SecretQuestion    `json:"secret,omitempty"`
	Challenge *remote.ChallengeQuestion `json:"challenge,omitempty"`
}

// Answer is what the operator says to a Prompt. Values are secrets: one for a
// secret, one for each field of a challenge. Without Accept the question is
// dismissed.
type Answer struct {
	Accept bool     `json:"accept"`
	Values []string `json:"values"`
}

// asks holds the questions that nobody has answered yet, oldest first.
type asks struct {
	mu      sync.Mutex
	waiting []*asked
	changed func()
}

type asked struct {
	Prompt
	answer chan Answer
}

// prompts lets connections ask by way of asks.
func (a *asks) prompts() Prompts {
	return Prompts{
		HostKey: func(ctx context.Context, q remote.HostKeyQuestion) (bool, error) {
			answer, err := a.ask(ctx, Prompt{Kind: "host-key", Hop: q.Hop, HostKey: &q})
			return answer.Accept, err
		},
		Secret: func(ctx context.Context, q remote.SecretQuestion) (string, error) {
			answer, err := a.ask(ctx, Prompt{Kind: "secret", Hop: q.Hop, Secret: &q})
			if err == nil && (!answer.Accept || len(answer.Values) != 1) {
				err = remote.ErrRefused
			}
			if err != nil {
				return "", err
			}
			return answer.Values[0], nil
		},
		Challenge: func(ctx context.Context, q remote.ChallengeQuestion) ([]string, error) {
			answer, err := a.ask(ctx, Prompt{Kind: "challenge", Hop: q.Hop, Challenge: &q})
			if err == nil && (!answer.Accept || len(answer.Values) != len(q.Fields)) {
				err = remote.ErrRefused
			}
			return answer.Values, err
		},
	}
}

// ask waits for the answer, or until the connection gives up.
func (a *asks) ask(ctx context.Context, p Prompt) (Answer, error) {
	p.ID = string(job.NewID())
	q := &asked{p, make(chan Answer, 1)}
	a.mu.Lock()
	a.waiting = append(a.waiting, q)
	a.mu.Unlock()
	a.changed()
	select {
	case answer := <-q.answer:
		return answer, nil
	case <-ctx.Done():
		a.take(p.ID)
		a.changed()
		return Answer{}, context.Cause(ctx)
	}
}

func (a *asks) take(id string) *asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.waiting, func(q *asked) bool { return q.ID == id })
	if i < 0 {
		return nil
	}
	q := a.waiting[i]
	a.waiting = slices.Delete(a.waiting, i, i+1)
	return q
}

// Prompts lists the questions that wait, oldest first.
func (e *Engine) Prompts() []Prompt {
	e.asks.mu.Lock()
	defer e.asks.mu.Unlock()
	list := make([]Prompt, len(e.asks.waiting))
	for i, q := range e.asks.waiting {
		list[i] = q.Prompt
	}
	return list
}

// Answer answers a question. One that was given up meanwhile is not found.
func (e *Engine) Answer(id string, answer Answer) error {
	q := e.asks.take(id)
	if q == nil {
		return fmt.Errorf("answer the question: %w: nobody waits for it any more", job.ErrNotFound)
	}
	q.answer <- answer
	e.asks.changed()
	return nil
}
