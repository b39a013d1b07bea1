//go:build linux

package remote

import (
	"fmt"
	"os"
	"testing"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

// /bin/sh is another program on Alpine, on Red Hat's systems and on macOS.
func TestScripts_RunInEverySh(t *testing.T) {
	t.Parallel()
	for _, sh := range []string{"bash", "busybox", "ksh", "zsh"} {
		t.Run(sh, func(t *testing.T) {
			t.Parallel()
			s := remotetest.Start(t, remotetest.Config{Shells: []string{"bash"}, Sh: remotetest.Program(t, sh)})
			if s.Emulated {
				t.Skip("there is no /bin/sh of our own: it takes root")
			}
			const host = "vmo-bash"
			c := s.Client(t, host)
			id := job.NewID()
			l := launch{ID: id, Argv: []string{"sh", "-c", `echo "$A" $PWD; exit 9`}, Dir: "~", Env: map[string]string{"A": "b\nc'!"}, EnvByInput: true}
			if a := asks(t, c, id, line(t, l), string(l.input())); a.out != "b\nc'! "+s.Home(host)+"\n" || a.code != 9 || a.errs != "" || a.header.Start == 0 || a.header.PID != a.header.SID {
				t.Errorf("launch: got %+v", a)
			}
			if a := asks(t, c, id, line(t, launch{ID: id, Argv: []string{"true"}, Dir: "/no"}), ""); a.code != 125 {
				t.Errorf("no directory: got %+v", a)
			}

			nap := <-naps
			h := begin(t, c, launch{ID: job.NewID(), Argv: []string{"sh", "-c", fmt.Sprintf("trap '' TERM; setsid sleep %[1]d & env sleep %[1]d; :", nap)}}) // env: ksh has a sleep of its own
			awaits(t, nap, 2, 2)
			if left, found := h.kill(t, c, "TERM", 200*time.Millisecond); found < 3 || len(left) != 0 || len(sleeping(nap)) != 0 {
				t.Errorf("kill: found %d, left %+v", found, left)
			}
			h.wait(t)

			run := beginKept(t, s, c, host, "echo out; echo err >&2; sleep 0.3; kill -INT $$; sleep 9; echo on")
			r := follow(t, c, run.id, 0, 0)
			if err := r.wait(t); err != nil {
				t.Errorf("reader: %v", err)
			}
			if a := asks(t, c, run.id, finishLine(run.id, 0, 0), ""); a.out != "out\n" || a.code != 130 {
				t.Errorf("kept: got %+v", a)
			}
			if a, ok := parseAlive(run.id, asks(t, c, run.id, aliveLine(run.id), "").out); !ok || !a.Ended || a.Code != 130 || a.Processes != 0 {
				t.Errorf("alive: got %+v, %t", a, ok)
			}

			stop := begin(t, c, launch{ID: job.NewID(), Link: job.LinkStop, Argv: []string{"sleep", fmt.Sprint(nap)}})
			awaits(t, nap, 1, 1)
			s.Disconnect()
			stop.wait(t)
			until(t, func() bool { return len(s.Started()) == 0 }, func() string {
				text := ""
				for _, pid := range s.Started() {
					b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
					text += fmt.Sprintf("still there: %d %.100q\n", pid, b)
				}
				return text
			})
		})
	}
}
