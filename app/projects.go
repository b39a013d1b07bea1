package app

import (
	"path/filepath"
	goruntime "runtime"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"vmorchestrator/internal/engine"
)

// Projects is bound: the folders the operator works with, and their targets.
type Projects struct{ shell *shell }

// List returns the projects of the registry and the added ones.
func (b *Projects) List() (engine.Projects, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.Projects{}, err
	}
	return e.Projects()
}

// Add adds a folder.
func (b *Projects) Add(dir string) (engine.Projects, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.Projects{}, err
	}
	if _, err := e.AddProject(dir); err != nil {
		return engine.Projects{}, err
	}
	return e.Projects()
}

// Sample adds the project that comes with the program, and returns its folder.
func (b *Projects) Sample() (string, error) {
	e, err := b.shell.open()
	if err != nil {
		return "", err
	}
	return e.AddSample()
}

// Remove forgets an added folder.
func (b *Projects) Remove(dir string) (engine.Projects, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.Projects{}, err
	}
	if err := e.RemoveProject(dir); err != nil {
		return engine.Projects{}, err
	}
	return e.Projects()
}

// Choose asks for a folder with the dialog of the system; "" when dismissed.
func (b *Projects) Choose() (string, error) {
	return runtime.OpenDirectoryDialog(b.shell.ctx, runtime.OpenDialogOptions{Title: "Choose a project folder"})
}

// Targets reads what a folder offers. Nothing of it is executed unless it is
// trusted.
func (b *Projects) Targets(dir string) (engine.Targets, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.Targets{}, err
	}
	b.shell.mu.Lock()
	b.shell.seen[filepath.Clean(dir)] = true
	b.shell.mu.Unlock()
	return e.Targets(b.shell.ctx, dir)
}

// Trust lets make be asked for the targets of a folder, until it changes.
func (b *Projects) Trust(dir string, yes bool) (engine.Targets, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.Targets{}, err
	}
	if err := e.Trust(dir, yes); err != nil {
		return engine.Targets{}, err
	}
	return e.Targets(b.shell.ctx, dir)
}

// SetMode remembers whether a target wants a terminal.
func (b *Projects) SetMode(dir, name, mode string) (engine.Targets, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.Targets{}, err
	}
	if err := e.SetMode(dir, name, mode); err != nil {
		return engine.Targets{}, err
	}
	return e.Targets(b.shell.ctx, dir)
}

// Settings is bound: how the program stands.
type Settings struct{ shell *shell }

// Info is how the program stands.
type Info struct {
	Version     string `json:"version"`
	DataDir     string `json:"data_dir"`
	ReadOnly    string `json:"read_only"` // why nothing can be recorded; usually empty
	Operator    string `json:"operator"`
	MaxParallel int    `json:"max_parallel"`
	OS          string `json:"os"`
	Opened      string `json:"opened"` // folder that was given as argument or dropped last
}

// Info tells how the program stands.
func (b *Settings) Info() (Info, error) {
	e, err := b.shell.open()
	if err != nil {
		return Info{}, err
	}
	s := e.Status()
	info := Info{Version: b.shell.version, DataDir: s.DataDir, Operator: s.Operator, MaxParallel: s.Parallel, OS: goruntime.GOOS}
	b.shell.mu.Lock()
	info.Opened = b.shell.opened
	b.shell.mu.Unlock()
	if s.ReadOnly != nil {
		info.ReadOnly = s.ReadOnly.Error()
	}
	return info, nil
}
