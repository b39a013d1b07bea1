package process

import (
	"os"
	"os/exec"
)

// LookPath finds a program as [Start] would, in the PATH of this program.
func LookPath(name string) (string, error) { return exec.LookPath(name) }

// LoginShell is the operator's shell on this machine.
func LoginShell() string {
	for _, name := range []string{"SHELL", "COMSPEC"} {
		if shell := os.Getenv(name); shell != "" {
			return shell
		}
	}
	return "/bin/sh"
}
