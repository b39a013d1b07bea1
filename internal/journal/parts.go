package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"vmorchestrator/internal/job"
)

// Parts reads the record of a job, living or ended, in the parts in which it
// travels. What it returns is what was recorded: a block that is damaged on the
// disk comes without its data.
//
// It may be used by one goroutine at a time and owns none. Close it.
type Parts struct {
	id      job.ID
	f       *os.File
	seed    uint32
	opening job.Opening
	begun   beginning
	end     *job.Mark
	sealed  bool

	scan *scanner
	next uint32 // number of the block that the scan comes to
	raws []byte // frames of the open block
	hurt bool   // some of them are damaged
	raw  bool   // blocks stay uncompressed, see verify.go

	lasting bool         // see Lasting
	forced  int64        // so much of the file is on the disk for sure
	sync    func() error // tests look
	zstd    *zstd.Encoder
}

// Parts opens the record of a job. Errors are those of [Journal.Reader].
func (j *Journal) Parts(id job.ID) (*Parts, error) {
	f, err := j.openOwn(id)
	if err != nil {
		return nil, err
	}
	p, err := newParts(id, f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the record of job %s: %w", id, err), f.Close())
	}
	return p, nil
}

// Lasting makes Part give only what no power cut takes back: the segment is forced
// to the disk first. What leaves this machine must be so, or a record that lost its
// last second would differ from its copy. It returns p.
func (p *Parts) Lasting() *Parts {
	p.lasting = true
	return p
}

// atRest is an age at which the keeper has forced a segment to the disk many times.
const atRest = time.Minute

// force forces to the disk what was read. Segments at rest are there already.
func (p *Parts) force() error {
	info, err := p.f.Stat()
	if err != nil || info.Size() == p.forced {
		return err
	}
	if time.Since(info.ModTime()) < atRest {
		// Windows flushes only what is opened for writing. There the second of the
		// keeper has to do.
		if err := p.sync(); err != nil && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("force it to the disk: %w", err)
		}
	}
	p.forced = info.Size()
	return nil
}

func newParts(id job.ID, f *os.File) (*Parts, error) {
	seed, err := parsePrelude(f)
	if err != nil {
		return nil, err
	}
	p := &Parts{id: id, f: f, sync: f.Sync, seed: seed, opening: job.Opening{ID: id, Prelude: make([]byte, preludeSize)}}
	if _, err := f.ReadAt(p.opening.Prelude, 0); err != nil {
		return nil, err
	}
	if p.zstd, err = newEncoder(); err != nil {
		return nil, err
	}
	p.rewind(preludeSize, 0)
	return p, nil
}

// newEncoder compresses as the journal does: the better levels take three times
// as long and gain nothing on logs.
func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
}

func (p *Parts) rewind(off int64, next uint32) {
	if p.scan != nil {
		p.scan.close()
	}
	p.scan = newScanner(p.f, p.seed, off)
	p.scan.whole = true
	p.next, p.raws, p.hurt = next, p.raws[:0], false
}

// Close gives the file back.
func (p *Parts) Close() error {
	p.scan.close()
	return errors.Join(p.zstd.Close(), p.f.Close())
}

// Part returns the closed blocks from number from on: at least one if there is
// one, and then up to about limit bytes of data; and what is known of how the
// job began and ended. Sealed tells that Blocks are the last.
func (p *Parts) Part(from uint32, limit int) (job.Part, error) {
	part, err := p.part(from, limit)
	if err != nil {
		err = fmt.Errorf("read the record of job %s: %w", p.id, err)
	}
	return part, err
}

func (p *Parts) part(from uint32, limit int) (job.Part, error) {
	if p.begun.start == nil || p.begun.begin == nil {
		p.begun = readBeginning(p.f, p.seed)
		p.opening.Begin = p.begun.begin
	}
	if from != p.next {
		if err := p.seek(from); err != nil {
			return job.Part{}, err
		}
	}
	part := job.Part{Opening: p.opening, Start: p.begun.start}
	size := 0
	for size < limit {
		step, err := p.scan.next()
		if errors.Is(err, errTail) {
			break
		}
		if err != nil {
			return job.Part{}, err
		}
		if b, ok := p.block(step); ok && b.Number >= from {
			size += len(b.Data) + 1
			part.Blocks = append(part.Blocks, b)
		}
		if p.sealed && step.kind == kindSeal {
			p.scan.seek(step.from) // to find it again next time
			break
		}
	}
	part.End = p.end
	part.Sealed = p.sealed && size < limit
	if p.lasting && (len(part.Blocks) > 0 || part.Sealed) {
		return part, p.force()
	}
	return part, nil
}

