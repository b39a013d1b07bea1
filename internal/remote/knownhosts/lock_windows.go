package knownhosts

import (
	"errors"
	"os"
	"syscall"
)

const (
	deleteOnClose    = 0x04000000        // FILE_FLAG_DELETE_ON_CLOSE
	sharingViolation = syscall.Errno(32) // ERROR_SHARING_VIOLATION
	lockSuffix       = ".vmo-lock"       // beside the file: that one must stay free to be replaced
	nobodyElse       = uint32(0)         // no share mode
	readWrite        = syscall.GENERIC_READ | syscall.GENERIC_WRITE
)

// closeFirst says that a file must be closed before it can be replaced.
const closeFirst = true

// lock opens a file of its own that nobody else can open meanwhile. It goes away
// when it is closed, or when the process ends.
func lock(_ *os.File, file string) (unlock func(), err error) {
	name, err := syscall.UTF16PtrFromString(file + lockSuffix)
	if err != nil {
		return nil, err
	}
	var h syscall.Handle
	err = until(func() (bool, error) {
		var err error
		h, err = syscall.CreateFile(name, readWrite, nobodyElse, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL|deleteOnClose, 0)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, sharingViolation) || errors.Is(err, syscall.ERROR_ACCESS_DENIED): // the latter while it is being deleted
			return false, nil
		}
		return false, err
	})
	if err != nil {
		return nil, err
	}
	return func() { _ = syscall.CloseHandle(h) }, nil
}
