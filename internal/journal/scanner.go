package journal

import (
	"errors"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"
)

// A scanner reads the frames of a segment in order, into compressed blocks too,
// and finds its way behind damage.
type scanner struct {
	f     segment
	seed  uint32
	limit int64 // where a search for the next frame ends; 0 for none
	off   int64 // file offset of buf[0]
	buf   []byte
	lo    int  // next byte of buf to parse
	whole bool // compressed blocks are returned as they are

	inner   []byte // what is left of a decompressed block
	zstd    *zstd.Decoder
	scratch []byte
}

// segment is a file that is read, perhaps while it grows: an *os.File.
type segment interface {
	io.ReaderAt
	Stat() (fs.FileInfo, error)
}

func (s *scanner) size() (int64, error) {
	info, err := s.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// found is one step of a scan: a whole frame, or what stood in the way.
type found struct {
	header
	payload []byte // valid until the next step
	from    int64  // file offset: of the frame (of its block, if compressed)
	to      int64  // and behind it
	damaged bool   // no frame, but bytes that are none
	block   *mark  // set with the first frame out of a compressed block
}

// scanWindow is how much is read at once. Small enough to be cheap when a view
// asks for a few lines, large enough for a whole copy to run at disk speed.
const scanWindow = 256 << 10

// errTail means that the segment ends here, perhaps inside a frame that is just
// being written.
var errTail = errors.New("end of segment")

func newScanner(f segment, seed uint32, off int64) *scanner {
	return &scanner{f: f, seed: seed, off: off}
}

func (s *scanner) seek(off int64) {
	s.off, s.buf, s.lo, s.inner = off, s.buf[:0], 0, nil
}

// pos is the file offset of the next frame.
func (s *scanner) pos() int64 { return s.off + int64(s.lo) }

// next returns the next frame, or damage up to where frames are found again, or
// errTail. It never returns bytes whose checksum is wrong.
func (s *scanner) next() (found, error) {
	if len(s.inner) > 0 {
		h, payload, n, result := parseFrame(s.inner, s.seed)
		if result == parseOK {
			s.inner = s.inner[n:]
			return found{header: h, payload: payload, from: s.pos(), to: s.pos()}, nil
		}
		s.inner = nil // its own checksum was right, so this is not the disk's doing
		return found{from: s.pos(), to: s.pos(), damaged: true}, nil
	}
	h, payload, n, result, err := s.parse()
	if err != nil {
		return found{}, err
	}
	from := s.pos()
	if result == parseOK {
		s.lo += n
		if h.kind == kindBlock && !s.whole {
			return s.enter(payload, from)
		}
		return found{header: h, payload: payload, from: from, to: s.pos()}, nil
	}
	// Damage, or the end. Only what is in the file already may decide which: in a
	// segment that grows meanwhile, the frame that is just being written would
	// look damaged as soon as the next one can be seen behind it.
	size, err := s.size()
	if err != nil {
		return found{}, err
	}
	if result == parseMore {
		size = min(size, s.off+int64(len(s.buf)))
	}
	s.limit = size
	behind := s.resync()
	s.limit = 0
	if !behind {
		s.seek(from)
		return found{}, errTail
	}
	return found{from: from, to: s.pos(), damaged: true}, nil
}

// parse looks at the frame at pos, reading as much as it needs.
func (s *scanner) parse() (header, []byte, int, parse, error) {
	for {
		h, payload, n, result := parseFrame(s.buf[s.lo:], s.seed)
		if result != parseMore {
			return h, payload, n, result, nil
		}
		more, err := s.fill(max(n, headerSize))
		if err != nil {
			return h, nil, n, result, err
		}
		if !more {
			return h, nil, n, parseMore, nil
		}
	}
}

// fill makes at least need bytes available behind lo. It is false when the file
// has no more.
func (s *scanner) fill(need int) (bool, error) {
	if s.lo > 0 {
		s.buf = append(s.buf[:0], s.buf[s.lo:]...)
		s.off += int64(s.lo)
		s.lo = 0
	}
	have := len(s.buf)
	want := max(need, have+scanWindow)
	if s.limit > 0 {
		want = min(want, max(have, int(s.limit-s.off)))
	}
	if want > have+64*scanWindow {
		want = have + 64*scanWindow // a length that damage made must not cost memory
	}
	if cap(s.buf) < want {
		s.buf = append(make([]byte, 0, want), s.buf...)
	}
	n, err := s.f.ReadAt(s.buf[have:want], s.off+int64(have))
	s.buf = s.buf[:have+n]
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return n > 0, nil
}

// resync moves to the next place behind pos at which a whole frame stands.
func (s *scanner) resync() bool {
	s.lo = min(s.lo+1, len(s.buf))
	for {
		for ; s.lo+headerSize <= len(s.buf); s.lo++ {
			if s.buf[s.lo] != magic0 || s.buf[s.lo+1] != magic1 {
				continue
			}
			if _, ok := parseHeader(s.buf[s.lo:]); !ok {
				continue
			}
			if _, _, _, result, err := s.parse(); err == nil && result == parseOK {
				return true
			}
		}
		if more, err := s.fill(headerSize); !more || err != nil {
			return false
		}
	}
}

// enter opens a compressed block and returns its first frame, or the block itself
// if it was emptied on purpose.
func (s *scanner) enter(payload []byte, from int64) (found, error) {
	if m, ok := parseMark(payload); ok && len(payload) == markSize {
		h := header{kind: kindBlock, seq: m.lastSeq, at: m.lastAt}
		return found{header: h, payload: payload, from: from, to: s.pos(), block: &m}, nil
	}
	if s.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20),
			zstd.IgnoreChecksum(true)) // the checksum of the frame covers it
		if err != nil {
			return found{}, err
		}
		s.zstd = d
	}
	m, ok := parseMark(payload)
	if ok {
		var err error
		s.scratch, err = s.zstd.DecodeAll(payload[markSize:], s.scratch[:0])
		ok = err == nil && len(s.scratch) == int(m.rawLen)
	}
	if !ok {
		return found{from: from, to: s.pos(), damaged: true}, nil
	}
	s.inner = s.scratch
	step, err := s.next()
	step.block = &m
	return step, err
}

func (s *scanner) close() {
	if s.zstd != nil {
		s.zstd.Close()
	}
}
