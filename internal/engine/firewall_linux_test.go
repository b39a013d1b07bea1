package engine

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
	"vmorchestrator/internal/remote/remotetest"
)

// Ensure a connection whose every packet a firewall drops, in either direction and
// with no word to anybody, is noticed by its keepalives: one job is lost, one that
// was to be kept goes on and is found again whole, the host is shown as lost and
// what begins meanwhile says that there is no answer.
func TestRemote_DroppingFirewall(t *testing.T) {
	t.Parallel()
	remotetest.Firewalled(t, func(t *testing.T, f *remotetest.Firewall) {
		e, s := fleet(t, remotetest.Config{})
		s.AddConfig("Host web1\n  ServerAliveInterval 1\n  ServerAliveCountMax 2\n  ConnectTimeout 2\n")
		dir := t.TempDir()
		lost := start(t, e, there("web1", "echo ready; exec sleep 1000"))
		l := there("web1", fmt.Sprintf("echo ready; while [ ! -e %s/go ]; do echo tick; sleep 0.05; done; exit 3", dir))
		l.Link = job.LinkKeep
		kept := start(t, e, l)
		until(t, e, lost, "ready")
		until(t, e, kept, "tick")

		f.Drop(s.Port)
		j := wait(t, e, lost)
		if j.State != job.Lost || j.Cause != job.CauseLink || !strings.Contains(j.Detail, "no answer") {
			t.Errorf("lost: got %+v", j)
		}
		if st := stateOf(t, e, "web1"); st.Status != remote.StatusLost || !strings.Contains(st.Error, "no answer") {
			t.Errorf("the host: got %+v", st)
		}
		if j, err := e.Find(t.Context(), string(kept)); err != nil || j.State != job.Running {
			t.Errorf("kept: got %+v, %v", j, err)
		}
		if j := wait(t, e, start(t, e, there("web1", "true"))); j.Cause != job.CauseConnect || !strings.Contains(j.Detail, "no answer") {
			t.Errorf("begun meanwhile: got %+v", j)
		}

		f.Lift()
		if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if j := wait(t, e, kept); j.ExitCode == nil || *j.ExitCode != 3 {
			t.Errorf("kept: got %+v", j)
		}
		if out := printed(t, e, kept, job.Stdout); out != "ready\n"+strings.Repeat("tick\n", strings.Count(out, "tick\n")) {
			t.Errorf("kept: printed %q", out)
		}
		if st := stateOf(t, e, "web1"); st.Status != remote.StatusConnected {
			t.Errorf("the host: got %+v", st)
		}
		j, err := e.Find(t.Context(), string(lost))
		if err != nil {
			t.Fatal(err)
		}
		if found, left, err := e.EndLeft(t.Context(), j, false); err != nil || found == 0 || len(left) > 0 {
			t.Errorf("end what is left: found %d, left %v, %v", found, left, err)
		}
		gone(t, lost)
	})
}

func stateOf(t *testing.T, e *Engine, name string) remote.State {
	t.Helper()
	all, err := e.Hosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all.Hosts {
		if h.Name == name {
			return h.State
		}
	}
	t.Fatalf("%s is not in the list", name)
	return remote.State{}
}
