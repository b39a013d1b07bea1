package archivetest

import (
	"os/exec"
	"syscall"
)

// withParent ends the server when the test binary dies without a cleanup. It is
// in a session of its own, so that Ctrl-C at a test reaches the cleanup first.
func withParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
