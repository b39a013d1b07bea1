package process

import (
	"bytes"
	"encoding/binary"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// This file is compiled and vetted in every check; it has not been run on macOS
// by its author.

const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETA
)

// largestPipe is the most that a pipe or a terminal holds.
const largestPipe = 64 << 10

func (s *stream) enlarge() {} // the system grows pipes by itself

func (s *stream) close() { s.file.Close() }

// awaitExit waits without reaping. (waitid would also return for a process that
// is merely stopped, https://go.dev/issue/19314.)
func awaitExit(pid int) {
	if queue, err := unix.Kqueue(); err == nil {
		exit := []unix.Kevent_t{{Ident: uint64(pid), Filter: unix.EVFILT_PROC, Flags: unix.EV_ADD | unix.EV_ONESHOT, Fflags: unix.NOTE_EXIT}}
		for err = unix.EINTR; err == unix.EINTR; { // ESRCH: it has exited already
			_, err = unix.Kevent(queue, exit, make([]unix.Kevent_t, 1), nil)
		}
		unix.Close(queue)
	}
	for { // the event may come just before the exit is complete
		if p, ok := readProc(pid); !ok || p.dead {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func interruptGroup(_, pgid int) error { return syscall.Kill(-pgid, syscall.SIGINT) }

// States of a process, from sys/proc.h.
const (
	stateStopped = 4
	stateZombie  = 5
)

func eachProc(visit func(proc)) (steady bool) {
	procs, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return true
	}
	for i := range procs {
		visit(procOf(&procs[i]))
	}
	return true
}

func procOf(k *unix.KinfoProc) proc {
	p := proc{
		pid: int(k.Proc.P_pid), ppid: int(k.Eproc.Ppid), pgid: int(k.Eproc.Pgid),
		start: uint64(k.Proc.P_starttime.Sec)*1e6 + uint64(k.Proc.P_starttime.Usec),
		dead:  k.Proc.P_stat == stateZombie, stopped: k.Proc.P_stat == stateStopped,
	}
	p.sid, _ = unix.Getsid(p.pid)
	return p
}

func readProc(pid int) (proc, bool) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		return proc{}, false
	}
	return procOf(k), true
}

// arguments reads what kern.procargs2 tells about processes of the same user:
// the number of arguments, the path, and then arguments and environment.
func arguments(pid int) (args, env []string) {
	block, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil || len(block) < 4 {
		return nil, nil
	}
	n := int(binary.LittleEndian.Uint32(block))
	_, rest, _ := bytes.Cut(block[4:], []byte{0})
	all := strings.Split(string(bytes.TrimLeft(rest, "\x00")), "\x00")
	n = min(max(n, 0), len(all))
	return all[:n], all[n:]
}

func carriesID(pid int, id string) bool {
	_, env := arguments(pid)
	return carries(strings.Join(env, "\x00"), id)
}

func commandOf(pid int) string {
	args, _ := arguments(pid)
	return cut(args)
}

// holdersOf cannot tell; holders then names the family.
func holdersOf(*child, *stream) []int { return nil }
