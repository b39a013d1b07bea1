package remote

import (
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

	header *headerReader // nil after it was found
	copies sync.WaitGroup
	over   chan struct{} // closed when all copies have ended

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
	if o.out == nil {
		o.out = io.Discard
	}
	if o.err == nil {
		o.err = io.Discard
	}
	return o
}

// redirected is the command with its outputs joined or closed at the other end, as
// they are at this one. Only there do the two keep the order of writing, and a
// daemon that has an output open which nobody reads does not count as holding it.
func (c Command) redirected() Command {
	how := ""
	switch {
	case c.TTY || len(c.Argv) == 0:
	case c.Stdout != nil && c.Stdout == c.Stderr:
		how = " 2>&1"
	default:
		if c.Stdout == nil {
			how = " >/dev/null"
		}
		if c.Stderr == nil {
			how += " 2>/dev/null"
		}
	}
	if how != "" {
		c.Argv = append([]string{"/bin/sh", "-c", `exec "$@"` + how, "sh"}, c.Argv...)
	}
	return c
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

func (o *outputs) ended() <-chan struct{} { return o.over }

func (o *outputs) failures() (all string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range o.failed {
		all = join(all, f)
	}
	return all
}

// follow begins to copy the output of a session.
func (o *outputs) follow(ch ssh.Channel, header bool) <-chan int {
	found := make(chan int, 1)
	o.over = make(chan struct{})
	out := io.Writer(o.out)
	if header {
		o.header = newHeaderReader(o.out, func(pid int) { found <- pid })
		out = o.header
	}
	o.copies.Go(func() { o.copy("stdout", ch, out) })
	o.copies.Go(func() { o.copy("stderr", ch.Stderr(), o.err) })
	over := o.over
	go func() {
		o.copies.Wait()
		close(over)
	}()
	return found
}

// pass lets everything through: the header was found or will not come.
func (o *outputs) pass() {
	if o.header != nil {
		o.header.pass()
	}
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
	_ = p.s.ch.Close()
	select {
	case <-o.over:
	case <-time.After(10 * time.Second): // a server that does not let go
		p.s.link.close(fmt.Errorf("the server does not close a session"))
		<-o.over
	}
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
