//go:build unix

package process

import (
	"fmt"
	"os"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"vmorchestrator/internal/job"
)

// openTerminal makes the terminal and gives its front end to the command.
func (c *child) openTerminal(cfg Config) error {
	tty, front, err := pty.Open()
	if err != nil {
		return fmt.Errorf("open a terminal: %w", err)
	}
	defer tty.Close()
	c.front = front
	// pty leaves its end in blocking mode, in which a Read can be neither given
	// a deadline nor ended by Close.
	fd, err := unix.FcntlInt(tty.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a terminal: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return fmt.Errorf("open a terminal: %w", err)
	}
	c.tty = os.NewFile(uintptr(fd), tty.Name())
	if err := c.resize(cfg.Size); err != nil {
		return err
	}
	if err := setUTF8(front); err != nil {
		return err
	}
	c.input = c.tty
	if cfg.Stdin != nil {
		c.typed, c.typedTo = cfg.Stdin, c.tty
	}
	if cfg.Stdout != nil {
		c.streams = []*stream{newStream("terminal", c.tty, cfg.Stdout)}
	} else {
		c.streams = []*stream{newStream("terminal", c.tty, discard{})} // nobody may have to wait for a reader
	}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = front, front, front
	c.cmd.SysProcAttr.Setctty = true // Ctty 0: the child's stdin
	return nil
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// setUTF8 makes the terminal's own line editing delete whole characters.
func setUTF8(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	if err == nil {
		t.Iflag |= unix.IUTF8
		err = unix.IoctlSetTermios(int(f.Fd()), setTermios, t)
	}
	if err != nil {
		return fmt.Errorf("set up a terminal: %w", err)
	}
	return nil
}

func isTerminal(f *os.File) bool {
	is := false
	_ = control(f, func(fd int) error { // a closed file is no terminal
		_, err := unix.IoctlGetTermios(fd, getTermios)
		is = err == nil
		return nil
	})
	return is
}

func (c *child) resize(size job.Size) error {
	return control(c.tty, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Cols})
	})
}

// hangUp gives up the front end of the terminal. Until the process has exited it
// is kept: else a command that closes its terminal for a moment would look as if
// all output had ended. From then on the kernel reports EIO once the last other
// holder is gone and everything it wrote was read.
func (c *child) hangUp() {
	if c.front != nil {
		c.front.Close()
	}
}

func (c *child) interrupt() error {
	if c.tty != nil {
		if _, err := c.interruptFront(); err == nil {
			return nil
		}
	}
	return syscall.Kill(-c.pid, syscall.SIGINT)
}

// interruptFront interrupts the group in front of the terminal and says which.
func (c *child) interruptFront() (pgid int, err error) {
	err = control(c.tty, func(fd int) error {
		if pgid, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil {
			return err
		}
		if pgid <= 0 {
			return syscall.ESRCH
		}
		return interruptGroup(fd, pgid)
	})
	return pgid, err
}

// control runs f with the descriptor, which stays open meanwhile. Fd would do
// too, but it may put the file into blocking mode.
func control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := conn.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}
