package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"vmorchestrator/internal/job"
)

// Compact compresses the blocks of an ended job. Its numbers, its index and its
// hash chain stay what they were. The old segment is replaced only when the new
// one is whole and on the disk; readers that have the old one open keep it.
// A segment with damage is left as it is: nothing more may be lost.
func (j *Journal) Compact(ctx context.Context, id job.ID) error {
	if j.readOnly != nil {
		return fmt.Errorf("compress the record of job %s: %w", id, j.readOnly)
	}
	if err := j.compact(ctx, id); err != nil {
		return fmt.Errorf("compress the record of job %s: %w", id, err)
	}
	return nil
}

func (j *Journal) compact(ctx context.Context, id job.ID) error {
	path := j.shelfPath(id)
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	temp := path + ".compact"
	// Emptied only once it is locked: it may be what another process is writing,
	// or has just made the record.
	to, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer to.Close()
	if lockFile(to) != nil || !sameFile(to, temp) {
		return nil // another process is at it, or was
	}
	done, err := copyCompressed(ctx, from, to)
	if err == nil && done {
		if err = to.Sync(); err == nil {
			if err = os.Rename(temp, path); err == nil {
				return syncDir(filepath.Dir(path))
			}
		}
	}
	return errors.Join(err, os.Remove(temp))
}

// copyCompressed is false when there is nothing to do: the segment is
// compressed already, damaged, or not sealed.
func copyCompressed(ctx context.Context, from, to *os.File) (bool, error) {
	if err := to.Truncate(0); err != nil { // what a process that died left there
		return false, err
	}
	seed, err := parsePrelude(from)
	if err != nil {
		return false, err
	}
	info, err := from.Stat()
	if err != nil {
		return false, err
	}
	body, marks, ok := readSeal(from, seed, info.Size())
	if !ok || len(marks) == 0 {
		return false, nil
	}
	z, err := newEncoder()
	if err != nil {
		return false, err
	}
	defer z.Close()
	c := copier{from: from, to: to, seed: seed, z: z}
	if err := c.raw(0, preludeSize); err != nil {
		return false, err
	}
	done, err := c.frames(ctx, marks)
	if err != nil || !done {
		return false, err
	}
	last := marks[len(marks)-1]
	_, err = to.Write(appendSeal(nil, seed, c.size, body, marks, last.lastSeq, c.at))
	return true, err
}

type copier struct {
	from, to  *os.File
	seed      uint32
	z         *zstd.Encoder
	size      int64
	buf, raws []byte
	at        int64
}

func (c *copier) raw(from, to int64) error {
	b := make([]byte, to-from)
	if _, err := c.from.ReadAt(b, from); err != nil {
		return err
	}
	return c.write(b)
}

func (c *copier) write(b []byte) error {
	n, err := c.to.Write(b)
	c.size += int64(n)
	return err
}

// frames copies everything but marks and the seal, blocks compressed. The marks
// are updated to the places their blocks have now.
func (c *copier) frames(ctx context.Context, marks []mark) (bool, error) {
	s := newScanner(c.from, c.seed, preludeSize)
	defer s.close()
	next := 0
	for {
		step, err := s.next()
		if errors.Is(err, errTail) {
			return next == len(marks), nil
		}
		if err != nil {
			return false, err
		}
		if step.damaged || step.block != nil || ctx.Err() != nil {
			return false, ctx.Err()
		}
		c.at = step.at
		switch {
		case step.kind == kindSeal:
			return next == len(marks), nil
		case step.kind == kindMark:
			if next == len(marks) || len(c.raws) != int(marks[next].rawLen) || sha256.Sum256(c.raws) != marks[next].digest {
				return false, nil
			}
			if err := c.block(&marks[next]); err != nil {
				return false, err
			}
			next++
		case step.kind.isChunk():
			c.raws = appendFrame(c.raws, c.seed, step.kind, step.seq, step.at, step.payload)
		default:
			if err := c.write(appendFrame(nil, c.seed, step.kind, step.seq, step.at, step.payload)); err != nil {
				return false, err
			}
		}
	}
}

func (c *copier) block(m *mark) error {
	start := c.size
	payload := c.z.EncodeAll(c.raws, m.append(nil))
	c.buf = appendFrame(c.buf[:0], c.seed, kindBlock, m.lastSeq, m.lastAt, payload)
	m.fileOffset, m.fileLen, m.prev = uint64(start), uint32(len(c.buf)), 0
	c.raws = c.raws[:0]
	return c.write(c.buf)
}

// Compacted is what CompactAll did.
type Compacted struct {
	Jobs   int    `json:"jobs"`
	Before uint64 `json:"before"` // bytes on the disk
	After  uint64 `json:"after"`
}

// CompactAll compresses every ended record that is worth it and is not yet.
func (j *Journal) CompactAll(ctx context.Context) (Compacted, error) {
	var done Compacted
	if j.readOnly != nil {
		return done, fmt.Errorf("compress the records: %w", j.readOnly)
	}
	err := j.walkShelf(func(id job.ID, path string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		before, err := os.Stat(path)
		if err != nil || before.Size() < 4<<10 { // a block of the file system is all there is to gain
			return err
		}
		if err := j.Compact(ctx, id); err != nil {
			return err
		}
		after, err := os.Stat(path)
		if err != nil || os.SameFile(before, after) {
			return err
		}
		done.Jobs++
		done.Before += uint64(before.Size())
		done.After += uint64(after.Size())
		return nil
	})
	return done, err
}
