//go:build unix

package engine

import (
	"fmt"
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
	if len(texts) != 1 || texts[0] != "database: anna@localhost:9/vmo" {
		t.Errorf("told: %q", texts)
	}
}
