package app

import (
	"bytes"
	"fmt"
	"os"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Diagnostics is bound: what the program needs and how that stands, as vmo doctor
// tells it. It works without a journal, too.
type Diagnostics struct{ shell *shell }

func (b *Diagnostics) program() engine.Program {
	return engine.Program{Name: "window", Version: b.shell.version, WebView: webView()}
}

// Checks looks at everything, which takes some seconds where something does not answer.
func (b *Diagnostics) Checks() ([]engine.Check, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.Examine(b.shell.context(), engine.Config{}, b.program()), nil
	}
	return e.Examine(b.shell.context(), b.program()), nil
}

// Report is what may be sent with a bug report.
func (b *Diagnostics) Report() (engine.Report, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.MakeReport(b.shell.context(), engine.Config{}, b.program())
	}
	return e.Report(b.shell.context(), b.program())
}

// Saved is a report that was written.
type Saved struct {
	Path  string   `json:"path"` // "" when the dialog was dismissed
	Parts []string `json:"parts"`
}

// Save asks where to, and writes a report there.
func (b *Diagnostics) Save() (Saved, error) {
	path, err := runtime.SaveFileDialog(b.shell.context(), runtime.SaveDialogOptions{
		Title: "Save a report for a bug report", DefaultFilename: "vm-orchestrator-report.tar.gz",
	})
	if err != nil || path == "" {
		return Saved{Parts: []string{}}, err
	}
	return b.write(path)
}

// write replaces a file, which the dialog has asked about.
func (b *Diagnostics) write(path string) (Saved, error) {
	saved := Saved{Path: path, Parts: []string{}}
	report, err := b.Report()
	if err != nil {
		return saved, err
	}
	var all bytes.Buffer
	if err := report.Write(&all); err != nil {
		return saved, err
	}
	if err := os.WriteFile(path, all.Bytes(), 0o600); err != nil {
		return saved, job.WithHint(fmt.Errorf("write the report: %w", err), "Choose a folder that you may write to.")
	}
	for _, part := range report.Parts {
		saved.Parts = append(saved.Parts, part.Name)
	}
	return saved, nil
}
