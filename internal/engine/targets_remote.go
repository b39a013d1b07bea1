package engine

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/target"
)

// readThere prints a file, or the names in a directory, of another machine. What
// there is not is told apart by its exit code. A file that is no regular one is
// not opened: a FIFO would wait for a writer.
const readThere = `case $2 in /*) f=$2 ;; *) case $1 in "~") f=$HOME/$2 ;; "~/"*) f=$HOME/${1#"~/"}/$2 ;; "") f=$HOME/$2 ;; *) f=$1/$2 ;; esac ;; esac
case $f in
*/) [ -d "$f" ] || exit 44; exec ls -1A -- "$f" ;;
esac
[ -e "$f" ] || exit 44
[ -r "$f" ] || exit 45
[ -f "$f" ] || exit 46
exec cat -- "$f"`

const (
	readLimit = 16 << 20 // of one file
	readWait  = 30 * time.Second
)

// RemoteTargets reads what can be run in a folder of another machine. Its
// makefiles are read as text over the connection; nothing of them is executed.
func (e *Engine) RemoteTargets(ctx context.Context, host, dir string) (Targets, error) {
	h, err := e.Host(host)
	if err != nil {
		return Targets{}, err
	}
	if h.Local {
		return e.Targets(ctx, dir)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readWait, fmt.Errorf("%s did not answer within %v", host, readWait))
	defer cancel()
	out := Targets{Dir: dir, Targets: []Target{}, Problems: []target.Problem{}}
	before := e.pool.State(h.Destination)
	if err := e.pool.Connect(ctx, h.Destination); err != nil {
		return out, connectError(err)
	}
	e.connected(h, before, ", to read the targets of "+dirName(dir))
	m, err := target.Parse(func(name string) ([]byte, error) { return e.readThere(ctx, h.Destination, dir, name) })
	if err != nil {
		return out, withTargetHint(fmt.Errorf("project %s on %s: %w", dirName(dir), host, err))
	}
	for _, t := range m.Targets {
		out.Targets = append(out.Targets, Target{t, ModeAuto})
	}
	out.File, out.Problems = m.File, append(out.Problems, m.Problems...)
	return out, nil
}

func dirName(dir string) string {
	if dir == "" {
		return "~"
	}
	return dir
}

func (e *Engine) readThere(ctx context.Context, d inventory.Destination, dir, name string) ([]byte, error) {
	data, said, code, err := e.pool.Output(ctx, d, []string{"sh", "-c", readThere, "vmo", dir, name}, nil, readLimit+1)
	switch {
	case err != nil:
		return nil, err
	case code == 44:
		return nil, fs.ErrNotExist
	case code == 45:
		return nil, fs.ErrPermission
	case code == 46:
		return nil, fmt.Errorf("%s is not a regular file", path.Join(dir, name))
	case code != 0:
		return nil, fmt.Errorf("exit code %d: %s", code, strings.TrimSpace(said))
	case len(data) > readLimit:
		return nil, fmt.Errorf("it is larger than %d MiB", readLimit>>20)
	}
	return data, nil
}

// FindRemoteTarget returns the target of a folder on another machine that has
// this name now.
func (e *Engine) FindRemoteTarget(ctx context.Context, host, dir, name string) (Target, error) {
	all, err := e.RemoteTargets(ctx, host, dir)
	if err != nil {
		return Target{}, err
	}
	for _, t := range all.Targets {
		if t.Name == name {
			return t, nil
		}
	}
	return Target{}, job.WithHint(fmt.Errorf("target %q: %w in %s on %s", name, job.ErrNotFound, path.Join(dirName(dir), all.File), host),
		fmt.Sprintf("List what is there with: vmo targets --on %s --dir %s", host, dirName(dir)))
}
