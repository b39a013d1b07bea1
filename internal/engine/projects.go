package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"vmorchestrator/build/sample"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/target"
)

// Project is a folder with a makefile that the operator works with.
type Project struct {
	Alias   string `json:"alias"`
	Dir     string `json:"dir"`
	Source  string `json:"source"` // "registry" or "added"
	File    string `json:"file"`   // where it is written down
	Line    int    `json:"line"`   // 0 for added ones
	Missing bool   `json:"missing"`
	Error   string `json:"error"` // why it cannot be used; empty if it can
}

// Projects is what the registry and the settings name.
type Projects struct {
	Projects       []Project        `json:"projects"`
	Problems       []target.Problem `json:"problems"` // lines of the registry that were skipped
	Registry       string           `json:"registry"` // where it was looked for
	RegistryExists bool             `json:"registry_exists"`
}

// Projects reads the registry and the added folders. What is wrong with one
// entry is said with it and costs no other.
func (e *Engine) Projects() (Projects, error) {
	out := Projects{Projects: []Project{}, Problems: []target.Problem{}, Registry: e.config.Registry}
	data, err := os.ReadFile(e.config.Registry)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		out.Problems = append(out.Problems, target.Problem{File: e.config.Registry, Text: "it cannot be read: " + err.Error()})
	default:
		out.RegistryExists = true
		home, _ := os.UserHomeDir() // without one, ~ is a problem of its line
		found, problems := target.ParseRegistry(data, e.config.Registry, os.Getenv, home)
		out.Problems = problems
		for _, p := range found {
			out.Projects = append(out.Projects, look(Project{Alias: p.Alias, Dir: p.Dir, Source: "registry", File: p.File, Line: p.Line}))
		}
	}
	s, err := e.settings.read()
	if err != nil {
		out.Problems = append(out.Problems, target.Problem{File: e.settings.path, Text: err.Error()})
		return out, nil
	}
	for _, dir := range s.Folders {
		if slices.ContainsFunc(out.Projects, func(p Project) bool { return p.Dir == dir }) {
			continue
		}
		out.Projects = append(out.Projects, look(Project{Alias: out.free(filepath.Base(dir)), Dir: dir, Source: "added", File: e.settings.path}))
	}
	return out, nil
}

// look says whether a project is there.
func look(p Project) Project {
	info, err := os.Stat(p.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Missing, p.Error = true, "the folder does not exist"
	case err != nil:
		p.Error = err.Error()
	case !info.IsDir():
		p.Error = "it is not a folder"
	}
	return p
}

// free returns an alias that no project has yet.
func (p *Projects) free(alias string) string {
	for n, name := 2, alias; ; n++ {
		if !slices.ContainsFunc(p.Projects, func(x Project) bool { return x.Alias == name }) {
			return name
		}
		name = fmt.Sprintf("%s-%d", alias, n)
	}
}

// Project returns the folder of an alias.
func (e *Engine) Project(alias string) (Project, error) {
	all, err := e.Projects()
	if err != nil {
		return Project{}, err
	}
	for _, p := range all.Projects {
		if p.Alias == alias {
			if p.Error != "" {
				return p, job.WithHint(fmt.Errorf("project %s (%s): %s", alias, p.Dir, p.Error), fmt.Sprintf("Correct it in %s, or run: vmo projects", p.File))
			}
			return p, nil
		}
	}
	return Project{}, job.WithHint(fmt.Errorf("project %q: %w in %s", alias, job.ErrNotFound, e.config.Registry),
		"List the projects with: vmo projects; a line of the registry reads alias=folder.")
}

