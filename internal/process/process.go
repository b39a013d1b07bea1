// Package process runs one command on this machine, in pipes or in a terminal,
// and can end it with everything it started.
//
//	p, err := process.Start(process.Config{ID: job.NewID(), Argv: argv, Stdout: out, Stderr: errs})
//	…
//	exit := p.Wait()
//
// What it guarantees:
//
//   - Every byte that was in a pipe or terminal when the process exited is
//     written, in order, unchanged and once. A Write that blocks is
//     back-pressure: the command waits, and so does [Process.Wait].
//   - What the process left running may hold its output open for [Config.Drain]
//     at most; who did is named in [job.Exit.Survivors].
//   - After [Process.Cancel] or [Process.Kill] no descendant is left, or the exit
//     names it and says why. Descendants are found by the job's id in their
//     environment, by parent, by process group and by session, and a process is
//     never signalled by its number alone.
//   - Once Wait has returned, no file and no goroutine is left, with two
//     exceptions: a [Config.Stdin] whose Read does not return keeps the goroutine
//     that waits in it, since nothing can interrupt a Reader; and a process that
//     not even SIGKILL ended keeps the one that will reap it.
//
// The command leads a session of its own and has no controlling terminal but the
// one it was given: it never takes part in the terminal that vmo was started
// from, so that it can neither read its keystrokes nor be stopped (SIGTTIN) for
// trying, which would look like a job that hangs.
//
// What it cannot find: a process that left the session, whose parents are all
// gone, and which wiped its environment (env -i, a daemon that overwrites it for
// its title) before the job was cancelled.
//
// Every goroutine here belongs to the Process that [Start] returns: one watches
// for the exit, one copies each output, one copies Stdin, one runs the ladder of
// a cancel, and one waits for all of these but Stdin's.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"vmorchestrator/internal/job"
)

// Config says what to run. The child inherits the environment, with Env added.
type Config struct {
	ID   job.ID            // exported as VMO_JOB, and at the end of VMO_JOBS; descendants are found by it
	Argv []string          // the command; a name without a slash is looked up in the child's PATH
	Dir  string            // working directory; empty means the caller's
	Env  map[string]string // added to os.Environ()

	TTY  bool     // run in a terminal instead of pipes
	Size job.Size // of that terminal; zero means 80×24

	// Stdin is the command's input. In pipes an *os.File that is not a terminal
	// is handed over as it is; anything else is copied. Nil is the null device.
	// In a terminal it is typed in.
	Stdin io.Reader
	Input bool // in pipes: keep the input open for Write; excludes Stdin

	// Stdout and Stderr take what the command prints; nil discards it. When they
	// are the same Writer the command gets one pipe for both. A terminal has
	// only Stdout. They must not retain what they are given. A Write that fails
	// closes its pipe, as the end of `head` does; one that wants the command to
	// wait has to block.
	Stdout, Stderr io.Writer

	Grace time.Duration // from SIGINT to SIGTERM, and from SIGTERM to SIGKILL; zero means 5 s

	// Drain is how long output may stay open after the process has exited; zero
	// means 2 s. The longest single Write since then does not count, and nothing
	// runs out while a cancel is under way.
	Drain time.Duration
}

