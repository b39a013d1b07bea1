//go:build unix

package process

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"vmorchestrator/internal/job"
)

// bufferSize is the most that one Write of output gets.
const bufferSize = 256 << 10

// buffers are held only while there is something to read: hundreds of jobs that
// print nothing cost no memory.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// stream is our end of one output.
type stream struct {
	name string
	file *os.File
	conn syscall.RawConn
	to   io.Writer
	try  func(fd uintptr) bool // s.readOnce; made once, so that reading does not allocate

	buf  *[bufferSize]byte // set by readOnce, with what it read
	n    int
	err  error
	last bool // do not wait for more

	stall   time.Duration // the longest Write since the process exited; under Process.mu
	failed  error         // what the Writer said
	holders []job.Survivor
	large   bool
}

func newStream(name string, file *os.File, to io.Writer) *stream {
	s := &stream{name: name, file: file, to: to}
	s.conn, _ = file.SyscallConn() // fails for a nil file only
	s.try = s.readOnce
	return s
}

func (s *stream) setDeadline(t time.Time) {
	_ = s.file.SetReadDeadline(t) // fails once the file is closed, when nothing is left to end
}

// readOnce reads what there is; it reports false to be called again when there
// is more.
func (s *stream) readOnce(fd uintptr) bool {
	s.buf = buffers.Get().(*[bufferSize]byte)
	for {
		s.n, s.err = syscall.Read(int(fd), s.buf[:])
		if s.err != syscall.EINTR {
			break
		}
	}
	if s.err == syscall.EAGAIN && !s.last {
		s.release()
		return false
	}
	return true
}

func (s *stream) release() {
	if s.buf != nil {
		buffers.Put(s.buf)
		s.buf = nil
	}
}

// next waits for output and writes it. At the end of the output it reports
// io.EOF, at the deadline os.ErrDeadlineExceeded.
func (s *stream) next(p *Process) error {
	defer s.release()
	if err := s.conn.Read(s.try); err != nil {
		return err
	}
	// A terminal whose command's end is closed everywhere reports EIO, after
	// everything was read.
	if s.n == 0 && s.err == nil || s.err == syscall.EIO {
		return io.EOF
	}
	if s.err != nil {
		return s.err
	}
	began := time.Now()
	n, err := s.to.Write(s.buf[:s.n])
	p.stalled(s, began)
	if err == nil && n < s.n {
		err = io.ErrShortWrite
	}
	s.failed = err
	return err
}

// copy writes everything that the command prints until the end, or until the
// time for that is over.
func (p *Process) copy(s *stream) {
	for {
		err := s.next(p)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			if !p.extend(s) {
				p.copyRest(s)
				return
			}
		default:
			if s.failed != nil {
				s.close() // the command learns of it by SIGPIPE
			}
			return
		}
	}
}

// copyRest copies what is there although somebody holds the output open. That
// includes all that was written before the process exited: it lies in front, and
// no pipe or terminal holds more than largestPipe.
func (p *Process) copyRest(s *stream) {
	s.last = true
	s.setDeadline(time.Time{})
	for left := largestPipe; left > 0; left -= s.n {
		if err := s.next(p); err == syscall.EAGAIN {
			break
		} else if err != nil {
			return // nobody holds it any more
		}
	}
	pids := holdersOf(p.child, s)
	if len(pids) == 0 {
		// An exiting process shows no files any more before it has closed them.
		s.last = false
		s.setDeadline(time.Now().Add(100 * time.Millisecond))
		for err := error(nil); err == nil; {
			if err = s.next(p); err == io.EOF {
				return
			}
		}
	}
	s.holders = p.child.nameHolders(pids)
}