// AddProject remembers a folder and returns its absolute path.
func (e *Engine) AddProject(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("add %s: %w", dir, err)
	}
	info, err := os.Stat(abs)
	if err == nil && !info.IsDir() {
		abs = filepath.Dir(abs) // a makefile was dropped: its folder is meant
	}
	if err != nil {
		return "", job.WithHint(fmt.Errorf("add the project %s: %w", abs, err), "Choose a folder that exists.")
	}
	had := false
	err = e.settings.change(func(s *settings) {
		had = slices.Contains(s.Folders, abs)
		s.Folders = append(s.Folders, abs)
	})
	if err != nil || had {
		return abs, err
	}
	return abs, e.set("", "the folder %s is a project", abs)
}

// AddSample adds the project that comes with the program, to try things with: it
// is written next to the journal, but for files that are there already.
func (e *Engine) AddSample() (string, error) {
	dir := filepath.Join(e.config.DataDir, "sample")
	if err := sample.Write(dir); err != nil {
		return "", job.WithHint(fmt.Errorf("write the sample project: %w", err), "Add a folder of your own instead, or make this one writable.")
	}
	return e.AddProject(dir)
}

// RemoveProject forgets an added folder. The folder itself is not touched.
func (e *Engine) RemoveProject(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	found := false
	err = e.settings.change(func(s *settings) {
		before := len(s.Folders)
		s.Folders = slices.DeleteFunc(s.Folders, func(d string) bool { return d == abs })
		found = len(s.Folders) < before
	})
	switch {
	case err != nil:
		return err
	case !found:
		return job.WithHint(fmt.Errorf("the added folder %s: %w", abs, job.ErrNotFound), "List them with: vmo projects; those of the registry are removed there.")
	}
	return e.set("", "the folder %s is no project any more", abs)
}

// settle is how long a file must be quiet before it is read again: editors
// write and rename several times in a row.
const settle = 150 * time.Millisecond

// Watch calls changed whenever the registry, the settings or a makefile in one
// of the given folders changes, and hints at the hosts when a file that may name
// some does. It returns when the context ends. Folders that cannot be watched are
// read again when they are shown.
func (e *Engine) Watch(ctx context.Context, folders func() []string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the projects: %w", err)
	}
	defer w.Close()
	// The folder, not the file: editors replace files.
	fixed := []string{filepath.Dir(e.config.Registry), filepath.Dir(e.settings.path)}
	var hosts []string // files and folders that may name hosts
	watch := func() {
		hosts = e.inventory().Looked
		want := slices.Concat(fixed, folders())
		for _, file := range hosts {
			want = append(want, file, filepath.Dir(file)) // one of them is a folder
		}
		for _, dir := range w.WatchList() {
			if !slices.Contains(want, dir) {
				_ = w.Remove(dir)
			}
		}
		for _, dir := range want {
			if dir = nearest(dir); isFolder(dir) {
				_ = w.Add(dir) // adding twice does nothing
			}
		}
	}
	watch()
	quiet, quietHosts := time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	quiet.Stop()
	quietHosts.Stop()
	again := time.NewTicker(2 * time.Second)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-w.Events:
			if e.matters(event.Name) {
				quiet.Reset(settle)
			}
			if slices.Contains(hosts, event.Name) || slices.Contains(hosts, filepath.Dir(event.Name)) {
				quietHosts.Reset(settle)
			}
		case <-w.Errors: // an overflow: something was missed
			quiet.Reset(settle)
			quietHosts.Reset(settle)
		case <-again.C: // folders come and go
			watch()
		case <-quiet.C:
			watch()
			changed()
		case <-quietHosts.C:
			watch()
			e.changes.addHosts()
		}
	}
}

// matters reports whether a changed file can change what is offered.
func (e *Engine) matters(path string) bool {
	if path == e.config.Registry || path == e.settings.path {
		return true
	}
	name := filepath.Base(path)
	return name == "Makefile" || name == "makefile" || name == "GNUmakefile" || filepath.Ext(name) == ".mk" ||
		path == filepath.Dir(e.config.Registry)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// nearest is the deepest existing folder on the way to dir, so that the making
// of the registry's folder is seen as well.
func nearest(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}
