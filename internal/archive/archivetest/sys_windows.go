package archivetest

import (
	"os"
	"os/exec"
)

func giveToServer(string) error { return nil }

func asServer(*exec.Cmd) {}

func startAndWait(cmd *exec.Cmd, started chan<- error) {
	err := cmd.Start()
	started <- err
	if err == nil {
		cmd.Wait() //nolint:errcheck // its state says how it ended
	}
}

func killAll(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		p.Kill() //nolint:errcheck // it may have ended
	}
}

func interrupt(p *os.Process) { p.Kill() } //nolint:errcheck // it may have ended
