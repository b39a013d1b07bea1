package process

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"vmorchestrator/internal/job"
)

// StartError tells why there is no process. Its numbers are those that shells
// use, so that scripts around vmo know them.
type StartError struct {
	Command string // Argv[0]
	Dir     string // the working directory, if that is what is wrong
	Err     error
	code    int
}

func (e *StartError) Error() string {
	if e.Dir != "" {
		return fmt.Sprintf("cannot run %s in %s: %v", e.Command, e.Dir, e.Err)
	}
	return fmt.Sprintf("cannot run %s: %v", e.Command, e.Err)
}

// Unwrap returns what the system said.
func (e *StartError) Unwrap() error { return e.Err }

// ExitCode is 127 when the command was not found, 126 when it was found and
// cannot be executed, and 125 when it was never looked at: its directory is
// wrong, or this machine has no process, file or terminal to spare.
func (e *StartError) ExitCode() int { return e.code }

var errNotExecutable = errors.New("it is not executable")

func notFound(command string, err error) error {
	return job.WithHint(&StartError{Command: command, Err: err, code: 127},
		"Check the name, and that its directory is in PATH.")
}

func notExecutable(command string, err error) error {
	hint := "Make it executable (chmod +x), and check that its first line names an interpreter that is installed."
	if errors.Is(err, syscall.E2BIG) {
		hint = "Hand the data over in a file or as input instead of in arguments."
	}
	return job.WithHint(&StartError{Command: command, Err: err, code: 126}, hint)
}

func badDir(command, dir string, err error) error {
	var p *fs.PathError // names the directory and the call once more
	if errors.As(err, &p) {
		err = p.Err
	}
	return job.WithHint(&StartError{Command: command, Dir: dir, Err: err, code: 125},
		"Choose a working directory that exists and that you may enter.")
}

func noRoom(command string, err error) error {
	return job.WithHint(&StartError{Command: command, Err: err, code: 125},
		"End some other jobs, or raise the limits of this session (ulimit -n, ulimit -u).")
}
