package remote

import (
	"bytes"
	"io"
	"strconv"
	"sync"
	"time"

	"vmorchestrator/internal/job"
)

// header is what a command on a host is called there. Zero means that the host
// cannot tell.
type header struct {
	PID, PGID, SID int
	Start          uint64 // in the host's clock ticks since it booted
}

// Nothing that a login shell prints by itself before the header is kept, within
// these bounds. Beyond them the host is not one that runs what it is told to: a
// forced command, network gear. A shell whose files take their time before they
// print anything gets more of it.
const (
	headerNoise   = 64 << 10
	headerWait    = 30 * time.Second // from the first output on
	headerSilence = 60 * time.Second // while there is none
)

// headerFilter hands on what a command prints, without its header and without
// what came before: the noise of the shell's own files. When there is no header
// it hands on everything. Its goroutine is the timer's, which [headerFilter.end]
// waits for.
type headerFilter struct {
	next    io.Writer
	wait    time.Duration
	mark    []byte
	decided chan struct{} // closed when it is known whether there is a header
	timer   *time.Timer

	mu     sync.Mutex
	held   []byte
	done   bool
	found  bool
	header header
	err    error
}

// newHeaderFilter waits for the header of a run for so long once there is output;
// zero means headerWait.
func newHeaderFilter(id job.ID, next io.Writer, wait time.Duration) *headerFilter {
	if wait <= 0 {
		wait = headerWait
	}
	f := &headerFilter{next: next, wait: wait, mark: []byte("\036vmo " + string(id) + " "), decided: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timer = time.AfterFunc(max(wait, headerSilence), f.end)
	return f
}

// result is the header, once decided is closed; false means that there is none.
func (f *headerFilter) result() (header, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.header, f.found
}

// end hands on what is held: there will be no header. It is for the end of the
// output, and may be called again.
func (f *headerFilter) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.done {
		f.decide(false, f.held)
	}
}

// decide needs f.mu.
func (f *headerFilter) decide(found bool, rest []byte) {
	f.timer.Stop()
	f.done, f.found, f.held = true, found, nil
	close(f.decided)
	if len(rest) > 0 {
		_, f.err = f.next.Write(rest)
	}
}

func (f *headerFilter) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return 0, f.err
	}
	if f.done {
		return f.next.Write(b)
	}
	if len(f.held) == 0 && len(b) > 0 {
		f.timer.Reset(f.wait)
	}
	f.held = append(f.held, b...)
	if h, rest, ok := f.find(); ok {
		f.header = h
		f.decide(true, rest)
	} else if len(f.held) > headerNoise {
		f.decide(false, f.held)
	}
	if f.err != nil {
		return 0, f.err
	}
	return len(b), nil
}

// find looks for a whole header in what is held.
func (f *headerFilter) find() (h header, rest []byte, ok bool) {
	_, after, found := bytes.Cut(f.held, f.mark)
	if !found {
		return h, nil, false
	}
	line, rest, ended := bytes.Cut(after, []byte("\n"))
	if !ended {
		return h, nil, false
	}
	return parseHeader(string(line)), rest, true
}

// parseHeader takes what it can: not every ps has numbers for everything.
func parseHeader(line string) header {
	var n [4]uint64
	for i, field := range bytes.Fields([]byte(line)) {
		if i < len(n) {
			n[i], _ = strconv.ParseUint(string(field), 10, 63) // zero is what an unknown one is
		}
	}
	return header{PID: int(n[0]), PGID: int(n[1]), SID: int(n[2]), Start: n[3]}
}
