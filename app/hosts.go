package app

import (
	"fmt"
	"slices"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// Hosts is bound: the machines that can be reached, and how they stand. Only
// Connect, Sources and Targets connect to one.
type Hosts struct{ shell *shell }

// List returns every host. Nothing is connected to or executed for it.
func (b *Hosts) List() (engine.Hosts, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.Hosts{}, err
	}
	return e.Hosts(b.shell.ctx)
}

// Detail resolves one host, which may run what its configuration names.
func (b *Hosts) Detail(name string) (engine.HostDetail, error) {
	e, _, err := b.listed(name)
	if err != nil {
		return engine.HostDetail{}, err
	}
	return e.HostDetail(b.shell.ctx, name)
}

// Connect connects to a host. What it asks comes by way of Prompts.
func (b *Hosts) Connect(name string) error {
	e, _, err := b.listed(name)
	if err != nil {
		return err
	}
	return e.ConnectHost(b.shell.ctx, name)
}

// Disconnect closes the connections to a host.
func (b *Hosts) Disconnect(name string) error {
	e, _, err := b.listed(name)
	if err != nil {
		return err
	}
	return e.DisconnectHost(name)
}

// Engine is with what a host is to be reached: "auto", "built-in" or "openssh".
func (b *Hosts) Engine(name string) (string, error) {
	e, _, err := b.listed(name)
	if err != nil {
		return "", err
	}
	return e.HostEngine(name)
}

// SetEngine chooses with what a host is reached from the next connection on.
func (b *Hosts) SetEngine(name, chosen string) error {
	e, _, err := b.listed(name)
	if err != nil {
		return err
	}
	return e.SetHostEngine(b.shell.ctx, name, chosen)
}

// ChangedKey tells which host key was refused because another one is known.
func (b *Hosts) ChangedKey(name string) (engine.ChangedKey, error) {
	e, _, err := b.listed(name)
	if err != nil {
		return engine.ChangedKey{}, err
	}
	return e.ChangedHostKey(name)
}

// ReplaceKey puts that key into the place of the known one. Typed is what the
// operator has typed: the name of the machine that showed it.
func (b *Hosts) ReplaceKey(name, fingerprint, typed string) error {
	e, _, err := b.listed(name)
	if err != nil {
		return err
	}
	return e.ReplaceHostKey(name, fingerprint, typed)
}

// Sources looks for the logs that a host really has.
func (b *Hosts) Sources(name string) (engine.Sources, error) {
	e, _, err := b.listed(name)
	if err != nil {
		return engine.Sources{}, err
	}
	return e.Sources(b.shell.ctx, name)
}

// Targets reads what a folder on a host offers. Nothing of it is executed.
func (b *Hosts) Targets(name, dir string) (engine.Targets, error) {
	e, _, err := b.listed(name)
	if err != nil {
		return engine.Targets{}, err
	}
	return e.RemoteTargets(b.shell.ctx, name, dir)
}

func (b *Hosts) listed(name string) (*engine.Engine, inventory.Host, error) {
	e, err := b.shell.open()
	if err != nil {
		return nil, inventory.Host{}, err
	}
	h, err := b.shell.host(e, name)
	return e, h, err
}

// host returns a host of the list. The engine takes whatever could stand after
// ssh; the page may name only what it was shown. "" is this machine.
func (s *shell) host(e *engine.Engine, name string) (inventory.Host, error) {
	all, err := e.Hosts(s.ctx)
	if err != nil {
		return inventory.Host{}, err
	}
	i := slices.IndexFunc(all.Hosts, func(h engine.HostInfo) bool { return h.Name == name || name == "" && h.Local })
	if i < 0 {
		return inventory.Host{}, job.WithHint(fmt.Errorf("the host %q: %w in the list", name, job.ErrNotFound), "A file that named it may have changed: read the list again.")
	}
	return all.Hosts[i].Host, nil
}
