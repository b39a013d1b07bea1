//go:build unix

package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

// A connection that no job needed is told with the way that it took, once as long
// as it lasts; one that a job needs is told by the job.
func TestActs_TellOfConnectionsWithoutAJob(t *testing.T) {
	t.Parallel()
	told := func(e *Engine) (out []string) {
		t.Helper()
		list, _, err := e.Acts(t.Context(), Filter{Hosts: []string{"web1"}}, 20)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if a.What != "event" { // that its key was accepted
				out = append(out, fmt.Sprintf("%s by %s: %s", a.What, a.By, a.Text))
			}
		}
		return out
	}
	connect := func(e *Engine) {
		t.Helper()
		for range 2 {
			if err := e.ConnectHost(t.Context(), "web1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	e, _ := fleet(t, remotetest.Config{})
	connect(e)
	if got := told(e); len(got) != 1 || !strings.HasPrefix(got[0], "connect by "+e.config.Operator+": ") || !strings.Contains(got[0], "SHA256:") {
		t.Errorf("nothing but a connection: %q", got)
	}
	e, _ = fleet(t, remotetest.Config{})
	wait(t, e, start(t, e, there("web1", "true")))
	connect(e)
	if got := told(e); len(got) != 1 || !strings.HasPrefix(got[0], "job by ") {
		t.Errorf("that of a job: %q", got)
	}
}

// What a lost job has left on its host is ended without a job: it is told who did it,
// where, and of which job. Where nothing could be reached, nothing was touched.
func TestActs_TellWhatWasEndedOnAHost(t *testing.T) {
	t.Parallel()
	e, s, proxy := cuttable(t)
	id := start(t, e, there("web1", "echo ready; exec sleep 1000"))
	until(t, e, id, "ready")
	proxy.Cut()
	lost := wait(t, e, id)
	ended := func() (out []Act) {
		t.Helper()
		list, _, err := e.Acts(t.Context(), Filter{Hosts: []string{"web1"}}, 20)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if a.What == string(job.EntryConnect) {
				out = append(out, a)
			}
		}
		return out
	}
	found, _, err := e.EndLeft(t.Context(), lost, false)
	if err != nil {
		t.Fatal(err)
	}
	gone(t, id)
	got := ended()
	if len(got) != 1 || got[0].Job != id || got[0].Host != "web1" || got[0].By != e.config.Operator ||
		!strings.HasPrefix(got[0].Text, fmt.Sprintf("to end what the lost job had left: %d found, 0 left; ", found)) || !strings.Contains(got[0].Text, "SHA256:") {
		t.Errorf("told: %+v", got)
	}
	if err := e.DisconnectHost("web1"); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if _, _, err := e.EndLeft(t.Context(), lost, false); err == nil {
		t.Error("a host that is not there was reached")
	}
	if again := ended(); len(again) != 1 {
		t.Errorf("told of a host that was not reached: %+v", again)
	}
}

// What was set is told, without what is secret in it.
func TestActs_TellWhatWasSet(t *testing.T) {
	t.Parallel()
	e := open(t, config(t))
	if err := e.UseDatabase("postgres://anna@localhost:9/vmo?application_name=hidden"); err != nil {
		t.Fatal(err)
	}
	if err := e.UseDatabase("postgres://anna:hunter2@localhost:9/vmo"); err == nil {
		t.Fatal("a password was taken")
	}
	dir := t.TempDir()
	for range 2 { // as every start of a window with it does
		if _, err := e.AddProject(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.RemoveProject(dir); err != nil {
		t.Fatal(err)
	}
	if err := e.RemoveProject(dir); err == nil {
		t.Fatal("it was removed twice")
	}
	list, _, err := e.Acts(t.Context(), Filter{}, 20)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, a := range list {
		if a.What == string(job.EntrySetting) {
			texts = append(texts, a.Text)
		}
	}
	if want := []string{"the folder " + dir + " is no project any more", "the folder " + dir + " is a project", "database: anna@localhost:9/vmo"}; !slices.Equal(texts, want) {
		t.Errorf("told: %q, want %q", texts, want)
	}
}
