package engine

import (
	"context"
	"fmt"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
)

// Askpass does what a program of ours has to do that ssh started to ask something,
// and reports the exit code. A main function calls it before anything else.
func Askpass() (code int, asked bool) { return remote.Askpass() }

// What an operator can choose for a host to be reached with.
const (
	EngineAuto    = "auto" // ours, and ssh for what ours cannot do
	EngineBuiltIn = remote.EngineBuiltIn
	EngineOpenSSH = remote.EngineOpenSSH
)

// chosenEngine is what the operator chose for a destination; empty: nothing.
// Settings that cannot be read choose nothing: whoever changes them is told.
func (e *Engine) chosenEngine(d inventory.Destination) string {
	s, err := e.settings.read()
	if err != nil {
		return ""
	}
	if chosen, ok := s.Engines[d.String()]; ok {
		return chosen
	}
	return s.Engines[d.Alias]
}

// HostEngine is with what a host is to be reached.
func (e *Engine) HostEngine(name string) (string, error) {
	h, err := e.Host(name)
	if err != nil {
		return "", err
	}
	if chosen := e.chosenEngine(h.Destination); chosen != "" {
		return chosen, nil
	}
	return EngineAuto, nil
}

// SetHostEngine chooses with what a host is reached from the next connection on.
func (e *Engine) SetHostEngine(_ context.Context, name, chosen string) error {
	h, err := e.Host(name)
	switch {
	case err != nil:
		return err
	case h.Local:
		return fmt.Errorf("choose an engine for %s: %w: it is this machine", name, job.ErrInvalid)
	case chosen != EngineAuto && chosen != EngineBuiltIn && chosen != EngineOpenSSH:
		return job.WithHint(fmt.Errorf("choose an engine for %s: %w: %q is none", name, job.ErrInvalid, chosen), "Engines are auto, built-in and openssh.")
	}
	key := h.Destination.String()
	err = e.settings.change(func(s *settings) {
		if s.Engines == nil {
			s.Engines = map[string]string{}
		}
		s.Engines[key] = chosen
		if chosen == EngineAuto && (key == h.Destination.Alias || s.Engines[h.Destination.Alias] == "") {
			delete(s.Engines, key)
		}
	})
	if err != nil {
		return err
	}
	return e.set(h.Name, "it is reached with: %s", chosen)
}
