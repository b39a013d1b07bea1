//go:build unix

package process

import (
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"vmorchestrator/internal/job"
)

// proc is a process as the system shows it at one moment. Number and start time
// together never mean another process.
type proc struct {
	pid, ppid, pgid, sid int
	start                uint64
	dead                 bool // a zombie
	asleep               bool // in a system call that no signal ends
	stopped              bool
}

type procKey struct {
	pid   int
	start uint64
}

func (p proc) key() procKey { return procKey{p.pid, p.start} }

// family finds the processes of a job. While it is used the root is not reaped,
// so its number keeps meaning the root, its group and its session.
type family struct {
	id   string
	root proc

	mu    sync.Mutex
	known map[procKey]bool // found once; a later environment may not say so any more
}

func newFamily(id job.ID, pid int) *family {
	root, ok := readProc(pid)
	if !ok {
		root = proc{pid: pid, pgid: pid, sid: pid} // no /proc: the group is what is left
	}
	return &family{id: string(id), root: root, known: map[procKey]bool{root.key(): true}}
}

// scan finds the living members. It calls found, if not nil, for each as soon as
// it is recognised. It is not steady when processes came or went meanwhile that
// it could not look at.
func (f *family) scan(found func(proc)) (alive []proc, steady bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	member := map[int]bool{f.root.pid: true} // members and what they lead
	var others []proc
	take := func(p proc) {
		member[p.pid], f.known[p.key()] = true, true
		alive = append(alive, p)
		if found != nil {
			found(p)
		}
	}
	steady = eachProc(func(p proc) {
		switch {
		case p.dead || p.pid == os.Getpid() || p.start < f.root.start: // older than the job: not its descendant
		case f.known[p.key()] || carriesID(p.pid, f.id):
			take(p)
		default:
			others = append(others, p)
		}
	})
	for again := true; again; {
		again = false
		for i := 0; i < len(others); i++ {
			if p := others[i]; member[p.ppid] || member[p.pgid] || member[p.sid] {
				take(p)
				others[i] = others[len(others)-1]
				others = others[:len(others)-1]
				i, again = i-1, true
			}
		}
	}
	return alive, steady
}

// Somebody who forks while we look can be missed once; hence several looks. On a
// busy machine unrelated processes come and go all the time, so that a limit has
// to end the looking.
const (
	looks     = 3
	mostLooks = 20
)

// empty reports whether no member is alive.
func (f *family) empty() bool {
	for n, calm := 0, 0; n < mostLooks && calm < looks; n++ {
		alive, steady := f.scan(nil)
		if len(alive) > 0 {
			return false
		}
		if steady {
			calm++
		}
	}
	return true
}

// signal sends a signal to the process, unless its number has gone to another.
// On Linux the handle is a pidfd, which closes the gap between look and signal.
func (p proc) signal(sig syscall.Signal) error {
	h, err := os.FindProcess(p.pid)
	if err != nil {
		return err
	}
	defer h.Release()
	if now, ok := readProc(p.pid); !ok || now.start != p.start {
		return os.ErrProcessDone
	}
	return h.Signal(sig)
}

// ask sends the signals of a rung to every member, to each exactly once: tools
// such as terraform take a second SIGINT as the order to drop everything.
func (c *child) ask(r rung) {
	signals := []syscall.Signal{syscall.SIGINT}
	group := c.pid
	switch {
	case r == rungTerminate && c.tty != nil:
		// A shell at its prompt ignores SIGTERM; SIGHUP is how a terminal ends.
		signals = []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP}
		fallthrough
	case r == rungTerminate:
		signals[0] = syscall.SIGTERM
	case c.tty != nil:
		if front, err := c.interruptFront(); err == nil {
			group, signals = front, nil
		}
	}
	alive, _ := c.family.scan(nil) // before the group is told: who is told is on the list
	for _, sig := range signals {
		_ = syscall.Kill(-group, sig) // who could not be told is found at the end
	}
	if signals == nil {
		signals = []syscall.Signal{syscall.SIGINT}
	}
	for _, p := range alive {
		if p.pgid != group {
			for _, sig := range signals {
				_ = p.signal(sig)
			}
		}
		if p.stopped {
			_ = p.signal(syscall.SIGCONT) // else it never gets to know
		}
	}
}

func (c *child) empty() bool { return c.family.empty() }

// killLimit bounds how long processes may take to die of SIGKILL, and how long
// a family that forks while it is killed is chased.
const killLimit = 5 * time.Second

// kill kills every member until none is left, and returns those that are.
func (c *child) kill() []job.Survivor {
	denied := map[procKey]bool{}
	asked := map[procKey]bool{}
	until := time.Now().Add(killLimit)
	for calm, empty, refused := 0, 0, 0; ; {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL) // the group at once: nobody in it can fork away
		fresh := false
		alive, steady := c.family.scan(func(p proc) {
			fresh = fresh || !asked[p.key()]
			asked[p.key()] = true
			if errors.Is(p.signal(syscall.SIGKILL), syscall.EPERM) {
				denied[p.key()] = true
			}
		})
		if len(alive) == 0 {
			if empty++; steady {
				calm++
			}
			if calm >= looks || empty >= mostLooks {
				return nil
			}
			continue
		}
		calm, empty = 0, 0
		if all(alive, denied) {
			refused++
		} else {
			refused = 0
		}
		if refused >= looks || time.Now().After(until) {
			return survivors(alive, denied)
		}
		if !fresh {
			time.Sleep(time.Millisecond) // they have been told and need a moment
		}
	}
}

func all(alive []proc, in map[procKey]bool) bool {
	for _, p := range alive {
		if !in[p.key()] {
			return false
		}
	}
	return true
}

func survivors(alive []proc, denied map[procKey]bool) (left []job.Survivor) {
	for _, p := range alive {
		why := "still running after SIGKILL"
		switch {
		case denied[p.key()]:
			why = "still running: it belongs to another user and needs root"
		case p.asleep:
			why = "still running after SIGKILL: it waits for a device or a network file system"
		}
		left = append(left, job.Survivor{PID: p.pid, Command: commandOf(p.pid), Why: why})
	}
	return left
}

const holdsOutput = "keeps the output open"

// nameHolders describes those who keep a stream open.
func (c *child) nameHolders(pids []int) (held []job.Survivor) {
	why := holdsOutput
	if len(pids) == 0 { // it is somebody whose files we may not see
		why = "may be what " + holdsOutput
		alive, _ := c.family.scan(nil)
		for _, p := range alive {
			pids = append(pids, p.pid)
		}
	}
	for _, pid := range pids {
		held = append(held, job.Survivor{PID: pid, Command: commandOf(pid), Why: why})
	}
	if len(held) == 0 {
		held = []job.Survivor{{Why: "a process that cannot be seen from here " + holdsOutput}}
	}
	return held
}

// cut joins arguments to what Survivor.Command holds.
func cut(args []string) string {
	s := strings.Join(args, " ")
	if len(s) <= 200 {
		return s
	}
	s = s[:200]
	for len(s) > 0 && !utf8.ValidString(s[max(0, len(s)-utf8.UTFMax):]) && !utf8.RuneStart(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	if r, size := utf8.DecodeLastRuneInString(s); r == utf8.RuneError && size == 1 {
		s = s[:len(s)-1] // half a character
	}
	return s
}
