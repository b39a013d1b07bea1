//go:build !windows

package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errLocked means that a living process has the lock.
var errLocked = errors.New("locked")

// lockFile takes the lock of an open segment. The system gives it back when the
// process dies, however it dies: flock(2) belongs to the open file, which Go
// opens close-on-exec, so no child of ours keeps it.
func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

// unlockFile gives the lock back and keeps the file open.
func unlockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }
