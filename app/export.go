package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Exported is a record that was written to a file.
type Exported struct {
	Path    string `json:"path"` // "" when the dialog was dismissed
	Bytes   int64  `json:"bytes"`
	Problem string `json:"problem"` // what is damaged in it, after everything else was written
}

var suffixes = map[engine.Format]string{"text": ".txt", "ansi": ".ansi", "html": ".html", "cast": ".cast", "json": ".jsonl", engine.Bundle: ".vmo"}

// Export writes the record of a job into a file that the operator chooses with the
// dialog of the system.
func (b *Jobs) Export(id, format string) (Exported, error) {
	e, err := b.shell.open()
	if err != nil {
		return Exported{}, err
	}
	suffix, known := suffixes[engine.Format(format)]
	if !known || !slices.Contains(engine.Formats(), engine.Format(format)) {
		return Exported{}, fmt.Errorf("%w: %q is not a format", job.ErrInvalid, format)
	}
	j, err := e.Job(b.shell.ctx, job.ID(id))
	if err != nil {
		return Exported{}, err
	}
	path, err := runtime.SaveFileDialog(b.shell.ctx, runtime.SaveDialogOptions{Title: "Save the record", DefaultFilename: fileName(j) + suffix, CanCreateDirectories: true})
	if err != nil || path == "" {
		return Exported{}, err
	}
	return export(b.shell.ctx, e, j.ID, engine.Format(format), path)
}

var unfit = regexp.MustCompile(`[^\pL\pN._-]+`)

// fileName is a name for a file of a job that no system minds.
func fileName(j job.Job) string {
	name := unfit.ReplaceAllString(j.Title(), "-")
	if runes := []rune(name); len(runes) > 40 {
		name = string(runes[:40])
	}
	return name + "-" + j.QueuedAt.Local().Format("2006-01-02-1504")
}

// export writes a whole file or none.
func export(ctx context.Context, e *engine.Engine, id job.ID, format engine.Format, path string) (out Exported, err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), ".export-*")
	if err != nil {
		return out, fmt.Errorf("save the record: %w", err)
	}
	damaged := e.Export(ctx, id, format, temp)
	info, err := temp.Stat()
	if err = errors.Join(err, temp.Close()); err == nil && damaged != nil && (ctx.Err() != nil || info.Size() == 0) {
		err = damaged
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return out, errors.Join(fmt.Errorf("save the record: %w", err), os.Remove(temp.Name()))
	}
	out = Exported{Path: path, Bytes: info.Size()}
	if damaged != nil {
		out.Problem = damaged.Error()
	}
	return out, nil
}
