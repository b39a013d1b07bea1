package process

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETS
)

// largestPipe is the most that a pipe of ours or a terminal holds.
const largestPipe = 1 << 20

// Pipe memory is limited for all processes of a user together, by default to
// 64 MiB (pipe-user-pages-soft); beyond it every new pipe, also those of other
// programs, holds 8 KiB only. So just the first few jobs get large pipes.
const largePipes = 16

var large atomic.Int32

// enlarge lets the command run ahead of us; it switches between the two less often.
func (s *stream) enlarge() {
	if large.Add(1) > largePipes {
		large.Add(-1)
		return
	}
	s.large = true
	_ = control(s.file, func(fd int) error { // may be refused; the default size does
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, largestPipe)
		return err
	})
}

func (s *stream) close() {
	s.file.Close()
	if s.large {
		s.large = false
		large.Add(-1)
	}
}

// awaitExit waits without reaping. The pidfd lets the runtime wait for all jobs
// in one poll; without one (Linux before 5.10, seccomp) a thread waits for each.
func awaitExit(pid int) {
	over := func(idType, id, flags int) bool {
		var info unix.Siginfo
		for {
			err := unix.Waitid(idType, id, &info, unix.WEXITED|unix.WNOWAIT|flags, nil)
			if err == nil {
				return info.Signo != 0
			}
			if err != unix.EINTR {
				return true // there is no such child any more
			}
		}
	}
	if fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK); err == nil {
		file := os.NewFile(uintptr(fd), "pidfd")
		defer file.Close()
		if conn, err := file.SyscallConn(); err == nil {
			err = conn.Read(func(uintptr) bool { return over(unix.P_PID, pid, unix.WNOHANG) })
			if err == nil {
				return
			}
		}
	}
	over(unix.P_PID, pid, 0)
}

// interruptGroup lets the terminal send the signal, as it does for Ctrl-C: that
// also reaches a sudo in front, which belongs to root.
func interruptGroup(fd, pgid int) error {
	if unix.IoctlSetInt(fd, unix.TIOCSIG, int(syscall.SIGINT)) == nil {
		return nil
	}
	return syscall.Kill(-pgid, syscall.SIGINT)
}

// eachProc visits the processes, the youngest first: who forks to get away is
// among those. It reports false when one was gone before it was looked at.
func eachProc(visit func(proc)) (steady bool) {
	dir, err := os.Open("/proc")
	if err != nil {
		return true
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // a part is better than nothing
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	steady = true
	for _, pid := range slices.Backward(pids) {
		if p, ok := readProc(pid); ok {
			visit(p)
		} else {
			steady = false
		}
	}
	return steady
}

// readProc reads /proc/<pid>/stat (proc_pid_stat(5)). The name in it may contain
// blanks and parentheses; what follows the last one is what counts.
func readProc(pid int) (proc, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return proc{}, false
	}
	_, rest, _ := cutLast(string(text), ") ")
	field := strings.Fields(rest)
	if len(field) < 20 {
		return proc{}, false
	}
	p := proc{pid: pid, stopped: field[0] == "T" || field[0] == "t", asleep: field[0] == "D"}
	p.ppid, _ = strconv.Atoi(field[1])
	p.pgid, _ = strconv.Atoi(field[2])
	p.sid, _ = strconv.Atoi(field[3])
	threads, _ := strconv.Atoi(field[17])
	// A process whose first thread has ended looks like a zombie while others run.
	p.dead = field[0] == "X" || field[0] == "Z" && threads <= 1
	p.start, err = strconv.ParseUint(field[19], 10, 64)
	return p, err == nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func carriesID(pid int, id string) bool {
	block, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && carries(string(block), id)
}

func commandOf(pid int) string {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if len(text) == 0 {
		name, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
		return strings.TrimSuffix(string(name), "\n")
	}
	return cut(strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"))
}

// holdersOf finds who has the other end of a stream open, whether or not it is
// of the family.
func holdersOf(c *child, s *stream) (pids []int) {
	link := ""
	if c.tty != nil {
		link = c.front.Name()
	} else {
		_ = control(s.file, func(fd int) (err error) {
			link, err = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			return err
		})
	}
	// A process that another job is just being started in has copies of all our
	// files for a moment; the lock keeps such out.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	eachProc(func(p proc) {
		if p.dead || p.pid == os.Getpid() || p.start < c.family.root.start {
			return
		}
		dir := "/proc/" + strconv.Itoa(p.pid) + "/fd"
		fds, _ := os.ReadDir(dir) // another user's cannot be seen
		for _, fd := range fds {
			if to, err := os.Readlink(dir + "/" + fd.Name()); err == nil && to == link {
				pids = append(pids, p.pid)
				return
			}
		}
	})
	return pids
}
