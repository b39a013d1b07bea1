package knownhosts

import (
	"errors"
	"os"
	"time"
)

// lockWait bounds how long another writer is waited for. It holds the lock for
// the time of one write.
const lockWait = 5 * time.Second

var errLocked = errors.New("another program writes it and does not finish")

// until tries to lock until it works or somebody has had long enough. There is no
// event for a lock that becomes free.
func until(try func() (ok bool, err error)) error {
	over := time.NewTimer(lockWait)
	defer over.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		if ok, err := try(); ok || err != nil {
			return err
		}
		select {
		case <-over.C:
			return errLocked
		case <-again.C:
		}
	}
}

// openLocked opens a file for reading and appending, locked against other
// writers of ours: ssh itself locks nothing, and appends in one write.
func openLocked(file string) (f *os.File, unlock func(), err error) {
	for {
		f, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, nil, err
		}
		unlock, err := lock(f, file)
		if err != nil {
			_ = f.Close()
			return nil, nil, err
		}
		done := func() {
			_ = f.Close()
			unlock()
		}
		opened, err := f.Stat()
		if err != nil {
			done()
			return nil, nil, err
		}
		// While we waited it may have been replaced by another file.
		if there, err := os.Stat(file); err == nil && os.SameFile(opened, there) {
			return f, done, nil
		}
		done()
	}
}
