package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// errLocked means that a living process has the lock.
var errLocked = errors.New("locked")

// lockFile takes the lock of an open segment. The system gives it back when the
// process dies. The locked range lies behind every possible end of the file,
// because on Windows a locked range cannot be read by others.
func lockFile(f *os.File) error {
	range_ := windows.Overlapped{Offset: 0, OffsetHigh: 0x40000000}
	err := windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &range_)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return err
}

// unlockFile gives the lock back and keeps the file open.
func unlockFile(f *os.File) error {
	range_ := windows.Overlapped{Offset: 0, OffsetHigh: 0x40000000}
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &range_)
}
