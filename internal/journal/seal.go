package journal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"

	"vmorchestrator/internal/job"
)

// A segment starts with a prelude and, once its job has ended, closes with a
// seal frame. The payload of the seal is
//
//	4 bytes  length of the body
//	n bytes  sealBody as JSON
//	m bytes  every mark of the segment, the index
//	8 bytes  file offset of the seal frame
//	8 bytes  sealMagic
//
// so that a reader finds the index from the end of the file.
const (
	preludeSize   = 40
	segmentMagic  = "VMOSEG"
	segmentFormat = 1
	sealMagic     = "VMOSEAL1"
)

type sealBody struct {
	Begin json.RawMessage `json:"begin"` // once more, in case the frame is damaged
	Job   job.Job         `json:"job"`   // as it ended
	Head  string          `json:"head"`  // of the chain, hexadecimal; covers the ending too
}

// appendPrelude starts a segment and draws the seed of its checksums, kept
// three times because nothing can be read without it.
//
//	0  magic    6 bytes
//	6  format   2 bytes
//	8  seed     3 × 8 bytes
//	32 crc      4 bytes, CRC-32C of the 32 bytes before it
//	36 zeros    4 bytes
func appendPrelude(b []byte) ([]byte, uint32) {
	var secret [8]byte
	rand.Read(secret[:]) // never fails, see its documentation
	start := len(b)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint16(b, segmentFormat)
	for range 3 {
		b = append(b, secret[:]...)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
	return append(b, 0, 0, 0, 0), crc32.Checksum(secret[:], castagnoli)
}

// parsePrelude returns the seed and refuses segments of a newer version. A
// damaged prelude is outvoted byte by byte.
func parsePrelude(f io.ReaderAt) (seed uint32, err error) {
	var b [preludeSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return 0, fmt.Errorf("read the beginning of the segment: %w", err)
	}
	whole := crc32.Checksum(b[:32], castagnoli) == binary.LittleEndian.Uint32(b[32:])
	if format := binary.LittleEndian.Uint16(b[6:]); whole && format > segmentFormat {
		return 0, fmt.Errorf("segment format %d, this program reads up to %d: %w", format, segmentFormat, job.ErrNewer)
	}
	var secret [8]byte
	for i := range secret {
		x, y, z := b[8+i], b[16+i], b[24+i]
		secret[i] = x
		if y == z {
			secret[i] = y
		}
	}
	return crc32.Checksum(secret[:], castagnoli), nil
}

func head(chain [32]byte, end []byte) string {
	h := sha256.New()
	h.Write(chain[:])
	digest := sha256.Sum256(end)
	h.Write(digest[:])
	return hex.EncodeToString(h.Sum(nil))
}

func appendSeal(buf []byte, seed uint32, offset int64, body sealBody, marks []mark, seq uint64, at int64) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		panic("journal: a job cannot be written as JSON: " + err.Error()) // it was, at its beginning
	}
	payload := make([]byte, 0, 4+len(text)+len(marks)*markSize+16)
	payload = binary.LittleEndian.AppendUint32(payload, uint32(len(text)))
	payload = append(payload, text...)
	for i := range marks {
		payload = marks[i].append(payload)
	}
	payload = binary.LittleEndian.AppendUint64(payload, uint64(offset))
	payload = append(payload, sealMagic...)
	return appendFrame(buf, seed, kindSeal, seq, at, payload)
}

// readSeal finds the seal at the end of a segment of the given size. It is
// false for a segment that is not sealed, or whose seal is damaged.
func readSeal(f io.ReaderAt, seed uint32, size int64) (body sealBody, marks []mark, ok bool) {
	var trailer [16]byte
	if size < preludeSize+headerSize+int64(len(trailer)) {
		return body, nil, false
	}
	if _, err := f.ReadAt(trailer[:], size-int64(len(trailer))); err != nil || string(trailer[8:]) != sealMagic {
		return body, nil, false
	}
	offset := int64(binary.LittleEndian.Uint64(trailer[:]))
	if offset < preludeSize || offset > size-headerSize || size-offset > maxMeta {
		return body, nil, false
	}
	frame := make([]byte, size-offset)
	if _, err := f.ReadAt(frame, offset); err != nil {
		return body, nil, false
	}
	h, payload, n, result := parseFrame(frame, seed)
	if result != parseOK || h.kind != kindSeal || n != len(frame) || len(payload) < 4+16 {
		return body, nil, false
	}
	text := int(binary.LittleEndian.Uint32(payload))
	index := payload[4 : len(payload)-16]
	if text > len(index) || json.Unmarshal(index[:text], &body) != nil {
		return body, nil, false
	}
	index = index[text:]
	marks = make([]mark, 0, len(index)/markSize)
	for len(index) >= markSize {
		m, _ := parseMark(index)
		marks = append(marks, m)
		index = index[markSize:]
	}
	return body, marks, len(index) == 0
}
