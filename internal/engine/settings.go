package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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
	Modes   map[string]map[string]string `json:"modes,omitempty"`   // folder → target → stream or terminal; without one auto
	Engines map[string]string            `json:"engines,omitempty"` // destination → built-in or openssh; without one auto

	Database string               `json:"database,omitempty"` // URL of the archive, without a password
	History  map[string]time.Time `json:"history,omitempty"`  // server → jobs begun before stay here alone; zero: all go there

	Updates *updateSettings `json:"updates,omitempty"` // whether newer releases are looked for, and where; without it nothing is asked

	others map[string]json.RawMessage // of another version
}

type settingsFile struct{ path string }

// settingsChange is for one change at a time in this program, whoever makes it.
var settingsChange sync.Mutex

func (f *settingsFile) read() (settings, error) {
	var s settings
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	where := f.path
	if err == nil {
		if err = json.Unmarshal(data, &s); err == nil {
			s.others, err = unknown(data)
		}
		if err != nil {
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
	settingsChange.Lock()
	defer settingsChange.Unlock()
	s, err := f.read()
	if err != nil {
		return err // never write over what could not be read
	}
	apply(&s)
	slices.Sort(s.Folders)
	s.Folders = slices.Compact(s.Folders)
	data, err := s.text()
	if err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	if err := replaceFile(f.path, data); err != nil {
		return job.WithHint(fmt.Errorf("write the settings: %w", err), "Check who owns "+filepath.Dir(f.path)+" and whether its disk is full.")
	}
	return nil
}

// text is what is written: what is known, and what another version has added.
func (s settings) text() ([]byte, error) {
	known, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(known, &all); err != nil {
		return nil, err
	}
	maps.Copy(all, s.others)
	data, err := json.MarshalIndent(all, "", "  ")
	return append(data, '\n'), err
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
