//go:build unix

package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"vmorchestrator/internal/job"
)

// child is the process and our ends of its files.
type child struct {
	cmd     *exec.Cmd
	pid     int
	family  *family
	streams []*stream

	input *os.File  // our end of the input, for Write; nil without
	typed io.Reader // copied into typedTo
	// typedTo is the terminal, or our end of a pipe that only the copy uses.
	typedTo *os.File

	tty   *os.File // our end of the terminal; nil in pipes
	front *os.File // the command's end of it, see hangUp
	shut  sync.Once
}

// start starts the command. Whatever fails, no file stays open.
func start(cfg Config) (_ *child, err error) {
	env := environ(cfg)
	path, err := find(cfg, lookup(env, "PATH"))
	if err != nil {
		return nil, err
	}
	c := &child{cmd: &exec.Cmd{Path: path, Args: cfg.Argv, Dir: cfg.Dir, Env: env}}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}

	var theirs []*os.File // ends that only the command keeps
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
		if err != nil {
			c.close()
		}
	}()
	if cfg.TTY {
		err = c.openTerminal(cfg)
	} else {
		theirs, err = c.openPipes(cfg)
	}
	if err != nil {
		return nil, noRoom(cfg.Argv[0], err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, refused(cfg, path, err)
	}
	c.pid = c.cmd.Process.Pid
	c.family = newFamily(cfg.ID, c.pid)
	return c, nil
}

func (c *child) openPipes(cfg Config) (theirs []*os.File, err error) {
	if f, ok := cfg.Stdin.(*os.File); ok && !isTerminal(f) {
		c.cmd.Stdin = f
	} else if cfg.Stdin != nil || cfg.Input {
		r, w, err := os.Pipe()
		if err != nil {
			return theirs, err
		}
		theirs, c.cmd.Stdin = append(theirs, r), r
		if c.typed = cfg.Stdin; c.typed == nil {
			c.input = w
		} else {
			c.typedTo = w
		}
	}
	output := func(name string, to io.Writer) (*os.File, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		theirs = append(theirs, w)
		s := newStream(name, r, to)
		s.enlarge()
		c.streams = append(c.streams, s)
		return w, nil
	}
	if cfg.Stdout != nil {
		w, err := output("stdout", cfg.Stdout)
		if err != nil {
			return theirs, err
		}
		c.cmd.Stdout = w
	}
	switch {
	case cfg.Stderr == nil:
	case same(cfg.Stdout, cfg.Stderr):
		c.cmd.Stderr = c.cmd.Stdout
	default:
		w, err := output("stderr", cfg.Stderr)
		if err != nil {
			return theirs, err
		}
		c.cmd.Stderr = w
	}
	return theirs, nil
}

// same reports whether two Writers are one; some types cannot be compared.
func same(a, b io.Writer) bool {
	return a != nil && reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

// refused tells apart what made the start fail: the kernel has one error number
// for a missing command, a missing interpreter and a missing directory.
func refused(cfg Config, path string, err error) error {
	if cfg.Dir != "" {
		if _, derr := os.Stat(cfg.Dir + "/."); derr != nil {
			return badDir(cfg.Argv[0], cfg.Dir, derr)
		}
		if derr := unix.Access(cfg.Dir, unix.X_OK); derr != nil {
			return badDir(cfg.Argv[0], cfg.Dir, derr)
		}
	}
	errno, _ := reason(err).(syscall.Errno)
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR:
		if _, serr := os.Stat(from(cfg.Dir, path)); serr != nil {
			return notFound(cfg.Argv[0], errno)
		}
		return notExecutable(cfg.Argv[0], fmt.Errorf("the interpreter in its first line was not found: %w", errno))
	case syscall.EACCES, syscall.EPERM, syscall.ENOEXEC, syscall.EISDIR, syscall.ELOOP, syscall.ETXTBSY, syscall.E2BIG:
		return notExecutable(cfg.Argv[0], errno)
	}
	return noRoom(cfg.Argv[0], reason(err))
}

// awaitExit returns when the process has exited. It stays a zombie, so that its
// number keeps meaning this process, its group and its session until reap.
func (c *child) awaitExit() { awaitExit(c.pid) }

func (c *child) reap() job.Exit {
	_ = c.cmd.Wait() // an exit code is not an error here
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		detail := "ended by " + unix.SignalName(status.Signal())
		if status.CoreDump() {
			detail += " (core dumped)"
		}
		return job.Exit{State: job.Failed, Cause: job.CauseSignal, Signal: unix.SignalName(status.Signal()), Detail: detail}
	}
	code := c.cmd.ProcessState.ExitCode()
	e := job.Exit{State: job.Succeeded, Cause: job.CauseExit, Code: &code, Detail: fmt.Sprintf("exit code %d", code)}
	if code != 0 {
		e.State = job.Failed
	}
	return e
}

// copyInput ends with the process: close makes its next Write fail.
func (c *child) copyInput() {
	_, err := io.Copy(c.typedTo, c.typed)
	switch {
	case c.tty == nil:
		c.typedTo.Close()
	case err == nil:
		_ = c.endInput() // a terminal that is gone needs no end
	}
}

func (c *child) endInput() error {
	if c.tty != nil {
		_, err := c.tty.Write([]byte{4}) // Ctrl-D
		return err
	}
	return c.input.Close()
}

func (c *child) close() {
	c.shut.Do(func() {
		for _, f := range []*os.File{c.input, c.typedTo, c.tty, c.front} {
			if f != nil {
				f.Close()
			}
		}
		for _, s := range c.streams {
			s.close()
		}
	})
}
