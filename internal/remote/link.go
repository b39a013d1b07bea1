package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
)

// link is one authenticated connection. It owns the goroutines that serve it and
// those that wait for an answer on it; when the connection is over all of them
// end, and the link tells its host.
type link struct {
	host    *host
	client  *ssh.Client
	conn    *watched
	options *inventory.Options
	asked   bool // the operator answered a question for it
	alive   keepalive
	agent   *agentForwarder // nil: none
	reverse reverse         // what the server accepts for us
	dead    chan struct{}   // closed when the connection is over
	err     error           // why, in one sentence; after dead

	goes  sync.Mutex // guards ended, and the beginning of work and asks
	ended bool
	work  sync.WaitGroup
	asks  sync.WaitGroup // waits for answers of the server

	// under host.mu
	sessions int // taken
	bulk     int
	jumps    int
	idle     *time.Timer
	idleGen  int
	why      error // we close it ourselves, because of this
}

// serve begins to watch the connection. The link is the host's already.
func (l *link) serve() {
	if !l.host.pool.run(func() {
		l.run(l.keepAlive)
		if l.agent != nil {
			defer l.agent.wait()
		}
		l.over(l.client.Wait())
		l.goes.Lock()
		l.ended = true
		l.goes.Unlock()
		l.work.Wait()
		l.endAsks()
	}) {
		l.client.Close()
		l.over(ErrClosed)
	}
}

// run starts a goroutine of the link; it reports false when the link is over.
func (l *link) run(f func()) bool { return l.begin(&l.work, f) }

func (l *link) begin(of *sync.WaitGroup, f func()) bool {
	l.goes.Lock()
	defer l.goes.Unlock()
	if !l.ended {
		of.Go(f)
	}
	return !l.ended
}

// lostAnswer is how long those who wait for an answer may take to notice that the
// connection is over: they are told at once.
const lostAnswer = 5 * time.Second

// endAsks waits for those who wait for an answer. There is one that nobody can tell:
// x/crypto forgets its channels when a connection ends, and takes up another that is
// opened in that moment, whose opening then never returns (ssh/mux.go, loop and
// openChannel). It must not keep the program from ending.
func (l *link) endAsks() {
	done := make(chan struct{})
	go func() { l.asks.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(lostAnswer):
	}
}

func (l *link) over(err error) {
	h := l.host
	if m := l.master(); m != nil {
		err = m.lastWords(err)
	}
	h.mu.Lock()
	if l.why != nil {
		err = l.why
	} else {
		err = fmt.Errorf("the connection was closed: %s", clean(err.Error()))
	}
	l.err = err
	if l.idle != nil {
		l.idle.Stop()
	}
	h.mu.Unlock()
	close(l.dead)
	_ = l.conn.Close() // its jump host or its program, which may not have noticed
	h.lost(l)
}

// close ends the connection because of err. It does not wait.
func (l *link) close(err error) {
	l.host.mu.Lock()
	if l.why == nil {
		l.why = err
	}
	l.host.mu.Unlock()
	_ = l.client.Close()
}

// take needs host.mu.
func (l *link) take(u use) {
	l.idleGen++
	if l.idle != nil {
		l.idle.Stop()
	}
	if u == asJump {
		l.jumps++
		return
	}
	l.sessions++
	if u == forBulk || u == forReader {
		l.bulk++
	}
}

// release gives back what take took.
func (l *link) release(u use) {
	h := l.host
	h.mu.Lock()
	if u == asJump {
		l.jumps--
	} else {
		l.sessions--
		if u == forBulk || u == forReader {
			l.bulk--
		}
		h.wake()
	}
	if l.sessions+l.jumps == 0 && !closed(l.dead) {
		l.idleGen++
		gen := l.idleGen
		l.idle = time.AfterFunc(h.pool.idle, func() { l.closeIdle(gen) })
	}
	h.mu.Unlock()
	if u != asJump {
		h.changed()
	}
}

func (l *link) closeIdle(gen int) {
	h := l.host
	h.mu.Lock()
	idle := l.idleGen == gen && h.wanted == 0
	if idle && l.why == nil {
		l.why = ErrClosed
	}
	h.mu.Unlock()
	if idle {
		_ = l.client.Close()
	}
}

// load needs host.mu. It orders connections by how well they suit a use.
func (l *link) load(u use) int {
	if u == forTerminal {
		return 100*l.bulk + l.sessions
	}
	return l.sessions
}

// ask does something that waits for the server, until the context ends. What it
// returns too late is given to drop.
func ask[T any](ctx context.Context, l *link, do func() (T, error), drop func(T)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	answers, left := make(chan answer), make(chan struct{})
	if !l.begin(&l.asks, func() {
		v, err := do()
		select {
		case answers <- answer{v, err}:
		case <-left:
			if err == nil && drop != nil {
				drop(v)
			}
		}
	}) {
		return none, l.err
	}
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		close(left)
		return none, context.Cause(ctx)
	}
}

// dial opens a TCP connection from the host at the end of the link.
func (l *link) dial(ctx context.Context, addr string) (net.Conn, error) {
	return ask(ctx, l, func() (net.Conn, error) {
		c, err := l.client.Dial("tcp", addr)
		if err != nil {
			return nil, err
		}
		return l.detached(c)
	}, func(c net.Conn) { _ = c.Close() })
}

// detached is a connection over a link that can be closed, with all that waits for
// it, while nothing passes on the link: what waits for that are two goroutines of
// the link.
func (l *link) detached(c net.Conn) (net.Conn, error) {
	d := &detached{Conn: c}
	var arrives *io.PipeWriter
	var leaves *io.PipeReader
	d.r, arrives = io.Pipe()
	leaves, d.w = io.Pipe()
	ok := l.run(func() {
		_, err := io.Copy(arrives, c)
		_ = arrives.CloseWithError(err) // nil: the end
	}) && l.run(func() {
		_, err := io.Copy(c, leaves)
		_ = c.Close()
		_ = leaves.CloseWithError(err)
	})
	if !ok {
		_ = c.Close()
		return nil, l.err
	}
	return d, nil
}

type detached struct {
	net.Conn
	r *io.PipeReader
	w *io.PipeWriter
}

func (d *detached) Read(b []byte) (int, error)  { return d.r.Read(b) }
func (d *detached) Write(b []byte) (int, error) { return d.w.Write(b) }

// Close does not wait for what was written last to pass.
func (d *detached) Close() error {
	return errors.Join(d.r.CloseWithError(net.ErrClosed), d.w.Close())
}

// gone is the error of something that was to be done on a link that is over.
func (l *link) gone(err error) error {
	if closed(l.dead) {
		return l.err
	}
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("the connection failed: %s", clean(err.Error()))
}
