package journal

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"vmorchestrator/internal/job"
)

// A bundle is a record on its way to another journal: a line of JSON, then its
// segment as it is.
type bundleHead struct {
	Bundle       int      `json:"vmo_record"` // format of the bundle
	Installation string   `json:"installation"`
	Job          job.ID   `json:"job"`
	Size         int64    `json:"size"`   // of the segment
	SHA256       string   `json:"sha256"` // of the segment
	Ledger       []signed `json:"ledger"` // what the ledger of the installation says of it
}

// signed is an entry of a ledger.
type signed struct {
	Body []byte `json:"body"`
	Sig  []byte `json:"sig"`
}

const (
	bundleFormat  = 1
	maxBundleHead = 16 << 20
)

// bundle writes a record of this journal and what the ledger says of it.
func (j *Journal) bundle(ctx context.Context, id job.ID, w io.Writer) error {
	f, err := j.openOwn(id)
	if err != nil {
		return err
	}
	r, err := j.read(id, f)
	if err != nil {
		return err
	}
	defer r.Close()
	head := bundleHead{Bundle: bundleFormat, Installation: j.id, Job: id}
	if o := j.origin(id); o.Installation != "" {
		head.Installation, head.Ledger = o.Installation, o.Ledger
	} else if head.Ledger, err = j.said(id); err != nil {
		return err
	}
	return r.bundle(ctx, head, w)
}