// Left is how many bytes of output are in the closed blocks from number from on.
func (p *Parts) Left(from uint32) (uint64, error) {
	x, err := p.index()
	if err != nil {
		return 0, fmt.Errorf("read the record of job %s: %w", p.id, err)
	}
	n := len(x.marks)
	if i := slices.IndexFunc(x.marks, func(m mark) bool { return m.number >= from }); i >= 0 {
		return x.marks[n-1].endOffset() - x.marks[i].offset, nil
	}
	return 0, nil
}

func (p *Parts) index() (*index, error) {
	info, err := p.f.Stat()
	if err != nil {
		return nil, err
	}
	return readIndex(p.f, p.seed, info.Size())
}

// seek moves to the block with a number, or to the nearest before it.
func (p *Parts) seek(from uint32) error {
	x, err := p.index()
	if err != nil {
		return err
	}
	for i := range x.marks {
		if x.marks[i].number >= from {
			p.rewind(int64(x.marks[i].fileOffset), x.marks[i].number)
			return nil
		}
	}
	p.rewind(preludeSize, 0)
	return nil
}

// block takes a frame and returns the block that it closes, if it does.
func (p *Parts) block(step found) (job.Block, bool) {
	switch {
	case step.damaged:
		p.hurt = true
	case step.kind == kindEnd:
		p.end = &job.Mark{Seq: step.seq, At: step.at, Body: append([]byte{}, step.payload...)}
	case step.kind == kindSeal:
		p.sealed = true
	case step.kind == kindBlock:
		m, ok := parseMark(step.payload)
		if !ok {
			return job.Block{}, false
		}
		p.next = m.number + 1
		b := m.block()
		b.Data = append([]byte(nil), step.payload[markSize:]...) // nil if it was emptied
		if p.raw && b.Data != nil {
			b.Data, _ = decompress(b.Data, m.rawLen) // without its data if that fails
		}
		return b, true
	case step.kind == kindMark:
		m, ok := parseMark(step.payload)
		if !ok || len(p.raws) == 0 && m.number < p.next { // that of a block in a replica
			return job.Block{}, false
		}
		p.next = m.number + 1
		b := m.block()
		if !p.hurt && len(p.raws) == int(m.rawLen) {
			if p.raw {
				b.Data = append([]byte(nil), p.raws...)
			} else {
				b.Data = p.zstd.EncodeAll(p.raws, nil)
			}
		}
		p.raws, p.hurt = p.raws[:0], false
		return b, true
	case step.kind.isChunk():
		p.raws = appendFrame(p.raws, p.seed, step.kind, step.seq, step.at, step.payload)
	}
	return job.Block{}, false
}

// block is a mark as it travels.
func (m *mark) block() job.Block {
	return job.Block{
		Number: m.number, FirstSeq: m.firstSeq, LastSeq: m.lastSeq, Offset: m.offset, Bytes: m.bytes,
		FirstLine: m.firstLine, Lines: m.lines, FirstAt: m.firstAt, LastAt: m.lastAt, RawLen: m.rawLen,
		Digest: m.digest, Chain: m.chain,
	}
}

func markOf(b job.Block) mark {
	return mark{
		number: b.Number, firstSeq: b.FirstSeq, lastSeq: b.LastSeq, offset: b.Offset, bytes: b.Bytes,
		firstLine: b.FirstLine, lines: b.Lines, firstAt: b.FirstAt, lastAt: b.LastAt, rawLen: b.RawLen,
		digest: b.Digest, chain: b.Chain,
	}
}

// decompress undoes the compression of a block. What comes from elsewhere may be
// anything, so its length must be the one that is expected.
func decompress(data []byte, rawLen uint32) ([]byte, error) {
	if rawLen > maxRaw {
		return nil, fmt.Errorf("%w: a block of %d bytes", job.ErrInvalid, rawLen)
	}
	z, err := decoder()
	if err != nil {
		return nil, err
	}
	raws, err := z.DecodeAll(data, make([]byte, 0, rawLen))
	if err == nil && len(raws) != int(rawLen) {
		err = fmt.Errorf("%w: a block is %d bytes long instead of %d", job.ErrInvalid, len(raws), rawLen)
	}
	if err != nil {
		return nil, err
	}
	return raws, nil
}

// maxRaw bounds the frames of a block: it is closed by the chunk that fills it.
const maxRaw = blockSize + maxChunk + 2*headerSize

// decoder is shared: DecodeAll may be called from several goroutines.
var decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(4*maxRaw))
})
