//go:build unix

package archivetest

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// server is whom the server runs as when the test runs as root, which Postgres
// refuses to be.
func server() (uid, gid int, is bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil {
			return uid, gid, true
		}
	}
	return 0, 0, false
}

func giveToServer(dir string) error {
	uid, gid, is := server()
	if !is {
		return nil
	}
	return os.Chown(dir, uid, gid)
}

func asServer(cmd *exec.Cmd) {
	if uid, gid, is := server(); is {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
}

// startAndWait runs a command on one thread from start to end: it is the death
// of its parent thread that ends a process which is to end with its parent.
func startAndWait(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err == nil {
		cmd.Wait() //nolint:errcheck // its state says how it ended
	}
}

// killAll kills the server and its processes, of which each leads a session of
// its own.
func killAll(pid int) {
	children, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "task", strconv.Itoa(pid), "children"))
	syscall.Kill(pid, syscall.SIGKILL)
	for field := range strings.FieldsSeq(string(children)) {
		if child, err := strconv.Atoi(field); err == nil {
			syscall.Kill(child, syscall.SIGKILL)
		}
	}
}

func interrupt(p *os.Process) { p.Signal(syscall.SIGINT) } //nolint:errcheck // it may have ended
