package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"github.com/charmbracelet/x/conpty"
	"golang.org/x/sys/windows"

	"vmorchestrator/internal/job"
)

// The Windows files are compiled and vetted in every check; they have not been
// run on Windows by their author. A job object takes the place of the family: it
// holds every descendant, and ends all of them in one call. Processes started
// before the assignment, in the first moments of the command, are outside it.

// child is the process and our ends of its files.
type child struct {
	pid     int
	process *os.Process
	job     windows.Handle
	streams []*stream

	input   io.WriteCloser
	typed   io.Reader
	typedTo io.WriteCloser

	console *conpty.ConPty // nil in pipes
	hung    sync.Once
	shut    sync.Once
}

func start(cfg Config) (_ *child, err error) {
	path, err := exec.LookPath(cfg.Argv[0])
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return nil, notFound(cfg.Argv[0], err)
	case err != nil:
		return nil, notExecutable(cfg.Argv[0], err)
	}
	if cfg.Dir != "" {
		if info, err := os.Stat(cfg.Dir); err != nil {
			return nil, badDir(cfg.Argv[0], cfg.Dir, err)
		} else if !info.IsDir() {
			return nil, badDir(cfg.Argv[0], cfg.Dir, errors.New("it is not a directory"))
		}
	}
	c := &child{}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.job, err = windows.CreateJobObject(nil, nil); err != nil {
		return nil, noRoom(cfg.Argv[0], err)
	}
	if cfg.TTY {
		err = c.startTerminal(cfg, path)
	} else {
		err = c.startPipes(cfg, path)
	}
	if err != nil {
		return nil, notExecutable(cfg.Argv[0], err)
	}
	c.pid = c.process.Pid
	const access = windows.PROCESS_SET_QUOTA | windows.PROCESS_TERMINATE
	if h, err := windows.OpenProcess(access, false, uint32(c.pid)); err == nil { // it may have ended already
		_ = windows.AssignProcessToJobObject(c.job, h) // then kill ends the process alone
		windows.CloseHandle(h)
	}
	return c, nil
}

