package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// Process is a command that was started on a host. It is a [process.Process] in
// everything that can be seen of it, but for how it may be lost: see
// [job.CauseLink]. Its methods may be called from several goroutines at once.
//
// It owns the goroutines that copy its output and its input, the one that ends
// it, and the one that waits for all of these.
type Process struct {
	host *host
	cmd  Command
	out  *outputs

	s      *session // the one that carries it; of a kept run see kept
	header header   // its PID is zero when the host has no shell that could tell

	hurry    chan struct{} // closed by Kill: no more grace
	lostHope chan struct{} // closed when a kept run could not be cancelled
	done     chan struct{} // closed when exit is set
	exit     job.Exit      // read after done
	hurried  sync.Once

	typing sync.Mutex // one Write at a time
	ended  bool       // the input; under typing

	mu     sync.Mutex
	ladder chan struct{} // nil until a cancel begins; closed when it has ended
	over   bool          // too late to cancel
	left   []job.Survivor
	unsure string // why nobody knows whether the cancel reached everything
}

func (c Command) withDefaults() Command {
	if c.TTY && c.Size == (job.Size{}) {
		c.Size = job.Size{Cols: 80, Rows: 24}
	}
	if c.Grace <= 0 {
		c.Grace = 5 * time.Second
	}
	if c.Drain <= 0 {
		c.Drain = 2 * time.Second
	}
	return c
}

func (c Command) validate() error {
	if _, err := job.ParseID(string(c.ID)); err != nil {
		return err
	}
	switch {
	case c.Input && c.Stdin != nil:
		return fmt.Errorf("%w: input is either copied from a reader or kept open, not both", job.ErrInvalid)
	case c.Link == job.LinkKeep && (c.TTY || c.Input || c.Stdin != nil):
		return fmt.Errorf("%w: a job that outlives its connection has neither a terminal nor input", job.ErrInvalid)
	case len(c.Argv) == 0 && c.TTY: // the login shell
		return job.Spec{Argv: []string{"-"}, Env: c.Env, Link: c.Link}.Validate()
	}
	return job.Spec{Argv: c.Argv, Env: c.Env, Link: c.Link}.Validate()
}

// interruptTime is how long a host may take to pass on an interrupt.
const interruptTime = 10 * time.Second

