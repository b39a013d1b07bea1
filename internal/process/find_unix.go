//go:build unix

package process

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// find looks the command up in the PATH that the child will have: os/exec would
// use ours. Directories in PATH that are not absolute are passed over, as in
// os/exec: a checkout must not decide what `make` is.
func find(cfg Config, path string) (string, error) {
	name := cfg.Argv[0]
	if strings.Contains(name, "/") {
		return name, nil // relative to Dir; the kernel tells the rest
	}
	denied := false
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		switch {
		case err != nil || info.IsDir():
		case unix.Access(file, unix.X_OK) != nil:
			denied = true
		default:
			return file, nil
		}
	}
	if denied {
		return "", notExecutable(name, errNotExecutable)
	}
	return "", notFound(name, errors.New("it is in no directory of PATH"))
}

// reason is what the system said, without the names around it: they are said once.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func from(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
