package job

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// Part is a piece of a record as it travels from the journal to the archive and
// back: what opens it, blocks of output in order, and how it began and ended as
// far as that is known.
type Part struct {
	Opening Opening
	Blocks  []Block
	Start   *Mark // when its process existed; nil before
	End     *Mark // how it ended; nil before
	Sealed  bool  // no block follows and End is set
}

// Opening opens a record. Begin is the [Job] as JSON, byte for byte as it was
// signed; Prelude is the beginning of its segment, which readers need to check
// frames.
type Opening struct {
	ID      ID
	Prelude []byte
	Begin   []byte
}

// Mark is an event of the record itself: Body is JSON, byte for byte as it was
// recorded, Seq the number of the last chunk before it, At the nanoseconds since
// the job was begun.
type Mark struct {
	Seq  uint64
	At   int64
	Body []byte
}

// Block is about 64 KiB of a record: chunks with their headers, in order. Head
// is what the hash chain covers of it besides the digest of its frames, and
// says what it holds; Data is the frames compressed with zstd, or nil if they
// were removed on purpose.
type Block struct {
	Number            uint32 // from 0, without gaps
	FirstSeq, LastSeq uint64
	Offset            uint64 // bytes of output before it
	Bytes             uint32 // of output in it
	FirstLine         uint64 // newlines before it
	Lines             uint32
	FirstAt, LastAt   int64 // nanoseconds since the job was begun
	RawLen            uint32
	Digest            [32]byte // SHA-256 of its frames, uncompressed
	Chain             [32]byte // of the chain up to and with it
	Data              []byte
}

// EntryKind is what an entry of a ledger is about.
type EntryKind string

// The kinds of entries.
const (
	EntryKey    EntryKind = "key"    // a new signing key; Key is the public key
	EntryBegin  EntryKind = "begin"  // a job was begun; Digest is that of Opening.Begin
	EntrySeal   EntryKind = "seal"   // its record is complete; Digest is the head of its chain
	EntryAdopt  EntryKind = "adopt"  // a record that is older than the ledger; as seal
	EntryImport EntryKind = "import" // a record of another installation; as seal
	EntryRemove EntryKind = "remove" // a record was removed; Digest is the head that it had
	EntrySpill  EntryKind = "spill"  // blocks First to Last of a record were emptied
	EntryPin    EntryKind = "pin"    // a record is to be kept
	EntryUnpin  EntryKind = "unpin"
	EntryShare  EntryKind = "share" // records begun before From are not shipped to the archive that Why names

	EntryNote    EntryKind = "note"    // Text was noted on the job About
	EntryLabel   EntryKind = "label"   // it got the label Text
	EntryUnlabel EntryKind = "unlabel" // the label Text was taken off it
	EntrySetting EntryKind = "setting" // something was set: Text says what, Host for which host if for one
	EntryConnect EntryKind = "connect" // Host was connected to, and no job needed it, but perhaps one that was lost; Text says which way
)

// Statement is what an entry of a ledger says. The ledger of an installation is
// append-only; numbers start at 1 and have no gaps, and each statement names the
// hash of the one before, so that none can be removed or changed without all
// that follow.
type Statement struct {
	N            uint64    `json:"n"`
	Installation string    `json:"installation"`
	Prev         string    `json:"prev"` // hexadecimal SHA-256 of the body of the entry before; empty in the first
	Kind         EntryKind `json:"kind"`
	At           time.Time `json:"at"`
	Job          ID        `json:"job,omitempty"`
	Digest       string    `json:"digest,omitempty"` // hexadecimal
	Start        string    `json:"start,omitempty"`  // seal: digest of the body of its start
	Blocks       uint32    `json:"blocks,omitempty"` // seal: how many the record has
	Chunks       uint64    `json:"chunks,omitempty"`
	Bytes        uint64    `json:"bytes,omitempty"`
	First        uint32    `json:"first,omitempty"` // spill
	Last         uint32    `json:"last,omitempty"`
	Key          string    `json:"key,omitempty"`  // key: the public key, base64; else which key signs
	Kept         string    `json:"kept,omitempty"` // key: where its private half is kept
	From         time.Time `json:"from,omitzero"`  // share
	By           string    `json:"by,omitempty"`   // remove, spill, pin and what was said: who
	Why          string    `json:"why,omitempty"`
	About        ID        `json:"about,omitempty"` // note, label, connect: a job of any installation, which this entry says nothing else of
	Host         string    `json:"host,omitempty"`  // of the job that it is about; "" is this machine
	Text         string    `json:"text,omitempty"`
}

// Entry is one entry of a ledger: a Statement as JSON, byte for byte as it was
// hashed and signed. Sig is the Ed25519 signature of Body (RFC 8032); it may be
// empty, since a later signed entry covers it.
type Entry struct {
	Body []byte
	Sig  []byte
}

// Hash is what the next entry names as Prev.
func (e Entry) Hash() [32]byte { return sha256.Sum256(e.Body) }

// Statement reads the body.
func (e Entry) Statement() (Statement, error) {
	var s Statement
	if err := json.Unmarshal(e.Body, &s); err != nil {
		return s, fmt.Errorf("%w: an entry of the ledger is not readable: %w", ErrInvalid, err)
	}
	return s, nil
}
