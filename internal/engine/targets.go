package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process"
	"vmorchestrator/internal/target"
)

// Target is a target with the mode the operator chose for it.
type Target struct {
	target.Target
	Mode string `json:"mode"` // ModeAuto, ModeStream or ModeTerminal
}

// How a target is run. Auto lets [target.Target.Interactive] decide.
const (
	ModeAuto     = "auto"
	ModeStream   = "stream"
	ModeTerminal = "terminal"
)

// Terminal reports whether the target runs in a terminal.
func (t Target) Terminal() bool {
	return t.Mode == ModeTerminal || t.Mode != ModeStream && t.Interactive
}

// Targets is what can be run in a folder.
type Targets struct {
	Dir      string           `json:"dir"`
	File     string           `json:"file"` // the makefile; empty when there is none
	Targets  []Target         `json:"targets"`
	Problems []target.Problem `json:"problems"`
	Trusted  bool             `json:"trusted"` // computed targets are among them

	// ComputedAvailable tells that asking make could find more: something in the
	// makefile only make can work out.
	ComputedAvailable bool `json:"computed_available"`
}

// Targets reads what can be run in dir. Nothing of the project is executed,
// unless the operator trusts it (see Trust) as it is now.
func (e *Engine) Targets(ctx context.Context, dir string) (Targets, error) {
	return e.targets(ctx, dir, false)
}

// TrustedTargets is Targets with make's own database asked this once.
func (e *Engine) TrustedTargets(ctx context.Context, dir string) (Targets, error) {
	return e.targets(ctx, dir, true)
}

func (e *Engine) targets(ctx context.Context, dir string, trust bool) (Targets, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Targets{}, fmt.Errorf("list targets: %w", err)
	}
	out := Targets{Dir: dir, Targets: []Target{}, Problems: []target.Problem{}}
	m, err := target.ParseDir(dir)
	if err != nil {
		return out, withTargetHint(err)
	}
	s, err := e.settings.read()
	if err != nil {
		m.Problems = append(m.Problems, target.Problem{File: e.settings.path, Text: err.Error()})
	}
	out.Trusted = trust || s.Trusted[dir] != "" && s.Trusted[dir] == contentHash(dir, m)
	out.ComputedAvailable = !out.Trusted && m.Unsure
	if out.Trusted {
		found, err := askMake(ctx, dir)
		if err != nil {
			m.Problems = append(m.Problems, target.Problem{File: m.File, Text: err.Error()})
		}
		m = target.Merge(m, found)
	}
	for _, t := range m.Targets {
		mode := s.Modes[dir][t.Name]
		if mode == "" {
			mode = ModeAuto
		}
		out.Targets = append(out.Targets, Target{t, mode})
	}
	out.File, out.Problems = m.File, append(out.Problems, m.Problems...)
	return out, nil
}

func withTargetHint(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return job.WithHint(err, "Choose a folder that has a Makefile.")
	case errors.Is(err, fs.ErrPermission):
		return job.WithHint(err, "Ask its owner for the right to read it.")
	}
	return err
}

// contentHash is over every makefile that was read, so that trust ends when one
// of them changes.
func contentHash(dir string, m target.Makefile) string {
	h := sha256.New()
	for _, name := range m.Files {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, name)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		fmt.Fprintf(h, "%q %d\n", name, len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// makeLimit bounds how long make may think about its database.
const makeLimit = 10 * time.Second

// askMake runs make -p. The caller has made sure that the folder is trusted.
func askMake(ctx context.Context, dir string) ([]target.Target, error) {
	var out, complaints limited
	ctx, cancel := context.WithTimeoutCause(ctx, makeLimit, fmt.Errorf("it did not answer within %v", makeLimit))
	defer cancel()
	if _, err := runBriefly(ctx, process.Config{
		Argv: target.DatabaseArgv(dir), Env: target.DatabaseEnv(), Dir: dir, Stdout: &out, Stderr: &complaints,
	}); err != nil {
		return nil, fmt.Errorf("ask make for its targets: %w", err)
	}
	found, err := target.ParseDatabase(out.Bytes())
	if err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(complaints.String()), "\n")
		return nil, fmt.Errorf("%w; make said: %q", err, said)
	}
	return found, nil
}

// limited keeps the first megabytes of what a trusted make prints.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := 64<<20 - l.Len(); room < len(p) {
		l.Buffer.Write(p[:max(0, room)])
		return len(p), nil
	}
	return l.Buffer.Write(p)
}

// Trust says whether make may be asked for the targets of a folder, which runs
// what its makefiles compute. It holds until one of them changes.
func (e *Engine) Trust(dir string, yes bool) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("trust %s: %w", dir, err)
	}
	m, err := target.ParseDir(dir)
	if err != nil {
		return withTargetHint(err)
	}
	err = e.settings.change(func(s *settings) {
		delete(s.Trusted, dir)
		if yes {
			if s.Trusted == nil {
				s.Trusted = map[string]string{}
			}
			s.Trusted[dir] = contentHash(dir, m)
		}
	})
	switch {
	case err != nil:
		return err
	case yes:
		return e.set("", "make may be asked for the targets of %s", dir)
	default:
		return e.set("", "make may not be asked for the targets of %s any more", dir)
	}
}

// SetMode remembers how a target is to be run.
func (e *Engine) SetMode(dir, name, mode string) error {
	if !slices.Contains([]string{ModeAuto, ModeStream, ModeTerminal}, mode) {
		return fmt.Errorf("%w: %q is not a mode", job.ErrInvalid, mode)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("remember how %s runs: %w", name, err)
	}
	return e.settings.change(func(s *settings) {
		if s.Modes == nil {
			s.Modes = map[string]map[string]string{}
		}
		if s.Modes[dir] == nil {
			s.Modes[dir] = map[string]string{}
		}
		s.Modes[dir][name] = mode
		if mode == ModeAuto {
			delete(s.Modes[dir], name)
		}
	})
}

// MakeArgv is the command that runs a target in its folder. Variables are
// passed as they are, as arguments, never through a shell.
func MakeArgv(name string, vars []string) ([]string, error) {
	for _, v := range vars {
		variable, value, ok := strings.Cut(v, "=")
		if !ok || !variableName.MatchString(variable) {
			return nil, fmt.Errorf("%w: %q does not read NAME=value", job.ErrInvalid, v)
		}
		if strings.ContainsAny(value, "\n\x00") {
			return nil, fmt.Errorf("%w: the value of %s has a line break or a NUL byte, which make cannot take", job.ErrInvalid, variable)
		}
	}
	return append([]string{"make", name}, vars...), nil
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// FindTarget returns the target of a folder that has this name now.
func (e *Engine) FindTarget(ctx context.Context, dir, name string, trust bool) (Target, error) {
	all, err := e.targets(ctx, dir, trust)
	if err != nil {
		return Target{}, err
	}
	for _, t := range all.Targets {
		if t.Name == name {
			return t, nil
		}
	}
	return Target{}, job.WithHint(fmt.Errorf("target %q: %w in %s", name, job.ErrNotFound, filepath.Join(all.Dir, all.File)),
		"It may have been renamed or removed, or only make can find it: list what is there with vmo targets --trust.")
}
