package process

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The marks that a job's processes carry. A vmo that runs inside a job starts
// jobs with ids of their own; the list keeps the outer ids, so that cancelling
// the outer job finds them, and cancelling an inner one spares the outer.
const (
	markJob  = "VMO_JOB"
	markJobs = "VMO_JOBS" // from the outermost to the innermost, separated by blanks
)

// environ is the child's environment. Later entries win.
func environ(cfg Config) []string {
	env := os.Environ()
	for name, value := range cfg.Env {
		env = append(env, name+"="+value)
	}
	if _, ok := cfg.Env["PWD"]; !ok && cfg.Dir != "" {
		if dir, err := filepath.Abs(cfg.Dir); err == nil {
			env = append(env, "PWD="+dir) // as cd does; os/exec would only with an inherited environment
		}
	}
	if cfg.TTY && lookup(env, "TERM") == "" {
		env = append(env, "TERM=xterm-256color") // a program started from a desktop has none
	}
	outer := strings.Fields(os.Getenv(markJobs))
	if id := os.Getenv(markJob); id != "" && !slices.Contains(outer, id) {
		outer = append(outer, id)
	}
	return append(env,
		markJob+"="+string(cfg.ID),
		markJobs+"="+strings.Join(append(outer, string(cfg.ID)), " "))
}

// lookup finds the value that a process started with env will see.
func lookup(env []string, name string) string {
	for _, entry := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// carries reports whether an environment block, entries separated by NUL,
// belongs to a process of the job. Only the two marks are looked at: an id may
// be anywhere else, as in the arguments of `vmo logs`.
func carries(block, id string) bool {
	for entry := range strings.SplitSeq(block, "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		if (name == markJob || name == markJobs) && strings.Contains(value, id) {
			return true
		}
	}
	return false
}