// bundle writes the head, and then the segment as it is.
func (r *Reader) bundle(ctx context.Context, head bundleHead, w io.Writer) error {
	x, err := r.indexed()
	if err != nil {
		return err
	}
	if x.seal == nil {
		return job.WithHint(fmt.Errorf("%w: its record is not complete", job.ErrInvalid), "Wait until the job has ended, or export it in another format.")
	}
	sum := sha256.New()
	if head.Size, err = io.Copy(sum, io.NewSectionReader(r.f, 0, 1<<62)); err != nil {
		return err
	}
	head.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if err := objects(w).Encode(head); err != nil {
		return err
	}
	_, err = io.Copy(w, contextReader{ctx, io.NewSectionReader(r.f, 0, head.Size)})
	return err
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

// said are the entries of the ledger about a job, and the keys that signed them.
func (j *Journal) said(id job.ID) ([]signed, error) {
	f, err := os.Open(filepath.Join(j.dir, ledgerName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []signed
	err = walkLedger(f, 0, func(e job.Entry, _ int64) (bool, error) {
		s, err := e.Statement()
		if err == nil && (s.Job == id || s.Kind == job.EntryKey) {
			out = append(out, signed{e.Body, e.Sig})
		}
		return false, err
	})
	return out, err
}

// origin is where a record was imported from. It stands beside its segment.
type origin struct {
	Installation string    `json:"installation"`
	By           string    `json:"by"`
	At           time.Time `json:"at"`
	Ledger       []signed  `json:"ledger"` // what its own ledger said of it
}

func (j *Journal) originPath(id job.ID) string {
	return strings.TrimSuffix(j.shelfPath(id), segmentSuffix) + ".origin"
}

// origin is empty for a job of this installation.
func (j *Journal) origin(id job.ID) origin {
	var o origin
	data, err := os.ReadFile(j.originPath(id))
	if err == nil && json.Unmarshal(data, &o) != nil {
		o.Installation = "unknown" // it was imported, that much is known
	}
	return o
}

// Import takes in the record of another installation, as Export wrote it. It is
// verified first: its hash chain, and that it is what the ledger there sealed. A
// job that is here already is left as it is, if it is the same; else the import
// fails.
func (j *Journal) Import(ctx context.Context, from io.Reader, by string) (job.Job, error) {
	what, err := j.importFrom(ctx, from, by)
	if err != nil {
		err = fmt.Errorf("import a record: %w", err)
	}
	return what, err
}

func (j *Journal) importFrom(ctx context.Context, from io.Reader, by string) (job.Job, error) {
	if j.readOnly != nil {
		return job.Job{}, j.readOnly
	}
	in := bufio.NewReaderSize(from, 64<<10)
	h, err := readBundleHead(in)
	if err != nil {
		return job.Job{}, err
	}
	if err := j.checkSpace(); err != nil {
		return job.Job{}, err
	}
	f, err := os.CreateTemp(filepath.Join(j.dir, "open"), "import-*")
	if err != nil {
		return job.Job{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), contextReader{ctx, io.LimitReader(in, h.Size+1)})
	if err != nil {
		return job.Job{}, err
	}
	if n != h.Size || hex.EncodeToString(sum.Sum(nil)) != h.SHA256 {
		return job.Job{}, job.WithHint(fmt.Errorf("%w: the file is damaged: it has %d bytes of a record of %d, or others than were exported", job.ErrInvalid, n, h.Size),
			"Export it again, and copy the file as binary.")
	}
	s, what, err := j.inspect(f, h)
	if err != nil {
		return job.Job{}, err
	}
	if have, err := j.Reader(h.Job); err == nil {
		defer have.Close()
		return j.same(have, s, what)
	} else if !errors.Is(err, job.ErrNotFound) {
		return job.Job{}, err
	}
	return j.takeIn(f, h, s, what, by)
}

func readBundleHead(in *bufio.Reader) (bundleHead, error) {
	var h bundleHead
	line, err := in.Peek(len(`{"vmo_record":`))
	if err != nil || string(line) != `{"vmo_record":` {
		return h, job.WithHint(fmt.Errorf("%w: the file is no exported record", job.ErrInvalid),
			"Only what vmo export --format record wrote can be imported: other formats have no proof of what they tell.")
	}
	var head bytes.Buffer
	for head.Len() < maxBundleHead {
		part, err := in.ReadSlice('\n')
		head.Write(part)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return h, fmt.Errorf("%w: the file is cut off", job.ErrInvalid)
		}
	}
	if err := json.Unmarshal(head.Bytes(), &h); err != nil {
		return h, fmt.Errorf("%w: the beginning of the file is not readable: %w", job.ErrInvalid, err)
	}
	if h.Bundle > bundleFormat {
		return h, fmt.Errorf("its format is %d, this program knows up to %d: %w", h.Bundle, bundleFormat, job.ErrNewer)
	}
	if _, err := job.ParseID(string(h.Job)); err != nil || h.Job.Time().IsZero() {
		return h, fmt.Errorf("%w: %q is not a job id", job.ErrInvalid, h.Job)
	}
	if _, err := uuid.Parse(h.Installation); err != nil {
		return h, fmt.Errorf("%w: %q is not an installation", job.ErrInvalid, h.Installation)
	}
	return h, nil
}

// inspect verifies the record in a file.
func (j *Journal) inspect(f *os.File, h bundleHead) (job.Statement, job.Job, error) {
	var s job.Statement
	refuse := func(why string) (job.Statement, job.Job, error) {
		return s, job.Job{}, job.WithHint(fmt.Errorf("%w: the record is not what was recorded: %s", job.ErrInvalid, why),
			"Whoever exported it can look at it with: vmo verify "+string(h.Job))
	}
	r := &Reader{j: j, id: h.Job, f: f, begun: h.Job.Time()}
	if err := r.init(); err != nil {
		return refuse(err.Error())
	}
	defer r.scan.close()
	x, err := r.indexed()
	if err != nil || x.seal == nil {
		return refuse("it has no end")
	}
	s = sealOf(h.Job, r, x)
	sealed := s
	expect := expected{seal: &sealed}
	keys := map[string]ed25519.PublicKey{}
	for _, e := range h.Ledger {
		said, err := job.Entry(e).Statement()
		if err != nil {
			return refuse(err.Error())
		}
		if said.Kind == job.EntryKey {
			public, err := base64.StdEncoding.DecodeString(said.Key)
			if err != nil || len(public) != ed25519.PublicKeySize {
				return refuse("a key of its installation is none")
			}
			keys[keyID(public)] = public
			continue
		}
		if key := keys[said.Key]; len(e.Sig) > 0 && (key == nil || !ed25519.Verify(key, e.Body, e.Sig)) {
			return refuse("what the ledger of its installation says has a wrong signature")
		}
		switch {
		case said.Job != h.Job:
		case said.Kind == job.EntrySpill:
			expect.spilled = append(expect.spilled, said)
		case sealing(said.Kind) && said.Digest != s.Digest:
			return refuse("the ledger of its installation sealed another one")
		}
	}
	own, err := os.Open(f.Name()) // closed with the parts
	if err != nil {
		return s, job.Job{}, err
	}
	parts, err := newParts(h.Job, own)
	if err != nil {
		return s, job.Job{}, errors.Join(err, own.Close())
	}
	defer parts.Close()
	v := Verdict{Job: h.Job, Result: Intact}
	w := recordCheck{v: &v, x: &expect}
	if err := w.read(parts); err != nil {
		return refuse(err.Error())
	}
	w.close(false)
	if v.Result != Intact {
		return refuse(strings.Join(v.Findings, "; "))
	}
	what, err := told(w.part, x, s)
	if err != nil {
		return refuse(err.Error())
	}
	return s, what, nil
}

// told is the job as the parts of a record that the chain covers tell it. The
// summary in the seal is not covered, so it must say the same.
func told(part job.Part, x *index, s job.Statement) (job.Job, error) {
	b := Replica{begin: part.Opening.Begin, marks: x.marks}
	if part.Start != nil {
		b.start = decode[startBody](part.Start.Body)
	}
	if part.End == nil {
		return job.Job{}, errors.New("it has no end")
	}
	what, err := b.summary(*part.End)
	if err != nil {
		return job.Job{}, err
	}
	if !slices.Contains(job.States, what.State) || !what.State.Final() {
		return job.Job{}, fmt.Errorf("%q is no end of a job", what.State)
	}
	what.Unrecorded = x.seal.Job.Unrecorded
	got, _ := json.Marshal(x.seal.Job)
	want, _ := json.Marshal(*what)
	if what.ID != s.Job || !bytes.Equal(got, want) {
		return job.Job{}, errors.New("its summary is not that of the record")
	}
	return *what, nil
}

// same is the job that is here already, if its record is the same.
func (j *Journal) same(have *Reader, s job.Statement, what job.Job) (job.Job, error) {
	x, err := have.indexed()
	if err != nil {
		return job.Job{}, err
	}
	if x.seal == nil || x.seal.Head != s.Digest {
		return job.Job{}, job.WithHint(fmt.Errorf("%w: job %s is here already, with another record", job.ErrInvalid, what.ID),
			"One of the two was changed. Compare them with: vmo verify "+string(what.ID))
	}
	what.Origin = j.origin(what.ID).Installation
	return what, nil
}

// takeIn puts a verified record on its shelf.
func (j *Journal) takeIn(f *os.File, h bundleHead, s job.Statement, what job.Job, by string) (job.Job, error) {
	if err := f.Sync(); err != nil {
		return what, err
	}
	path := j.shelfPath(h.Job)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return what, err
	}
	s.Kind, s.By, s.Why, s.Host = job.EntryImport, by, "from installation "+h.Installation, what.Host
	if h.Installation != j.id {
		what.Origin = h.Installation
		data, err := json.Marshal(origin{Installation: h.Installation, By: by, At: time.Now().UTC(), Ledger: h.Ledger})
		if err != nil {
			return what, err
		}
		_ = os.Remove(j.originPath(h.Job)) // of an import that did not get further
		if err := writeSynced(j.originPath(h.Job), data); err != nil {
			return what, err
		}
	}
	if err := j.ledger.add(s); err != nil {
		return what, err
	}
	// Not a rename: what another import has put there meanwhile stays.
	if err := os.Link(f.Name(), path); errors.Is(err, os.ErrExist) {
		return what, fmt.Errorf("job %s: %w", h.Job, ErrBusy)
	} else if err != nil {
		if err := os.Rename(f.Name(), path); err != nil { // a file system without links
			return what, err
		}
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return what, err
	}
	j.list(what)
	j.hint(what.ID)
	return what, nil
}
