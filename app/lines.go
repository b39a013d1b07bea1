package app

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// mostLines bounds one answer.
const mostLines = 2000

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
