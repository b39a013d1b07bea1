package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"vmorchestrator/internal/job"
)

// Exit codes. Those of a command pass through, so that vmo can stand before any
// command in a script; the others are those of timeout(1), docker run and the
// shells.
const (
	exitUsage       = 2   // the arguments cannot be right, or name what is not there
	exitTimedOut    = 124 // the job's timeout
	exitFailed      = 125 // vmo itself failed, or nobody knows how the job ended
	exitInterrupted = 130 // cancelled, by Ctrl-C or from elsewhere
	exitSignal      = 128 // plus its number: the command ended by a signal
)

// exitCode ends vmo with a code and without a message.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exit says what is wrong and returns the exit code.
func (c *cli) exit(err error) int {
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, syscall.EPIPE):
		return exitSignal + int(syscall.SIGPIPE) // whoever reads has gone: nothing to say
	}
	complain(err)
	switch {
	case !c.entered:
		fmt.Fprintln(os.Stderr, "     Try: vmo --help")
		return exitUsage
	case errors.Is(err, job.ErrInvalid), errors.Is(err, job.ErrNotFound), errors.Is(err, job.ErrAmbiguous):
		return exitUsage
	}
	return exitFailed
}

// complain tells the operator what failed, what happened, and what to do next.
func complain(err error) {
	fmt.Fprintln(os.Stderr, "vmo: "+visible(strings.TrimSpace(err.Error())))
	if next := job.HintOf(err); next != "" {
		fmt.Fprintln(os.Stderr, "     "+visible(next))
	}
}

// codeOf is the exit code that stands for the end of a job.
func codeOf(j job.Job) int {
	switch {
	case j.State == job.Succeeded:
		return 0
	case j.State == job.TimedOut:
		return exitTimedOut
	case j.State == job.Lost:
		return exitFailed
	case j.Cause == job.CauseInterrupt:
		return exitInterrupted
	case j.Signal != "":
		return exitSignal + signalNumber(j.Signal)
	case j.ExitCode != nil && *j.ExitCode != 0:
		return *j.ExitCode
	case j.State == job.Cancelled:
		return exitInterrupted
	}
	return exitFailed
}
