package journal

import (
	"crypto/ed25519"
	"encoding/base64"

	"vmorchestrator/internal/job"
)

// checker walks through a ledger.
type checker struct {
	e    Evidence
	v    *Verdict
	keys map[string][]byte // by their ids

	n        uint64
	last     string
	signed   bool // the last entry was
	unsigned int  // entries since the last signature
	bad      int
}

// Findings about single entries are cut off here: a ledger of a million entries
// that is broken everywhere is told in a few lines.
const maxFindings = 20

func (c *checker) find(r Result, format string, args ...any) {
	c.bad++
	if c.bad <= maxFindings {
		c.v.find(r, format, args...)
	} else if r.worse(c.v.Result) {
		c.v.Result = r
	}
}

// check looks at the next entry. It reports false for one that cannot be read.
func (c *checker) check(e job.Entry) (job.Statement, bool) {
	c.n++
	s, err := e.Statement()
	if err != nil {
		c.find(Tampered, "entry %d of the ledger cannot be read", c.n)
		c.last = hexOf(e.Hash())
		return s, false
	}
	if s.N != c.n {
		c.find(Tampered, "entry %d of the ledger stands where entry %d must be: entries were removed, added or moved", s.N, c.n)
		c.n = s.N
	}
	if s.Prev != c.last {
		c.find(Tampered, "entry %d of the ledger does not fit to the one before it: one of them was edited, removed or moved", s.N)
	}
	if s.Installation != c.e.Installation {
		c.find(Tampered, "entry %d of the ledger is of another installation, %s", s.N, s.Installation)
	}
	c.signature(e, s)
	hash := e.Hash()
	c.last = hexOf(hash)
	for _, w := range c.e.Witnesses {
		if w.N == s.N && w.Hash != hash {
			c.find(Tampered, "entry %d of the ledger is not the one that %s remembers: the ledger was rewritten", s.N, w.Who)
		}
	}
	return s, true
}

func (c *checker) signature(e job.Entry, s job.Statement) {
	c.unsigned++
	if len(e.Sig) == 0 {
		return
	}
	public, known := c.keys[s.Key]
	if s.Kind == job.EntryKey {
		var err error
		if public, err = base64.StdEncoding.DecodeString(s.Key); err != nil || len(public) != ed25519.PublicKeySize {
			c.find(Tampered, "entry %d of the ledger introduces a key that is none", s.N)
			return
		}
		known = true
		c.keys[keyID(public)] = public
		if c.e.Key != "" && s.Key != c.e.Key {
			c.v.Findings = append(c.v.Findings, "the ledger was also signed with the key "+keyID(public)+", which is not the one of this machine now")
		}
	}
	switch {
	case !known:
		c.find(Tampered, "entry %d of the ledger is signed with a key that the ledger does not introduce", s.N)
	case !ed25519.Verify(public, e.Body, e.Sig):
		c.find(Tampered, "entry %d of the ledger has a wrong signature", s.N)
	default:
		c.unsigned = 0
		c.signed = true
	}
}

// finish looks at the ledger as a whole.
func (c *checker) finish() {
	for _, w := range c.e.Witnesses {
		if w.N > c.n {
			c.find(Tampered, "the ledger ends with entry %d, and %s remembers entry %d: its end was cut off", c.n, w.Who, w.N)
		}
	}
	if c.e.Key != "" && c.signed {
		if public, err := base64.StdEncoding.DecodeString(c.e.Key); err == nil && c.keys[keyID(public)] == nil {
			c.find(Tampered, "the ledger is signed, and never with the key of this machine")
		}
	}
	if c.n > 0 && !c.signed {
		c.find(Unknown, "the ledger is not signed: whoever could write it could change it")
	}
	if c.bad > maxFindings {
		c.v.find(c.v.Result, "and %d more", c.bad-maxFindings)
	}
}