func (c *child) startPipes(cfg Config, path string) error {
	cmd := &exec.Cmd{Path: path, Args: cfg.Argv, Dir: cfg.Dir, Env: environ(cfg)}
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	if f, ok := cfg.Stdin.(*os.File); ok && !isTerminal(f) {
		cmd.Stdin = f
	} else if cfg.Stdin != nil || cfg.Input {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		theirs, cmd.Stdin = append(theirs, r), r
		if c.typed = cfg.Stdin; c.typed == nil {
			c.input = w
		} else {
			c.typedTo = w
		}
	}
	output := func(name string, to io.Writer) (*os.File, error) {
		var r, w windows.Handle
		if err := windows.CreatePipe(&r, &w, nil, largestPipe); err != nil {
			return nil, err
		}
		c.streams = append(c.streams, newStream(name, r, to))
		f := os.NewFile(uintptr(w), name)
		theirs = append(theirs, f)
		return f, nil
	}
	if cfg.Stdout != nil {
		w, err := output("stdout", cfg.Stdout)
		if err != nil {
			return err
		}
		cmd.Stdout = w
	}
	if same(cfg.Stdout, cfg.Stderr) {
		cmd.Stderr = cmd.Stdout
	} else if cfg.Stderr != nil {
		w, err := output("stderr", cfg.Stderr)
		if err != nil {
			return err
		}
		cmd.Stderr = w
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.process = cmd.Process
	return nil
}

func (c *child) startTerminal(cfg Config, path string) error {
	console, err := conpty.New(int(cfg.Size.Cols), int(cfg.Size.Rows), 0)
	if err != nil {
		return err
	}
	c.console, c.input = console, nopCloser{console}
	// Closing the console closes its pipes at once; our own handle lives until
	// the last output was read.
	var out windows.Handle
	self := windows.CurrentProcess()
	if err := windows.DuplicateHandle(self, windows.Handle(console.OutPipeReadFd()), self, &out, 0, false, windows.DUPLICATE_SAME_ACCESS); err != nil {
		return err
	}
	to := cfg.Stdout
	if to == nil {
		to = io.Discard
	}
	c.streams = []*stream{newStream("terminal", out, to)}
	if cfg.Stdin != nil {
		c.typed, c.typedTo = cfg.Stdin, nopCloser{console}
	}
	pid, handle, err := console.Spawn(path, cfg.Argv, &syscall.ProcAttr{Dir: cfg.Dir, Env: environ(cfg)})
	if err != nil {
		return err
	}
	defer windows.CloseHandle(windows.Handle(handle))
	c.process, err = os.FindProcess(pid) // the open handle keeps the number from being given away
	return err
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func same(a, b io.Writer) bool {
	return a != nil && b != nil && reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

func isTerminal(f *os.File) bool {
	var mode uint32
	return windows.GetConsoleMode(windows.Handle(f.Fd()), &mode) == nil
}

func (c *child) awaitExit() {
	if h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(c.pid)); err == nil {
		_, _ = windows.WaitForSingleObject(h, windows.INFINITE)
		windows.CloseHandle(h)
	}
}

func (c *child) reap() job.Exit {
	state, err := c.process.Wait()
	if err != nil {
		return job.Exit{State: job.Failed, Cause: job.CauseExit, Detail: "its exit code could not be read: " + err.Error()}
	}
	code := state.ExitCode()
	e := job.Exit{State: job.Succeeded, Cause: job.CauseExit, Code: &code, Detail: "exit code " + strconv.Itoa(code)}
	if code != 0 {
		e.State = job.Failed
	}
	return e
}

func (c *child) copyInput() {
	if _, err := io.Copy(c.typedTo, c.typed); err == nil && c.console != nil {
		_ = c.endInput() // a console that is gone needs no end
	}
	c.typedTo.Close()
}

func (c *child) endInput() error {
	if c.console != nil {
		_, err := c.console.Write([]byte("\x1a\r")) // Ctrl-Z, Enter
		return err
	}
	return c.input.Close()
}

func (c *child) resize(size job.Size) error {
	return c.console.Resize(int(size.Cols), int(size.Rows))
}

// interrupt sends Ctrl-Break in pipes, where a new group does not get Ctrl-C.
func (c *child) interrupt() error {
	if c.console != nil {
		_, err := c.console.Write([]byte{3})
		return err
	}
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(c.pid))
}

func (c *child) ask(r rung) {
	if r == rungInterrupt {
		_ = c.interrupt() // there is nothing gentler than this, and nothing between it and the end
	}
}

func (c *child) members() int {
	var info struct { // JOBOBJECT_BASIC_ACCOUNTING_INFORMATION
		_      [4]int64
		_      uint32
		_      uint32
		active uint32
		_      uint32
	}
	const basicAccounting = 1
	if windows.QueryInformationJobObject(c.job, basicAccounting, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)), nil) != nil {
		return 0
	}
	return int(info.active)
}

func (c *child) empty() bool { return c.members() == 0 }

func (c *child) kill() []job.Survivor {
	err := windows.TerminateJobObject(c.job, 1)
	_ = c.process.Kill() // in case it could not be put into the job object
	if n := c.members(); err != nil && n > 0 {
		return []job.Survivor{{PID: c.pid, Why: fmt.Sprintf("%d processes could not be terminated: %v", n, err)}}
	}
	return nil
}

// hangUp ends the console, which makes its output end once it was read. That
// waits for the reader, and the reader may wait for its Writer.
func (c *child) hangUp() {
	if c.console != nil {
		c.hung.Do(func() { c.console.Close() })
	}
}

func (c *child) close() {
	c.shut.Do(func() {
		c.hangUp()
		for _, f := range []io.Closer{c.input, c.typedTo} {
			if f != nil {
				f.Close()
			}
		}
		for _, s := range c.streams {
			s.close()
		}
		if c.job != 0 {
			windows.CloseHandle(c.job)
		}
	})
}
