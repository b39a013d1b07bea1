package remotetest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Carrying finds the living processes whose environment holds NAME=value. It
// needs /proc and the right to look; elsewhere it finds nobody.
func Carrying(variable string) []int {
	var found []int
	files, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is right, and there is no other error
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has gone, or is somebody else's
		}
		if bytes.Contains(append([]byte{0}, b...), []byte("\x00"+variable+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if Alive(pid) {
				found = append(found, pid)
			}
		}
	}
	return found
}

// Alive reports whether there is such a process and it is no zombie.
func Alive(pid int) bool {
	p, ok := parents()[pid]
	return ok && !p.dead
}

type parent struct {
	pid  int
	dead bool
}

// parents gives every process its parent.
func parents() map[int]parent {
	all := map[int]parent{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var pid, ppid int
		var state string
		if _, err := fmt.Sscan(string(b[bytes.LastIndexByte(b, ')')+1:]), &state, &ppid); err != nil {
			continue
		}
		if pid, err = strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			all[pid] = parent{ppid, state == "Z" || state == "X"}
		}
	}
	if len(files) > 0 {
		return all
	}
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,state=").Output()
	if err != nil {
		return all
	}
	for line := range strings.Lines(string(out)) {
		var pid, ppid int
		var state string
		if _, err := fmt.Sscan(line, &pid, &ppid, &state); err == nil {
			all[pid] = parent{ppid, strings.HasPrefix(state, "Z")}
		}
	}
	return all
}

// descendants are the living ones.
func descendants(root int) []int {
	all := parents()
	member := map[int]bool{root: true}
	var found []int
	for again := true; again; {
		again = false
		for pid, p := range all {
			if !member[pid] && member[p.pid] {
				member[pid], again = true, true
				if !p.dead {
					found = append(found, pid)
				}
			}
		}
	}
	return found
}

func kill(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		p.Kill() // an error means that it has gone already
	}
}
