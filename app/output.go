package app

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Output serves the bytes of records to the page, through the asset server:
//
//	GET /journal/output?q=ID.AFTER&…  chunks, binary, of several jobs at once
//	GET /journal/lines?job=ID&from=N&count=M  lines, JSON
//	GET /journal/seek?job=ID&at=MS    the place of a moment, JSON
//
// The page asks for more when it has drawn the last, which is all the flow
// control there is. Answers are at most about a megabyte.
type Output struct {
	shell   *shell
	readers *readers
}

func newOutput(s *shell) *Output { return &Output{s, newReaders(s)} }

func (o *Output) close() { o.readers.close() }

// policy allows what the window needs and nothing else. Scripts come only from
// the program itself; style elements are how xterm.js draws.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'%s; base-uri 'none'; form-action 'none'; frame-src 'none'; object-src 'none'"

// Middleware answers /journal/ and puts the content policy on everything.
func (o *Output) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localHost(r.Host) {
			http.Error(w, "only this machine may ask", http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", fmt.Sprintf(policy, extraConnect))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if probed(w, r) {
			return
		}
		path, ours := strings.CutPrefix(r.URL.Path, "/journal/")
		if !ours {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Cache-Control", "no-store")
		body, err := o.answer(path, r)
		if err != nil {
			h.Set("Content-Type", "application/json")
			w.WriteHeader(status(err))
			_ = json.NewEncoder(w).Encode(failure(err)) // the page has gone
			return
		}
		h.Set("Content-Type", body.kind)
		_, _ = w.Write(body.data) // the page has gone
	})
}

type body struct {
	kind string
	data []byte
}

func (o *Output) answer(path string, r *http.Request) (body, error) {
	q := r.URL.Query()
	switch {
	case r.Method != http.MethodGet:
		return body{}, fmt.Errorf("%w: %s", job.ErrInvalid, r.Method)
	case path == "output":
		data, err := o.frames(q)
		return body{"application/octet-stream", data}, err
	case path == "lines":
		return o.json(o.lines(q))
	case path == "seek":
		return o.json(o.seek(q))
	}
	return body{}, fmt.Errorf("/journal/%s: %w", path, job.ErrNotFound)
}

func (o *Output) json(v any, err error) (body, error) {
	if err != nil {
		return body{}, err
	}
	data, err := json.Marshal(v)
	return body{"application/json", data}, err
}

