package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// fanOut runs one command on several hosts at once. Each line of output carries
// its host. It ends with 0 only when all of them do, else with the exit code of
// the first host that did not, in the order in which they were given.
func (c *cli) fanOut(e *engine.Engine, request engine.Launch) error {
	if request.TTY {
		return job.WithHint(fmt.Errorf("%w: one terminal cannot show several hosts", job.ErrInvalid), "Leave out --tty, or choose one host.")
	}
	_, jobs, err := e.Start(request)
	l := launched{cli: c, e: e}
	width := 0
	for _, j := range jobs {
		l.ids = append(l.ids, j.ID)
		width = max(width, len(hostName(j)))
	}
	stop := l.signals()
	defer stop()
	ended := make([]job.Job, len(jobs))
	errs := []error{err}
	var lock sync.Mutex // of standard output and standard error, and errs
	var all sync.WaitGroup
	for i, j := range jobs {
		all.Go(func() {
			p := printer{discard: c.json, host: fmt.Sprintf("%-*s | ", width, visible(hostName(j))), lock: &lock}
			var err error
			e.Ready(context.Background(), j.ID) // a reader of a record that only waits would cost memory
			ended[i], err = l.show(j.ID, p)
			lock.Lock()
			defer lock.Unlock()
			errs = append(errs, err)
			if c.json && err == nil {
				errs = append(errs, printJSON(ended[i]))
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return verdict(ended)
}

// local is the name of this machine.
const local = "local"

func hostName(j job.Job) string {
	if j.Host == "" {
		return local
	}
	return j.Host
}

// verdict says which hosts failed, and how.
func verdict(ended []job.Job) error {
	code, failed := 0, []string{}
	for _, j := range ended {
		if j.State == job.Succeeded {
			continue
		}
		if code == 0 {
			code = codeOf(j)
		}
		why := string(j.State)
		switch {
		case j.Cause == job.CauseConnect || j.Cause == job.CauseStart || j.State == job.Lost:
			why += ": " + j.Detail
		case j.ExitCode != nil:
			why += fmt.Sprintf(", exit code %d", *j.ExitCode)
		case j.Signal != "":
			why += ", " + j.Signal
		}
		failed = append(failed, fmt.Sprintf("%s: %s", hostName(j), why))
		for _, s := range j.Survivors {
			failed = append(failed, fmt.Sprintf("%s: process %d (%s): %s", hostName(j), s.PID, s.Command, s.Why))
		}
	}
	if code == 0 {
		return nil
	}
	for _, line := range failed {
		fmt.Fprintln(os.Stderr, "vmo: "+visible(line))
	}
	n := 0
	for _, j := range ended {
		if j.State == job.Succeeded {
			n++
		}
	}
	fmt.Fprintf(os.Stderr, "vmo: %d of %d hosts succeeded\n", n, len(ended))
	return exitCode(code)
}
