package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// A mark closes a block: about 64 KiB of chunk frames. It says what the block
// holds, so that a reader can skip it, and carries the hash chain.
type mark struct {
	number            uint32 // of the block, from 0
	firstSeq, lastSeq uint64
	offset            uint64 // bytes of output before the block
	bytes             uint32 // of output in it
	firstLine         uint64 // newlines before the block
	lines             uint32 // newlines in it
	firstAt, lastAt   int64
	rawLen            uint32   // length of its frames, uncompressed
	digest            [32]byte // SHA-256 of its frames, uncompressed
	chain             [32]byte // SHA-256 of the chain before, the fields above, the digest
	fileOffset        uint64   // where its frames (or its compressed frame) start
	fileLen           uint32
	prev              uint64 // file offset of the mark before; 0 for the first
}

const (
	markHeaderSize = 4 + 8*2 + 8 + 4 + 8 + 4 + 8*2 + 4
	markSize       = markHeaderSize + 32 + 32 + 8 + 4 + 8

	// blockSize is the length of frames after which a block is closed. 64 KiB
	// compresses as well as 1 MiB does, and is cheap to seek in and small to lose.
	blockSize = 64 << 10
)

func (m *mark) appendHeader(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, m.number)
	b = binary.LittleEndian.AppendUint64(b, m.firstSeq)
	b = binary.LittleEndian.AppendUint64(b, m.lastSeq)
	b = binary.LittleEndian.AppendUint64(b, m.offset)
	b = binary.LittleEndian.AppendUint32(b, m.bytes)
	b = binary.LittleEndian.AppendUint64(b, m.firstLine)
	b = binary.LittleEndian.AppendUint32(b, m.lines)
	b = binary.LittleEndian.AppendUint64(b, uint64(m.firstAt))
	b = binary.LittleEndian.AppendUint64(b, uint64(m.lastAt))
	return binary.LittleEndian.AppendUint32(b, m.rawLen)
}

func (m *mark) append(b []byte) []byte {
	b = m.appendHeader(b)
	b = append(b, m.digest[:]...)
	b = append(b, m.chain[:]...)
	b = binary.LittleEndian.AppendUint64(b, m.fileOffset)
	b = binary.LittleEndian.AppendUint32(b, m.fileLen)
	return binary.LittleEndian.AppendUint64(b, m.prev)
}

func parseMark(b []byte) (m mark, ok bool) {
	if len(b) < markSize {
		return m, false
	}
	u32 := func() uint32 { v := binary.LittleEndian.Uint32(b); b = b[4:]; return v }
	u64 := func() uint64 { v := binary.LittleEndian.Uint64(b); b = b[8:]; return v }
	m.number = u32()
	m.firstSeq, m.lastSeq = u64(), u64()
	m.offset, m.bytes = u64(), u32()
	m.firstLine, m.lines = u64(), u32()
	m.firstAt, m.lastAt = int64(u64()), int64(u64())
	m.rawLen = u32()
	b = b[copy(m.digest[:], b):]
	b = b[copy(m.chain[:], b):]
	m.fileOffset, m.fileLen, m.prev = u64(), u32(), u64()
	return m, true
}

// link sets the chain: over the digest and not over the bytes, so that a block
// that had to be removed leaves a chain that still verifies, and not over the
// place in the file, so that compressing a segment does not change it.
func (m *mark) link(before [32]byte) {
	h := sha256.New()
	h.Write(before[:])
	h.Write(m.appendHeader(nil))
	h.Write(m.digest[:])
	h.Sum(m.chain[:0])
}

// end of the block in lines and bytes of output.
func (m *mark) endLine() uint64   { return m.firstLine + uint64(m.lines) }
func (m *mark) endOffset() uint64 { return m.offset + uint64(m.bytes) }

func after(begun time.Time, at int64) time.Time { return begun.Add(time.Duration(at)) }