func (c Config) withDefaults() Config {
	if c.Size == (job.Size{}) {
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

func (c Config) validate() error {
	if _, err := job.ParseID(string(c.ID)); err != nil {
		return err
	}
	if c.Input && c.Stdin != nil {
		return fmt.Errorf("%w: input is either copied from a reader or kept open, not both", job.ErrInvalid)
	}
	return job.Spec{Argv: c.Argv, Env: c.Env}.Validate()
}

// Process is a command that was started. Its methods may be called from several
// goroutines at once.
type Process struct {
	cfg   Config
	child *child

	gone    chan struct{} // closed when the process has exited; it is not reaped yet
	stuck   chan struct{} // closed when the process outlived its SIGKILL
	hurry   chan struct{} // closed by Kill: no more grace
	done    chan struct{} // closed when exit is set
	exit    job.Exit      // read after done
	copiers sync.WaitGroup
	hurried sync.Once

	mu     sync.Mutex
	since  time.Time      // when the drain clock started; zero while the process runs
	ladder chan struct{}  // nil until a cancel begins; closed when it has ended
	climb  bool           // the ladder is under way, which stops the drain clock
	over   bool           // too late to cancel
	left   []job.Survivor // what the ladder could not end
}

// Start starts a command. An error that wraps a [StartError] is about the
// command or its directory; one that wraps [job.ErrInvalid], about the Config.
func Start(cfg Config) (*Process, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	cfg = cfg.withDefaults()
	c, err := start(cfg)
	if err != nil {
		return nil, err
	}
	p := &Process{
		cfg: cfg, child: c,
		gone: make(chan struct{}), stuck: make(chan struct{}),
		hurry: make(chan struct{}), done: make(chan struct{}),
	}
	for _, s := range c.streams {
		p.copiers.Go(func() { p.copy(s) })
	}
	if c.typed != nil {
		go c.copyInput()
	}
	go func() {
		c.awaitExit()
		close(p.gone)
	}()
	go p.finish()
	return p, nil
}

// PID is the number of the process, which is also that of its group and session.
func (p *Process) PID() int { return p.child.pid }

// Wait waits for the process and for all of its output, and for a cancel that
// is under way. It says how the process itself ended; who wanted that is for the
// caller to say. Exit.At is the moment at which all of it was over.
func (p *Process) Wait() job.Exit {
	<-p.done
	return p.exit
}

// finish is the one that waits for everything else.
func (p *Process) finish() {
	defer close(p.done)
	select {
	case <-p.gone:
	case <-p.stuck:
	}
	p.startClock()
	p.child.hangUp()
	p.copiers.Wait()

	p.mu.Lock()
	p.over = true
	ladder := p.ladder
	p.mu.Unlock()
	if ladder != nil {
		<-ladder
	}

	select {
	case <-p.gone:
		p.exit = p.child.reap()
	default:
		p.exit = job.Exit{State: job.Failed, Cause: job.CauseSignal, Detail: "it is still running after SIGKILL"}
		go func() {
			<-p.gone
			p.child.reap()
		}()
	}
	p.child.close()
	p.exit.Survivors = p.survivors()
	for _, s := range p.child.streams {
		if s.failed != nil {
			p.exit.Detail += fmt.Sprintf("; its %s was closed early: %v", s.name, s.failed)
		}
	}
	p.exit.At = time.Now().UTC()
}

// survivors joins those of the ladder with those that held an output, one entry
// per process.
func (p *Process) survivors() []job.Survivor {
	all := p.left
	for _, s := range p.child.streams {
		for _, h := range s.holders {
			if i := indexPID(all, h.PID); i < 0 {
				all = append(all, h)
			} else if all[i].Why != h.Why {
				all[i].Why += "; " + h.Why
			}
		}
	}
	return all
}

func indexPID(all []job.Survivor, pid int) int {
	for i := range all {
		if all[i].PID == pid {
			return i
		}
	}
	return -1
}

// Write types into the terminal, or writes to the input that Config.Input keeps
// open. It waits while the command does not read.
func (p *Process) Write(b []byte) (int, error) {
	if p.child.input == nil {
		return 0, fmt.Errorf("write input: %w: the job was started without input", job.ErrInvalid)
	}
	if closed(p.gone) {
		return 0, fmt.Errorf("write input: %w", job.ErrFinished)
	}
	n, err := p.child.input.Write(b)
	return n, p.inputError("write input", err)
}

// CloseInput ends the input. A terminal is sent the keystroke for that, Ctrl-D,
// which means the end only at the start of a line.
func (p *Process) CloseInput() error {
	if p.child.input == nil {
		return fmt.Errorf("close input: %w: the job was started without input", job.ErrInvalid)
	}
	return p.inputError("close input", p.child.endInput())
}

func (p *Process) inputError(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case closed(p.gone):
		return fmt.Errorf("%s: %w", what, job.ErrFinished)
	case errors.Is(err, os.ErrClosed):
		return fmt.Errorf("%s: %w: the input was closed before", what, job.ErrInvalid)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// Resize gives the terminal a new size, which tells the program in front of it.
func (p *Process) Resize(size job.Size) error {
	if !p.cfg.TTY || size.Cols == 0 || size.Rows == 0 {
		return fmt.Errorf("resize: %w: %d×%d in a job with a terminal: %t", job.ErrInvalid, size.Cols, size.Rows, p.cfg.TTY)
	}
	if closed(p.gone) {
		return fmt.Errorf("resize: %w", job.ErrFinished)
	}
	if err := p.child.resize(size); err != nil {
		return p.inputError("resize", err)
	}
	return nil
}

// Interrupt does what Ctrl-C does: it sends SIGINT to the process group, in a
// terminal to the group in front, once.
func (p *Process) Interrupt() error {
	p.mu.Lock() // until over is set nothing is reaped, and the group's number means the group
	defer p.mu.Unlock()
	if p.over || closed(p.gone) {
		return fmt.Errorf("interrupt: %w", job.ErrFinished)
	}
	if err := p.child.interrupt(); err != nil {
		return p.inputError("interrupt", err)
	}
	return nil
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
