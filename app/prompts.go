package app

import "vmorchestrator/internal/engine"

// Prompts is bound: what connections ask the operator. Answers go to the
// connection that asked and are neither kept nor logged here.
type Prompts struct{ shell *shell }

// Pending lists the questions that wait, oldest first.
func (b *Prompts) Pending() ([]engine.Prompt, error) {
	e, err := b.shell.open()
	if err != nil {
		return nil, err
	}
	return e.Prompts(), nil
}

// Answer answers one of them.
func (b *Prompts) Answer(id string, a engine.Answer) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	return e.Answer(id, a)
}

// Askpass does what the program has to do that ssh started to ask something; see
// [engine.Askpass]. The main function calls it before anything else.
func Askpass() (code int, asked bool) { return engine.Askpass() }
