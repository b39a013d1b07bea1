package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// ErrTooLong means that a command printed more than its caller wants to have.
var ErrTooLong = errors.New("the answer is too long")

// Output runs a command for its answer, which is recorded nowhere: reading a
// file, looking around. With the context it ends, and everything it started. Of
// stderr only the end is kept.
func (p *Pool) Output(ctx context.Context, d inventory.Destination, argv []string, stdin io.Reader, limit int) (stdout []byte, stderr string, code int, err error) {
	errs := &tail{}
	out := &bounded{limit: limit, full: make(chan struct{})}
	r, err := p.Start(ctx, d, Command{ID: job.NewID(), Argv: argv, Stdin: stdin, Stdout: out, Stderr: errs})
	if err != nil {
		return nil, "", 0, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Wait()
	}()
	select {
	case <-ended:
	case <-out.full:
		r.Kill()
		<-ended
	case <-ctx.Done():
		r.Kill()
		<-ended
		return nil, errs.String(), 0, context.Cause(ctx)
	}
	exit := r.Wait()
	switch {
	case closed(out.full):
		err = fmt.Errorf("%s on %s: %w: more than %d bytes", argv[0], d, ErrTooLong, limit)
	case exit.Code == nil && exit.Signal != "":
		err = fmt.Errorf("%s on %s was ended by %s", argv[0], d, exit.Signal)
	case exit.Code == nil:
		err = fmt.Errorf("%s on %s: %s", argv[0], d, exit.Detail)
	default:
		code = *exit.Code
	}
	return out.b.Bytes(), errs.String(), code, err
}

// bounded keeps what is written to it, up to a limit.
type bounded struct {
	b     bytes.Buffer
	limit int
	once  sync.Once
	full  chan struct{} // closed when there was more
}

func (w *bounded) Write(b []byte) (int, error) {
	if room := w.limit - w.b.Len(); len(b) > room {
		w.b.Write(b[:max(0, room)])
		w.once.Do(func() { close(w.full) })
		return len(b), nil
	}
	return w.b.Write(b)
}
