package app

import (
	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Said returns what was said of a job: notes, labels, pins.
func (b *Jobs) Said(id string) (engine.Said, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.Said{}, err
	}
	return e.Said(b.shell.ctx, job.ID(id))
}

// Note writes a note on a job, which nobody can take away again.
func (b *Jobs) Note(id, text string) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	j, err := e.Spoken(b.shell.ctx, job.ID(id))
	if err != nil {
		return err
	}
	return e.Note(b.shell.ctx, j, text)
}

// Label gives a job labels, or takes them off.
func (b *Jobs) Label(id string, labels []string, remove bool) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	j, err := e.Spoken(b.shell.ctx, job.ID(id))
	if err != nil {
		return err
	}
	if remove {
		return e.Unlabel(b.shell.ctx, j, labels...)
	}
	return e.Label(b.shell.ctx, j, labels...)
}

// Pin keeps the record of a job of this machine when others are pruned, or lets it
// go again.
func (b *Jobs) Pin(id string, keep bool) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	j, err := e.Find(b.shell.ctx, id)
	if err != nil {
		return err
	}
	if keep {
		return e.Pin(b.shell.ctx, j.ID, "")
	}
	return e.Unpin(b.shell.ctx, j.ID)
}
