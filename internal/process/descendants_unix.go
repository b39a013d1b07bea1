//go:build unix

package process

import (
	"os"

	"vmorchestrator/internal/job"
)

// Descendants finds living processes of a job by its id in their environment.
// It is for jobs whose process is not ours: the program that ran them died.
func Descendants(id job.ID) []job.Survivor {
	var found []proc
	eachProc(func(p proc) {
		if !p.dead && p.pid != os.Getpid() && carriesID(p.pid, string(id)) {
			found = append(found, p)
		}
	})
	var out []job.Survivor
	for _, p := range found {
		out = append(out, job.Survivor{PID: p.pid, Command: commandOf(p.pid), Why: "still running: the program that ran it died before it"})
	}
	return out
}
