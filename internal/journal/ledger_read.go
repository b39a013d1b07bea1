package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"vmorchestrator/internal/job"
)

// walkLedger calls do with every entry from a place in the file on, and the place
// behind it, until do reports that it has enough.
func walkLedger(f io.ReaderAt, from int64, do func(e job.Entry, end int64) (enough bool, err error)) error {
	buf := make([]byte, 0, 256<<10)
	for {
		n, err := f.ReadAt(buf[len(buf):cap(buf)], from+int64(len(buf)))
		buf = buf[:len(buf)+n]
		done := 0
		for {
			i := bytes.IndexByte(buf[done:], '\n')
			if i < 0 {
				break
			}
			e, err := parseEntry(buf[done : done+i])
			if err != nil {
				return err
			}
			done += i + 1
			if enough, err := do(e, from+int64(done)); enough || err != nil {
				return err
			}
		}
		from += int64(done)
		buf = append(buf[:0], buf[done:]...)
		switch {
		case errors.Is(err, io.EOF):
			return nil // what is left is just being written
		case err != nil:
			return err
		case len(buf) == cap(buf):
			return fmt.Errorf("%w: an entry of the ledger has no end", job.ErrInvalid)
		}
	}
}

// states tells what the ledger says of a job that is not in its normal course.
func (l *ledger) states(id job.ID) (begun, sealed bool, err error) {
	err = walkLedger(l.f, 0, func(e job.Entry, _ int64) (bool, error) {
		if !bytes.Contains(e.Body, []byte(id)) {
			return false, nil
		}
		s, err := e.Statement()
		if err == nil && s.Job == id {
			begun = begun || s.Kind != job.EntryPin && s.Kind != job.EntryUnpin
			sealed = sealed || sealing(s.Kind)
		}
		return false, err
	})
	return begun, sealed, err
}

// sealing reports whether an entry of this kind says what a record must be.
func sealing(k job.EntryKind) bool {
	return k == job.EntrySeal || k == job.EntryAdopt || k == job.EntryImport
}

// Entries returns up to limit entries of the ledger behind number after, in the
// order of the file, whatever their numbers say; from any process. None means
// that there are none yet.
func (j *Journal) Entries(after uint64, limit int) ([]job.Entry, error) {
	j.entries.Lock()
	defer j.entries.Unlock()
	f, err := os.Open(filepath.Join(j.dir, ledgerName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	defer f.Close()
	at := &j.entries // where the last call came to: the next mostly goes on there
	if after != at.n {
		at.n, at.end = 0, 0
	}
	var out []job.Entry
	err = walkLedger(f, at.end, func(e job.Entry, end int64) (bool, error) {
		at.n, at.end = at.n+1, end
		if at.n > after {
			out = append(out, e)
		}
		return len(out) == limit, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return out, nil
}

// entriesAt is a place in the ledger.
type entriesAt struct {
	sync.Mutex
	n   uint64
	end int64
}

// Head is the last entry of the ledger: its number and its hash. It is 0 while
// there is none.
func (j *Journal) Head() (n uint64, hash [32]byte, err error) {
	if j.ledger == nil {
		return 0, hash, j.readOnly
	}
	l := j.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	err = l.locked(func() error {
		n = l.n
		_, err := hex.Decode(hash[:], []byte(l.last))
		return err
	})
	return n, hash, err
}

// LastingEntries are Entries that no power cut takes back: the ledger is forced to
// the disk first, up to them. What leaves this machine must be so, or the others
// would have entries of a ledger that goes on otherwise here.
func (j *Journal) LastingEntries(after uint64, limit int) ([]job.Entry, error) {
	list, err := j.Entries(after, limit)
	if err != nil || len(list) == 0 || j.ledger == nil {
		return list, err
	}
	if err := j.ledger.force(); err != nil {
		return nil, fmt.Errorf("force the ledger to the disk: %w", err)
	}
	return list, nil
}

// force forces to the disk what any process has appended.
func (l *ledger) force() error {
	info, err := l.f.Stat()
	if err != nil || info.Size() == l.forced.Load() {
		return err
	}
	if err := l.sync(); err != nil {
		return err
	}
	l.forced.Store(info.Size())
	return nil
}
