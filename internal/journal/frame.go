package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame is the unit of a segment: a header of fixed size, then the payload.
//
//	0  magic    2 bytes, to find the next frame behind damage
//	2  kind     1 byte
//	3  flags    1 byte, zero
//	4  length   4 bytes, of the payload
//	8  seq      8 bytes, the number of the chunk; in other frames that of the last chunk
//	16 at       8 bytes, nanoseconds since the job was begun; never decreases
//	24 crc      4 bytes, CRC-32C of the 24 bytes before it and the payload,
//	            continued from the segment's secret seed
//
// Integers are little endian. The seed is random: a job that prints something
// that looks like frames cannot make a reader that looks for the next frame
// behind damage take it for one.
const (
	headerSize = 28
	magic0     = 0xF7
	magic1     = 'V'

	// maxChunk bounds the output in one frame, and so what one flipped bit can cost.
	maxChunk = 64 << 10
	// maxMeta bounds every other payload; a footer of a 64 GiB job has 100 MB.
	maxMeta = 512 << 20
)

type kind uint8

// The first four equal the streams of package job.
const (
	kindStdout kind = 1
	kindStderr kind = 2
	kindTTY    kind = 3
	kindEvent  kind = 4  // payload: a job.Note as JSON
	kindBegin  kind = 16 // payload: the job.Job as JSON, durable before its process exists
	kindStart  kind = 17 // payload: startBody as JSON
	kindEnd    kind = 18 // payload: the job.Exit as JSON
	kindMark   kind = 19 // payload: a mark; closes a block
	kindBlock  kind = 20 // payload: a mark, then the frames of the block, zstd
	kindSeal   kind = 21 // payload: see seal.go; the last frame of a segment
)

func (k kind) isChunk() bool { return k >= kindStdout && k <= kindEvent }

func (k kind) valid() bool { return k.isChunk() || k >= kindBegin && k <= kindSeal }

type header struct {
	kind kind
	len  uint32
	seq  uint64
	at   int64
	crc  uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame appends one frame to buf.
func appendFrame(buf []byte, seed uint32, k kind, seq uint64, at int64, payload []byte) []byte {
	start := len(buf)
	buf = append(buf, magic0, magic1, byte(k), 0)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(payload)))
	buf = binary.LittleEndian.AppendUint64(buf, seq)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(at))
	crc := crc32.Update(seed, castagnoli, buf[start:])
	crc = crc32.Update(crc, castagnoli, payload)
	buf = binary.LittleEndian.AppendUint32(buf, crc)
	return append(buf, payload...)
}

type parse int

const (
	parseOK   parse = iota
	parseMore       // buf ends inside what may be a whole frame
	parseBad        // no frame starts here
)

// parseFrame reads the frame at the start of buf. The payload aliases buf.
func parseFrame(buf []byte, seed uint32) (h header, payload []byte, size int, result parse) {
	if len(buf) < headerSize {
		return h, nil, 0, parseMore
	}
	h, ok := parseHeader(buf)
	if !ok {
		return h, nil, 0, parseBad
	}
	size = headerSize + int(h.len)
	if len(buf) < size {
		return h, nil, size, parseMore
	}
	payload = buf[headerSize:size]
	crc := crc32.Update(seed, castagnoli, buf[:24])
	if crc32.Update(crc, castagnoli, payload) != h.crc {
		return h, nil, size, parseBad
	}
	return h, payload, size, parseOK
}

// wholeFrames is the length of the whole frames at the start of buf, which holds
// frames of our own making.
func wholeFrames(buf []byte) int {
	n := 0
	for n+headerSize <= len(buf) {
		size := headerSize + int(binary.LittleEndian.Uint32(buf[n+4:]))
		if n+size > len(buf) {
			break
		}
		n += size
	}
	return n
}

// parseHeader reads a header that could be one; only the CRC proves it.
func parseHeader(buf []byte) (header, bool) {
	h := header{
		kind: kind(buf[2]),
		len:  binary.LittleEndian.Uint32(buf[4:]),
		seq:  binary.LittleEndian.Uint64(buf[8:]),
		at:   int64(binary.LittleEndian.Uint64(buf[16:])),
		crc:  binary.LittleEndian.Uint32(buf[24:]),
	}
	if buf[0] != magic0 || buf[1] != magic1 || buf[3] != 0 || !h.kind.valid() {
		return h, false
	}
	if h.kind.isChunk() {
		return h, h.len <= maxChunk
	}
	return h, h.len <= maxMeta
}
