//go:build unix

package processtest

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

// Recorder keeps output and tells when something has been printed.
type Recorder struct {
	mu    sync.Mutex
	b     bytes.Buffer
	waits map[string]chan struct{}
	gate  chan struct{} // a Write waits until it is closed; nil lets all pass
	once  sync.Once
	Stuck chan struct{} // closed when a Write waits at the gate
}

// NewRecorder makes one that lets everything through.
func NewRecorder() *Recorder { return &Recorder{waits: map[string]chan struct{}{}} }

// Blocked makes a recorder whose Writes wait until open.
func Blocked() (r *Recorder, open func()) {
	r = NewRecorder()
	r.gate, r.Stuck = make(chan struct{}), make(chan struct{})
	return r, sync.OnceFunc(func() { close(r.gate) })
}

// Write takes what a command prints.
func (r *Recorder) Write(b []byte) (int, error) {
	if r.gate != nil {
		r.mu.Lock()
		r.once.Do(func() { close(r.Stuck) })
		r.mu.Unlock()
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.b.Write(b)
	for text, c := range r.waits {
		if bytes.Contains(r.b.Bytes(), []byte(text)) {
			close(c)
			delete(r.waits, text)
		}
	}
	return len(b), nil
}

// Seen is closed when the text has been printed.
func (r *Recorder) Seen(text string) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.waits[text]
	if !ok {
		c = make(chan struct{})
		if bytes.Contains(r.b.Bytes(), []byte(text)) {
			close(c)
		} else {
			r.waits[text] = c
		}
	}
	return c
}

func (r *Recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// Until waits for the text to be printed.
func (r *Recorder) Until(t *testing.T, text string) {
	t.Helper()
	Await(t, fmt.Sprintf("%q to be printed", text), r.Seen(text))
}

// PIDs are the numbers after a word at the start of a line.
func (r *Recorder) PIDs(word string) (pids []int) {
	for scan := bufio.NewScanner(strings.NewReader(r.String())); scan.Scan(); {
		if n, ok := strings.CutPrefix(strings.TrimSpace(scan.Text()), word+" "); ok {
			pid, err := strconv.Atoi(strings.TrimSpace(n))
			if err != nil {
				panic(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// Await waits for something that has to happen.
func Await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		t.Fatalf("waited a minute for %s", what)
	}
	return v
}

// UntilDead looks until a process is dead. There is no event to wait for: only
// its parent gets one, and that is whoever is under test.
func UntilDead(pid int) {
	for Alive(pid) {
		time.Sleep(time.Millisecond)
	}
}

// End kills a process that a job left behind. Without a number it would be the
// test itself.
func End(t *testing.T, s job.Survivor) {
	t.Helper()
	if s.PID <= 1 {
		t.Errorf("survivor without a number: %+v", s)
		return
	}
	_ = syscall.Kill(s.PID, syscall.SIGKILL)
}
