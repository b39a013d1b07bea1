package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"vmorchestrator/internal/job"
)

// settings is what the operator decided, in settings.json. It is small, read
// before each use and replaced whole, so the window and vmo may share it.
type settings struct {
	Folders []string                     `json:"folders"`           // added projects, absolute
	Trusted map[string]string            `json:"trusted,omitempty"` // folder → hash of its makefiles
	Modes   map[string]map[string]string `json:"modes,omitempty"`   // folder → target → stream or terminal
	Engines map[string]string            `json:"engines,omitempty"` // destination → built-in or openssh

	Database string               `json:"database,omitempty"` // URL of the archive, without a password
	History  map[string]time.Time `json:"history,omitempty"`  // server → jobs begun before stay here alone; zero: all go there

	Updates *updateSettings `json:"updates,omitempty"` // nil: nothing is asked
}

type settingsFile struct {
	path string
	mu   sync.Mutex
}

func (f *settingsFile) read() (settings, error) {
	var s settings
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	where := f.path
	if err == nil {
		if err = json.Unmarshal(data, &s); err != nil {
			where = fmt.Sprintf("%s:%d", f.path, lineOf(data, err))
		}
	}
	if err != nil {
		return s, job.WithHint(fmt.Errorf("read the settings %s: %w", where, err), "Correct that file, or delete it to start with none.")
	}
	return s, nil
}

// lineOf is the line at which JSON is wrong, from 1.
func lineOf(data []byte, err error) int {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	offset := 0
	switch {
	case errors.As(err, &syntax):
		offset = int(syntax.Offset)
	case errors.As(err, &wrong):
		offset = int(wrong.Offset)
	}
	return 1 + bytes.Count(data[:min(max(0, offset-1), len(data))], []byte{'\n'})
}

// change applies a change and writes the file, whole or not at all.
func (f *settingsFile) change(apply func(*settings)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.read()
	if err != nil {
		return err // never write over what could not be read
	}
	apply(&s)
	slices.Sort(s.Folders)
	s.Folders = slices.Compact(s.Folders)
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	if err := replaceFile(f.path, append(data, '\n')); err != nil {
		return job.WithHint(fmt.Errorf("write the settings: %w", err), "Check who owns "+filepath.Dir(f.path)+" and whether its disk is full.")
	}
	return nil
}

func replaceFile(path string, data []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".settings-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
