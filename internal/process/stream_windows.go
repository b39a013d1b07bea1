package process

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"vmorchestrator/internal/job"
)

const (
	bufferSize  = 256 << 10
	largestPipe = 1 << 20
)

// stream is our end of one output.
type stream struct {
	name    string
	handle  windows.Handle
	to      io.Writer
	expired atomic.Bool
	shut    sync.Once

	mu    sync.Mutex
	timer *time.Timer

	stall   time.Duration // the longest Write since the process exited; under Process.mu
	failed  error         // what the Writer said
	holders []job.Survivor
}

func newStream(name string, handle windows.Handle, to io.Writer) *stream {
	return &stream{name: name, handle: handle, to: to}
}

// setDeadline makes a waiting read fail at t, as a file that can wait for
// several things would by itself.
func (s *stream) setDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.expired.Store(false)
	if t.IsZero() {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(time.Until(t), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.timer != timer {
			return
		}
		s.expired.Store(true)
		_ = windows.CancelIoEx(s.handle, nil) // nothing to cancel: it is about to read, or in Write
		timer.Reset(50 * time.Millisecond)
	})
	s.timer = timer
}

func (s *stream) next(p *Process, buf []byte) error {
	if s.expired.Load() {
		return os.ErrDeadlineExceeded
	}
	var n uint32
	switch err := windows.ReadFile(s.handle, buf, &n, nil); {
	case errors.Is(err, windows.ERROR_OPERATION_ABORTED):
		return os.ErrDeadlineExceeded
	case errors.Is(err, windows.ERROR_BROKEN_PIPE):
		return io.EOF
	case err != nil:
		return err
	case n == 0:
		return nil // somebody wrote nothing
	}
	began := time.Now()
	w, err := s.to.Write(buf[:n])
	p.stalled(s, began)
	if err == nil && w < int(n) {
		err = io.ErrShortWrite
	}
	s.failed = err
	return err
}

func (p *Process) copy(s *stream) {
	buf := make([]byte, bufferSize)
	defer s.setDeadline(time.Time{})
	for {
		err := s.next(p, buf)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			if !p.extend(s) {
				p.copyRest(s, buf)
				return
			}
		default:
			if s.failed != nil {
				s.close()
			}
			return
		}
	}
}

// copyRest copies what is there although somebody holds the output open.
func (p *Process) copyRest(s *stream, buf []byte) {
	s.setDeadline(time.Time{})
	for left := largestPipe; left > 0; {
		var waiting uint32
		if err := peek(s.handle, &waiting); err != nil {
			return // nobody holds it any more
		}
		if waiting == 0 {
			break
		}
		n := min(int(waiting), len(buf))
		if s.next(p, buf[:n]) != nil {
			return
		}
		left -= n
	}
	s.holders = []job.Survivor{{Why: "a process that was left running keeps the output open"}}
}

func (s *stream) close() {
	s.shut.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.timer != nil {
			s.timer.Stop()
			s.timer = nil
		}
		windows.CloseHandle(s.handle)
	})
}

var peekNamedPipe = windows.NewLazySystemDLL("kernel32.dll").NewProc("PeekNamedPipe")

func peek(h windows.Handle, waiting *uint32) error {
	ok, _, err := peekNamedPipe.Call(uintptr(h), 0, 0, 0, uintptr(unsafe.Pointer(waiting)), 0)
	if ok == 0 {
		return err
	}
	return nil
}
