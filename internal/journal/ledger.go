package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vmorchestrator/internal/job"
)

// The ledger counts what happens to the records of this installation: begun,
// sealed, removed. A chain inside a record cannot show that its end was cut off
// or that the whole record is gone; the ledger can. See [job.Statement].
//
// It is a file of lines, one entry each: the body, a tab, the signature in
// base64. It is only ever appended to, under a lock that all processes share.
// An entry is on the disk before the segment that it seals moves to its shelf.
// One that could not be written is written by the next sweep.
type ledger struct {
	path         string
	installation string
	sign         *signer

	forced atomic.Int64 // so much of the file is on the disk for sure
	sync   func() error // tests look

	mu   sync.Mutex
	f    *os.File
	lock *os.File
	size int64 // of the file as far as it was read
	n    uint64
	last string // hash of its last entry, hexadecimal
}

const (
	ledgerName = "ledger"

	// ledgerWait is how long an entry may wait for those of other processes, each
	// of which takes well under a millisecond.
	ledgerWait = 5 * time.Second
	maxEntry   = 64 << 10
)

// openLedger opens the ledger of a journal that can be written.
func openLedger(dir, installation string, key func(context.Context, string) (Key, error)) (*ledger, error) {
	l := &ledger{path: filepath.Join(dir, ledgerName), installation: installation, sign: newSigner(installation, key)}
	var err error
	if l.f, err = os.OpenFile(l.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err == nil {
		l.sync = l.f.Sync
		l.lock, err = os.OpenFile(l.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger: %w", err), l.close())
	}
	return l, nil
}

// adopt puts the records that are older than the ledger into it.
func (j *Journal) adopt() error {
	l := j.ledger
	if info, err := l.f.Stat(); err != nil || info.Size() > 0 {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.locked(func() error {
		if l.n > 0 {
			return nil // another process did
		}
		var found []job.Statement
		err := j.walkShelf(func(id job.ID, _ string) error {
			if s, err := j.sealStatement(id); err == nil { // else verify tells about it
				s.Kind = job.EntryAdopt
				found = append(found, s)
			}
			return nil
		})
		if err != nil || len(found) == 0 {
			return err
		}
		slices.SortFunc(found, func(a, b job.Statement) int { return strings.Compare(string(a.Job), string(b.Job)) })
		return l.write(found)
	})
}

// walkShelf calls do with every record that has ended.
func (j *Journal) walkShelf(do func(id job.ID, path string) error) error {
	return filepath.WalkDir(filepath.Join(j.dir, "jobs"), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, isSegment := strings.CutSuffix(e.Name(), segmentSuffix)
		id, err := job.ParseID(name)
		if e.IsDir() || !isSegment || err != nil {
			return nil //nolint:nilerr // not a segment
		}
		return do(id, path)
	})
}

func (l *ledger) close() error {
	l.sign.close()
	var err error
	for _, f := range []*os.File{l.f, l.lock} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// add appends entries, in order and together. Signed entries cover those before
// them; the beginning of a job is not signed, so that it waits for no keychain.
func (l *ledger) add(entries ...job.Statement) error {
	if slices.ContainsFunc(entries, func(s job.Statement) bool { return signs(s.Kind) }) {
		l.sign.wait() // before the lock: a job that is begun meanwhile waits for nothing
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.locked(func() error { return l.write(entries) })
}

// signs reports whether entries of a kind are signed themselves.
func signs(k job.EntryKind) bool { return k != job.EntryBegin && k != job.EntryConnect }

// locked runs do while no other process writes.
func (l *ledger) locked(do func() error) error {
	deadline := time.Now().Add(ledgerWait)
	for {
		err := lockFile(l.lock)
		if err == nil {
			break
		}
		if !errors.Is(err, errLocked) || time.Now().After(deadline) {
			return fmt.Errorf("write the ledger: %w", err)
		}
		time.Sleep(200 * time.Microsecond)
	}
	err := l.catchUp()
	if err == nil {
		err = do()
	}
	if err != nil {
		err = fmt.Errorf("write the ledger: %w", err)
	}
	return errors.Join(err, unlockFile(l.lock))
}

// catchUp learns what other processes wrote, and cuts off what one of them could
// not complete. The caller has the lock.
func (l *ledger) catchUp() error {
	info, err := l.f.Stat()
	if err != nil || info.Size() == l.size {
		return err
	}
	from := max(0, min(l.size, info.Size()), info.Size()-2*maxEntry)
	tail := make([]byte, info.Size()-from)
	if _, err := l.f.ReadAt(tail, from); err != nil {
		return err
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	if end < len(tail) {
		if err := l.f.Truncate(from + int64(end)); err != nil {
			return err
		}
	}
	l.size = from + int64(end)
	if end == 0 { // nothing whole behind what is known
		if from == 0 {
			l.n, l.last = 0, ""
		}
		return nil
	}
	line := tail[:end-1]
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	e, err := parseEntry(line)
	if err != nil {
		return err
	}
	s, err := e.Statement()
	hash := e.Hash()
	l.n, l.last = s.N, hex.EncodeToString(hash[:])
	return err
}

func (l *ledger) write(entries []job.Statement) error {
	var buf []byte
	n, last := l.n, l.last
	number := func(s *job.Statement) {
		n++
		s.N, s.Prev, s.Installation, s.At = n, last, l.installation, time.Now().UTC()
	}
	put := func(s job.Statement, key *Key) error {
		number(&s)
		if key != nil && s.Kind != job.EntryKey {
			s.Key = key.id()
		}
		body, err := json.Marshal(s)
		if err != nil {
			return err
		}
		e := job.Entry{Body: body}
		if key != nil {
			e.Sig = ed25519.Sign(key.Private, body)
		}
		hash := e.Hash()
		last = hex.EncodeToString(hash[:])
		buf = appendEntry(buf, e)
		return nil
	}
	synced := false
	for _, s := range entries {
		var key *Key
		if signs(s.Kind) {
			synced = true
			var fresh bool
			if key, fresh = l.sign.key(l); fresh {
				if err := put(job.Statement{Kind: job.EntryKey, Key: key.public(), Kept: key.Kept}, key); err != nil {
					return err
				}
			}
		}
		if err := put(s, key); err != nil {
			return err
		}
	}
	if _, err := l.f.Write(buf); err != nil {
		l.sign.known = false
		return errors.Join(err, l.f.Truncate(l.size))
	}
	l.size, l.n, l.last = l.size+int64(len(buf)), n, last
	if synced {
		return l.f.Sync()
	}
	return nil
}

func appendEntry(b []byte, e job.Entry) []byte {
	b = append(b, e.Body...)
	b = append(b, '\t')
	b = base64.StdEncoding.AppendEncode(b, e.Sig)
	return append(b, '\n')
}

func parseEntry(line []byte) (job.Entry, error) {
	body, sig, _ := bytes.Cut(line, []byte{'\t'})
	e := job.Entry{Body: bytes.Clone(body)}
	var err error
	if e.Sig, err = base64.StdEncoding.AppendDecode(nil, sig); err != nil {
		return e, fmt.Errorf("%w: an entry of the ledger has no readable signature: %w", job.ErrInvalid, err)
	}
	return e, nil
}
