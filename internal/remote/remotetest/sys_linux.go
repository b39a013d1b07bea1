package remotetest

import "syscall"

// withParent ends the server when the test binary dies without a cleanup. It is
// in a session of its own, so that Ctrl-C at a test reaches the cleanup first.
func withParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

func pause(pid int) { syscall.Kill(pid, syscall.SIGSTOP) }
