package remote

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/job"
)

// outputs copies what a command prints. Each Write is one read, so that what
// arrives is written at once.
type outputs struct {
	drainFor time.Duration
	out, err io.Writer

	copies sync.WaitGroup
	over   chan struct{} // closed when all copies have ended

	begun chan struct{} // closed when Start has returned
	unrun bool          // without a process; read after begun

	mu      sync.Mutex
	last    time.Time // when something arrived, or a Write ended
	writing int       // Writes under way
	blocked time.Duration
	bytes   int
	failed  []string
	holders []job.Survivor
}

// inFlight is what can be on the way when a command exits: the window of a
// channel, and a pipe at the other end.
const inFlight = 4 << 20

// slack is how long what a command printed last may take to arrive after the
// news that it has exited.
const slack = 250 * time.Millisecond

func newOutputs(c Command) *outputs {
	o := &outputs{drainFor: max(c.Drain, slack), out: c.Stdout, err: c.Stderr}
	o.begun = make(chan struct{})
	if o.out == nil {
		o.out = io.Discard
	}
	if o.err == nil {
		o.err = io.Discard
	}
	o.out, o.err = &gate{o, o.out}, &gate{o, o.err}
	return o
}

// gate holds back what is printed until Start has returned; if there is no
// Process then, nobody wants it.
type gate struct {
	o  *outputs
	to io.Writer
}

var errNotStarted = errors.New("the command was not started")

func (g *gate) Write(b []byte) (int, error) {
	<-g.o.begun
	if g.o.unrun {
		return 0, errNotStarted
	}
	return g.to.Write(b)
}

// begin opens the gate.
func (o *outputs) begin(err error) {
	o.unrun = err != nil
	close(o.begun)
}

// redirection is how the outputs are joined or closed at the other end, as they
// are at this one. Only there do the two keep the order of writing, and a daemon
// that has an output open which nobody reads does not count as holding it.
func (c Command) redirection() string {
	switch {
	case c.TTY || len(c.Argv) == 0:
		return ""
	case c.Stdout != nil && c.Stdout == c.Stderr:
		return " 2>&1"
	case c.Stdout == nil && c.Stderr == nil:
		return " >/dev/null 2>&1"
	case c.Stdout == nil:
		return " >/dev/null"
	case c.Stderr == nil:
		return " 2>/dev/null"
	}
	return ""
}

// launch is the command for the host's shell. Values of the environment may be
// secrets: they are sent as input, and stand in no list of processes. In a
// terminal that would race with what is typed.
func (c Command) launch() launch {
	l := launch{
		ID: c.ID, Argv: c.Argv, Dir: c.Dir, Env: c.Env, Link: c.Link, Limit: c.keep, TTY: c.TTY,
		Input: c.Input || c.Stdin != nil, EnvByInput: !c.TTY,
	}
	if how := c.redirection(); how != "" {
		l.Argv = append([]string{"/bin/sh", "-c", `exec "$@"` + how, "sh"}, c.Argv...)
	}
	return l
}

// copy writes everything that arrives until the end.
func (o *outputs) copy(name string, from io.Reader, to io.Writer) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && to != nil {
			if fault := o.write(to, buf[:n]); fault != nil {
				o.mu.Lock()
				o.failed = append(o.failed, fmt.Sprintf("its %s was closed early: %v", name, fault))
				o.mu.Unlock()
				to = nil // the rest is read and dropped: a command must not hang on it
			}
		}
		if err != nil {
			return
		}
	}
}

func (o *outputs) write(to io.Writer, b []byte) error {
	began := time.Now()
	o.mu.Lock()
	o.writing++
	o.mu.Unlock()
	n, err := to.Write(b)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writing--
	o.last = time.Now()
	o.blocked += o.last.Sub(began)
	o.bytes += len(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

func (o *outputs) failures() (all string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range o.failed {
		all = join(all, f)
	}
	return all
}

// follow begins to copy the output of a session. With a filter the host's header
// is taken out, and what came before it.
func (o *outputs) follow(id job.ID, ch ssh.Channel) *headerFilter {
	o.over = make(chan struct{})
	f := newHeaderFilter(id, o.out, headerWait)
	over := o.over
	o.copies.Go(func() {
		o.copy("stdout", ch, f)
		f.end()
	})
	o.copies.Go(func() { o.copy("stderr", ch.Stderr(), o.err) })
	go func() {
		o.copies.Wait()
		close(over)
	}()
	return f
}

// drain waits for the output of a command that has exited. Who holds it open may
// do so for a while, and is named then; what was on the way arrives in any case.
func (o *outputs) drain(p *Process) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	began, blocked, bytes := o.mark()
	for {
		select {
		case <-o.over:
			return
		case <-p.s.link.dead:
			<-o.over // all that has arrived is written; nothing holds it open any more
			return
		case <-look.C:
		}
		if p.climbing() {
			began, blocked, bytes = o.mark()
			continue
		}
		o.mu.Lock()
		quiet := time.Since(later(o.last, began))
		waited := time.Since(began) - (o.blocked - blocked)
		enough := o.writing == 0 && (quiet >= o.drainFor || waited >= o.drainFor && o.bytes-bytes >= inFlight || waited >= 10*o.drainFor)
		o.mu.Unlock()
		if enough {
			break
		}
	}
	o.holders = p.name(holdsOutput)
	p.s.close()
	<-o.over
}

func (o *outputs) mark() (time.Time, time.Duration, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Now(), o.blocked, o.bytes
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
