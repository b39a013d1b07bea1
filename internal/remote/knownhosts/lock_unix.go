//go:build !windows

package knownhosts

import (
	"errors"
	"os"
	"syscall"
)

// closeFirst says that a file must be closed before it can be replaced. Here the
// lock would go with it.
const closeFirst = false

// lock locks the file itself. Closing it unlocks it; so does the end of the
// process.
func lock(f *os.File, _ string) (unlock func(), err error) {
	err = until(func() (bool, error) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR):
			return false, nil
		case errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.ENOLCK) || errors.Is(err, syscall.EINVAL):
			return true, nil // a file system or device without locks; ssh has none either
		}
		return false, err
	})
	return func() {}, err
}