func status(err error) int {
	switch {
	case errors.Is(err, job.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, job.ErrNotFound):
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

const (
	defaultOutput = 256 << 10
	mostOutput    = 1 << 20
	mostLines     = 2000
	// merge joins chunks of one stream that came so shortly after each other
	// that no eye can tell.
	merge = 8 * time.Millisecond
)

// frames answers with chunks behind each asked place, fairly shared.
func (o *Output) frames(q url.Values) ([]byte, error) {
	limit, err := number(q, "max", defaultOutput, mostOutput)
	if err != nil {
		return nil, err
	}
	tail, err := number(q, "tail", 0, 1<<40)
	if err != nil {
		return nil, err
	}
	until, err := number(q, "until", 0, 1<<50)
	if err != nil {
		return nil, err
	}
	asked := q["q"]
	if len(asked) == 0 || len(asked) > 64 {
		return nil, fmt.Errorf("%w: %d jobs asked for at once", job.ErrInvalid, len(asked))
	}
	var out []byte
	for i, one := range asked {
		id, after, ok := strings.Cut(one, ".")
		seq, err := strconv.ParseUint(after, 10, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("%w: q=%q", job.ErrInvalid, one)
		}
		f := framer{out: out, index: uint16(i), open: -1}
		if until > 0 {
			f.until = time.UnixMilli(int64(until)).Add(time.Millisecond)
		}
		err = o.readers.with(job.ID(id), func(r *engine.Reader) error {
			return f.read(r, seq, limit/len(asked), tail)
		})
		if err != nil {
			return nil, err
		}
		out = f.out
	}
	return out, nil
}

func number(q url.Values, name string, otherwise, most int) (int, error) {
	if !q.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(q.Get(name))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %s=%q", job.ErrInvalid, name, q.Get(name))
	}
	return min(n, most), nil
}

// framer writes chunks in the form that the page reads: see frameHeader.
type framer struct {
	out   []byte
	index uint16
	until time.Time

	open int // where the frame that may still grow begins; -1 for none
	last job.Chunk
}

const frameHeader = 32

func (f *framer) read(r *engine.Reader, after uint64, limit, tail int) error {
	if tail > 0 {
		from, err := r.Tail(uint64(tail))
		if err != nil {
			return err
		}
		if from.Seq > after {
			note, err := json.Marshal(map[string]any{"kind": "skipped", "bytes": from.Offset})
			if err != nil {
				return err
			}
			f.frame(job.Event, from.Seq, from.Seq, time.Time{}, note)
			f.open = -1
			after = from.Seq
		}
	}
	// A page of tiny chunks is short; an answer must not be, or the page would
	// take it for all there is.
	for end := len(f.out) + max(limit, 4<<10); len(f.out) < end; {
		page, err := r.Page(after, end-len(f.out))
		if err != nil || len(page) == 0 {
			return err
		}
		for _, c := range page {
			if !f.until.IsZero() && c.At.After(f.until) {
				return nil
			}
			if err := f.chunk(c); err != nil {
				return err
			}
			after = c.Seq
		}
	}
	return nil
}

func (f *framer) chunk(c job.Chunk) error {
	if c.Note != nil {
		note, err := json.Marshal(c.Note)
		if err != nil {
			return err
		}
		f.frame(job.Event, c.Seq, c.Seq, c.At, note)
		f.open = -1
		return nil
	}
	if f.open >= 0 && f.last.Stream == c.Stream && c.At.Sub(f.last.At) < merge {
		f.out = append(f.out, c.Data...)
		binary.LittleEndian.PutUint32(f.out[f.open+4:], uint32(len(f.out)-f.open-frameHeader))
		binary.LittleEndian.PutUint64(f.out[f.open+16:], c.Seq)
		return nil
	}
	f.frame(c.Stream, c.Seq, c.Seq, c.At, c.Data)
	return nil
}

func (f *framer) frame(s job.Stream, first, last uint64, at time.Time, data []byte) {
	f.open, f.last = len(f.out), job.Chunk{Stream: s, At: at}
	f.out = binary.LittleEndian.AppendUint16(f.out, f.index)
	f.out = append(f.out, byte(s), 0)
	f.out = binary.LittleEndian.AppendUint32(f.out, uint32(len(data)))
	f.out = binary.LittleEndian.AppendUint64(f.out, first)
	f.out = binary.LittleEndian.AppendUint64(f.out, last)
	f.out = binary.LittleEndian.AppendUint64(f.out, milliseconds(at))
	f.out = append(f.out, data...)
}

// milliseconds is a moment as JavaScript has it, a float64 since 1970, in the
// bits that DataView.getFloat64 reads.
func milliseconds(at time.Time) uint64 {
	if at.IsZero() {
		return 0
	}
	return math.Float64bits(float64(at.UnixMicro()) / 1000)
}

// linesPage is a window of lines; times are milliseconds since 1970.
type linesPage struct {
	From     uint64     `json:"from"`
	Total    uint64     `json:"total"`
	Complete bool       `json:"complete"`
	Lines    []linePart `json:"lines"`
}

type linePart struct {
	N     uint64    `json:"n"`
	At    float64   `json:"at"`
	Parts []part    `json:"parts"`
	Cut   uint64    `json:"cut,omitempty"`
	Event *job.Note `json:"event,omitempty"`
}

type part struct {
	Stream uint8  `json:"s"`
	Text   string `json:"t"`
}

func (o *Output) lines(q url.Values) (linesPage, error) {
	from, err := strconv.ParseInt(q.Get("from"), 10, 64)
	if err != nil {
		return linesPage{}, fmt.Errorf("%w: from=%q", job.ErrInvalid, q.Get("from"))
	}
	count, err := number(q, "count", 100, mostLines)
	if err != nil {
		return linesPage{}, err
	}
	id := job.ID(q.Get("job"))
	e, err := o.shell.open()
	if err != nil {
		return linesPage{}, err
	}
	// The state first: if it is final, the lines read after it are all there are.
	current, err := e.Job(o.shell.ctx, id)
	if err != nil {
		return linesPage{}, err
	}
	out := linesPage{Complete: current.State.Final(), Lines: []linePart{}}
	err = o.readers.with(id, func(r *engine.Reader) error {
		read, err := r.Lines(from, count)
		if err != nil {
			return err
		}
		out.From, out.Total = read.From, read.Total
		for _, l := range read.Lines {
			x := linePart{N: l.Number, At: float64(l.At.UnixMicro()) / 1000, Parts: []part{}, Cut: l.Cut, Event: l.Note}
			for _, p := range l.Parts {
				x.Parts = append(x.Parts, part{Stream: uint8(p.Stream), Text: string(bytes.ToValidUTF8(p.Text, []byte("\uFFFD")))})
			}
			out.Lines = append(out.Lines, x)
		}
		return nil
	})
	return out, err
}

func (o *Output) seek(q url.Values) (place engine.Place, err error) {
	at, err := strconv.ParseFloat(q.Get("at"), 64)
	if err != nil {
		return place, fmt.Errorf("%w: at=%q", job.ErrInvalid, q.Get("at"))
	}
	err = o.readers.with(job.ID(q.Get("job")), func(r *engine.Reader) error {
		place, err = r.SeekTime(time.UnixMicro(int64(at * 1000)))
		return err
	})
	return place, err
}