// Start starts a command on a host, connecting to it if need be. The context
// bounds the start only. An error that wraps a [ConnectError] is about the way
// to the host.
func (p *Pool) Start(ctx context.Context, d inventory.Destination, cmd Command) (*Process, error) {
	if err := cmd.validate(); err != nil {
		return nil, fmt.Errorf("start on %s: %w", d, err)
	}
	h, err := p.host(place{Destination: d})
	if err != nil {
		return nil, fmt.Errorf("start on %s: %w", d, err)
	}
	r := &Process{host: h, cmd: cmd.withDefaults(), hurry: make(chan struct{}), lostHope: make(chan struct{}), done: make(chan struct{})}
	r.out = newOutputs(r.cmd)
	if cmd.Link == job.LinkKeep {
		err = r.startKept(ctx)
	} else {
		err = r.start(ctx)
	}
	r.out.begin(err)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (p *Process) start(ctx context.Context) (err error) {
	l := p.cmd.launch()
	line, err := launchLine(l)
	if err != nil {
		return fmt.Errorf("start on %s: %w", p.host.name, err)
	}
	u := forBulk
	if p.cmd.TTY {
		u = forTerminal
	}
	p.s, err = p.host.session(ctx, u, func(s *session) error { return p.set(s, line) })
	if err != nil {
		return err
	}
	f := p.out.follow(p.cmd.ID, p.s.ch)
	if err = p.awaitHeader(ctx, f); err == nil && f.found {
		_, err = p.s.ch.Write(l.input())
	}
	if err != nil && !closed(p.s.exited) {
		p.s.close()
		return fmt.Errorf("start on %s: %w", p.host.name, err)
	}
	p.input()
	go p.finish()
	return nil
}

// set makes the requests that start the command.
func (p *Process) set(s *session, line string) error {
	if err := s.environment(s.link.options); err != nil {
		return err
	}
	if p.cmd.TTY {
		if err := s.terminal(p.cmd.Size); err != nil {
			return err
		}
	}
	if s.link.agent != nil {
		_ = s.link.agent.forward(s.ch) // as with ssh, a session without it is still one
	}
	return s.exec(line)
}

// awaitHeader waits until the command runs, or until there is no more hope that
// the host says so: it has no shell, or runs what it likes.
func (p *Process) awaitHeader(ctx context.Context, f *headerFilter) error {
	select {
	case <-f.decided:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.header = f.header // its lock may be held by a Write that waits for Start
	return nil
}

// PID is the number of the process on the host; zero when that is not known.
func (p *Process) PID() int { return p.header.PID }

// Wait waits for the process, for all of its output and for a cancel that is
// under way; see [process.Process.Wait].
func (p *Process) Wait() job.Exit {
	<-p.done
	return p.exit
}

// finish is the one that waits for everything else.
func (p *Process) finish() {
	defer close(p.done)
	<-p.s.exited
	p.out.drain(p)
	p.mu.Lock()
	p.over = true
	ladder := p.ladder
	p.mu.Unlock()
	if ladder != nil {
		<-ladder
	}
	p.s.close()
	p.exit = p.outcome()
	for _, s := range p.out.holders {
		if indexPID(p.left, s.PID) < 0 {
			p.left = append(p.left, s)
		}
	}
	p.exit.Survivors = p.left
	p.exit.Detail = join(p.exit.Detail, p.unsure)
	p.exit.Detail = join(p.exit.Detail, p.out.failures())
	p.exit.At = time.Now().UTC()
}

// lostTime is how long after its sessions a connection may take to say that it is
// over.
const lostTime = 100 * time.Millisecond

// outcome is how the command itself ended.
func (p *Process) outcome() job.Exit {
	switch s := p.s; {
	case s.said && s.signal != "":
		return job.Exit{State: job.Failed, Cause: job.CauseSignal, Signal: "SIG" + s.signal, Detail: s.message}
	case s.said:
		return exited(s.code)
	default:
		why := fmt.Sprintf("%s ended the session without saying how the command ended", p.host.name)
		select {
		case <-s.link.dead:
			why = fmt.Sprintf("the connection to %s was lost: %v", p.host.name, s.link.err)
		case <-time.After(lostTime):
		}
		return p.lost(why)
	}
}

func exited(code int) job.Exit {
	e := job.Exit{State: job.Succeeded, Cause: job.CauseExit, Code: &code}
	if code != 0 {
		e.State = job.Failed
	}
	return e
}

// lost is the exit of a command of which nobody knows how it ended.
func (p *Process) lost(why string) job.Exit {
	if p.header.PID != 0 {
		why += fmt.Sprintf("; process %d on %s may still run there: `vmo cancel %s` ends it", p.header.PID, p.host.name, p.cmd.ID)
	} else {
		why += "; it may still run there"
	}
	return job.Exit{State: job.Lost, Cause: job.CauseLink, Detail: why}
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

func indexPID(all []job.Survivor, pid int) int {
	for i := range all {
		if all[i].PID == pid {
			return i
		}
	}
	return -1
}

// gone reports whether the command has ended or was lost.
func (p *Process) gone() bool { return closed(p.done) || p.s != nil && closed(p.s.exited) }

// input hands over what the command is to read.
func (p *Process) input() {
	switch {
	case p.cmd.Stdin != nil:
		go func() { // nothing can interrupt a Reader: it may outlive the Process
			_, err := io.Copy(writer(p.write), p.cmd.Stdin)
			if err == nil {
				_ = p.closeInput()
			}
		}()
	case !p.cmd.Input && !p.cmd.TTY && p.cmd.Link != job.LinkStop: // there the launcher waits for its end
		_ = p.closeInput()
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// Write types into the terminal, or writes to the input that Command.Input keeps
// open. It waits while the command does not read.
func (p *Process) Write(b []byte) (int, error) {
	if !p.cmd.Input && !p.cmd.TTY {
		return 0, fmt.Errorf("write input: %w: the job was started without input", job.ErrInvalid)
	}
	if p.gone() {
		return 0, fmt.Errorf("write input: %w", job.ErrFinished)
	}
	n, err := p.write(b)
	return n, p.inputError("write input", err)
}

var errInputClosed = errors.New("the input was closed before")

func (p *Process) write(b []byte) (int, error) {
	p.typing.Lock()
	defer p.typing.Unlock()
	if p.ended {
		return 0, errInputClosed
	}
	return p.s.ch.Write(b)
}

// CloseInput ends the input. A terminal is sent the keystroke for that, Ctrl-D,
// which means the end only at the start of a line.
func (p *Process) CloseInput() error {
	switch {
	case p.cmd.TTY:
		_, err := p.Write([]byte{4})
		return err
	case !p.cmd.Input:
		return fmt.Errorf("close input: %w: the job was started without input", job.ErrInvalid)
	}
	return p.inputError("close input", p.closeInput())
}

func (p *Process) closeInput() error {
	if p.cmd.TTY {
		_, err := p.write([]byte{4})
		return err
	}
	p.typing.Lock()
	defer p.typing.Unlock()
	if p.ended {
		return errInputClosed
	}
	p.ended = true
	return p.s.ch.CloseWrite()
}

func (p *Process) inputError(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case p.gone():
		return fmt.Errorf("%s: %w", what, job.ErrFinished)
	case errors.Is(err, errInputClosed):
		return fmt.Errorf("%s: %w: %w", what, job.ErrInvalid, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// Resize gives the terminal a new size, which tells the program in front of it.
func (p *Process) Resize(size job.Size) error {
	if !p.cmd.TTY || size.Cols == 0 || size.Rows == 0 {
		return fmt.Errorf("resize: %w: %d×%d in a job with a terminal: %t", job.ErrInvalid, size.Cols, size.Rows, p.cmd.TTY)
	}
	if p.gone() {
		return fmt.Errorf("resize: %w", job.ErrFinished)
	}
	return p.inputError("resize", p.s.resize(size))
}

// Interrupt does what Ctrl-C does, once: it types it into a terminal, and sends
// SIGINT to the process group without one.
func (p *Process) Interrupt() error {
	if p.gone() {
		return fmt.Errorf("interrupt: %w", job.ErrFinished)
	}
	return p.inputError("interrupt", p.interrupt())
}

// interrupt signals by a script: servers refuse the request for that to root, in
// forced commands, and before OpenSSH 7.9.
func (p *Process) interrupt() error {
	switch {
	case p.cmd.TTY:
		_, err := p.write([]byte{3})
		return err
	case p.header.PID == 0:
		return p.s.send("INT")
	}
	ctx, cancel := context.WithTimeout(context.Background(), interruptTime)
	defer cancel()
	line, err := signalLine(p.header, p.cmd.ID, "INT")
	if err != nil {
		return err
	}
	_, _, err = p.host.report(ctx, p.cmd.ID, line)
	return err
}
