//go:build unix

package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/job"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Ensure trust ends when any makefile that was read changes, an included one too.
func TestTrust_EndsWithAChange(t *testing.T) {
	t.Parallel()
	e := open(t, config(t))
	dir := t.TempDir()
	put(t, dir+"/Makefile", "include more.mk\nall:\n")
	put(t, dir+"/more.mk", "more:\n")
	trusted := func() bool {
		t.Helper()
		all, err := e.Targets(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return all.Trusted
	}
	if trusted() {
		t.Error("trusted from the start")
	}
	if err := e.Trust(dir, true); err != nil {
		t.Fatal(err)
	}
	if !trusted() {
		t.Error("not trusted")
	}
	put(t, dir+"/more.mk", "more: ; @true\n")
	if trusted() {
		t.Error("still trusted after an included file changed")
	}
	put(t, dir+"/more.mk", "more:\n")
	if !trusted() {
		t.Error("not trusted although it is again what was trusted")
	}
	if err := e.Trust(dir, false); err != nil {
		t.Fatal(err)
	}
	if trusted() {
		t.Error("trusted after trust was withdrawn")
	}
}

// Ensure how a target is to be run is remembered, by another program too.
func TestSetMode_IsRemembered(t *testing.T) {
	t.Parallel()
	c := config(t)
	dir := t.TempDir()
	put(t, dir+"/Makefile", "build: ; @true\nshell: ; @true\n")
	e := open(t, c)
	if err := errors.Join(e.SetMode(dir, "build", ModeTerminal), e.SetMode(dir, "shell", ModeStream)); err != nil {
		t.Fatal(err)
	}
	again := open(t, c)
	for name, want := range map[string]bool{"build": true, "shell": false} {
		if target, err := again.FindTarget(t.Context(), dir, name, false); err != nil || target.Terminal() != want {
			t.Errorf("%s in a terminal: %+v, %v", name, target, err)
		}
	}
	if err := again.SetMode(dir, "shell", ModeAuto); err != nil {
		t.Fatal(err)
	}
	if target, err := e.FindTarget(t.Context(), dir, "shell", false); err != nil || !target.Terminal() {
		t.Errorf("shell again: %+v, %v", target, err)
	}
	if err := e.SetMode(dir, "shell", "sideways"); !errors.Is(err, job.ErrInvalid) {
		t.Errorf("an unknown mode: %v", err)
	}
}

// Ensure nobody is asked for trust that would find nothing.
func TestTargets_AskForTrustOnlyWhereMakeMayKnowMore(t *testing.T) {
	t.Parallel()
	e := open(t, config(t))
	dir := t.TempDir()
	for text, want := range map[string]bool{
		"all: ; @true\nNAMES := a b\n$(NAMES): ; @echo $@\n":                    false,
		"all: ; @true\n$(shell echo made): ; @true\n":                           true,
		"define rule\n$(1): ; @true\nendef\n$(foreach n,a b,$(eval $(rule)))\n": true,
		"-include generated.mk\nall: ; @true\n":                                 true,
	} {
		put(t, dir+"/Makefile", text)
		got, err := e.Targets(t.Context(), dir)
		if err != nil || got.ComputedAvailable != want {
			t.Errorf("for\n%s\nasking make could find more: %t, want %t (%v)", text, got.ComputedAvailable, want, err)
		}
	}
}

// Ensure settings that cannot be read are named, cost nothing else, and are
// never written over.
func TestSettings_BrokenAreNamedAndKept(t *testing.T) {
	t.Parallel()
	c := config(t)
	e := open(t, c)
	dir := t.TempDir()
	put(t, dir+"/Makefile", "all: ; @true\n")
	put(t, c.Registry, "web="+dir+"\n")
	path := filepath.Join(c.ConfigDir, "settings.json")
	put(t, path, "{")
	all, err := e.Projects()
	if err != nil || len(all.Projects) != 1 || len(all.Problems) != 1 || all.Problems[0].File != path {
		t.Errorf("Projects: %+v, %v", all, err)
	}
	targets, err := e.Targets(t.Context(), dir)
	if err != nil || len(targets.Targets) != 1 || len(targets.Problems) != 1 {
		t.Errorf("Targets: %+v, %v", targets, err)
	}
	for name, err := range map[string]error{"Trust": e.Trust(dir, true), "SetMode": e.SetMode(dir, "all", ModeStream)} {
		if err == nil || !strings.Contains(err.Error(), path) || job.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "{" {
		t.Errorf("the file is now %q, %v", data, err)
	}
}

// Ensure Watch tells of a registry that appears, is written and is replaced, and
// of a makefile of a shown folder.
func TestWatch_SeesEdits(t *testing.T) {
	t.Parallel()
	c := config(t)
	e := open(t, c)
	dir := t.TempDir()
	put(t, dir+"/Makefile", "all: ; @true\n")
	changed := make(chan struct{}, 100)
	asked := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- e.Watch(ctx, func() []string { asked <- struct{}{}; return []string{dir} }, func() { changed <- struct{}{} })
	}()
	<-asked // it is about to watch
	// An edit that comes before the watch does is made again: what is tested is
	// that each kind of edit is seen, not the microsecond in which it is.
	sees := func(what string, edit func(n int)) {
		t.Helper()
		again := time.NewTicker(500 * time.Millisecond)
		defer again.Stop()
		limit := time.After(20 * time.Second)
		for n := 0; ; n++ {
			edit(n)
			select {
			case <-changed:
				return
			case <-again.C:
			case <-limit:
				t.Fatalf("%s was not seen", what)
			}
		}
	}
	sees("a registry that appears", func(int) { put(t, c.Registry, "web="+dir+"\n") })
	sees("a registry that is written", func(n int) { put(t, c.Registry, strings.Repeat("#\n", n)+"web="+dir+"\n") })
	sees("a registry that is replaced", func(int) {
		put(t, c.Registry+".new", "other="+dir+"\n")
		if err := os.Rename(c.Registry+".new", c.Registry); err != nil {
			t.Fatal(err)
		}
	})
	sees("a makefile", func(int) { put(t, dir+"/Makefile", "all:\nmore:\n") })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if all, err := e.Projects(); err != nil || all.Projects[0].Alias != "other" {
		t.Errorf("%+v, %v", all, err)
	}
}

// Ensure somebody without a Makefile can try the program: the sample is added, its
// targets are listed and run, and what was changed in it stays.
func TestAddSample_IsAProject(t *testing.T) {
	t.Parallel()
	e := open(t, config(t))
	dir, err := e.AddSample()
	if err != nil {
		t.Fatal(err)
	}
	all, err := e.Projects()
	if err != nil || len(all.Projects) != 1 || all.Projects[0].Dir != dir || all.Projects[0].Alias != "sample" {
		t.Fatalf("projects: %+v, %v", all.Projects, err)
	}
	if found, err := e.FindTarget(t.Context(), dir, "hello", false); err != nil || found.Help == "" {
		t.Errorf("hello: %+v, %v", found, err)
	}
	put(t, dir+"/Makefile", "mine: ; @true\n")
	if err := os.Remove(dir + "/mk/terminal.mk"); err != nil {
		t.Fatal(err)
	}
	if again, err := e.AddSample(); err != nil || again != dir {
		t.Fatalf("once more: %s, %v", again, err)
	}
	if text, err := os.ReadFile(dir + "/Makefile"); err != nil || string(text) != "mine: ; @true\n" {
		t.Errorf("what was changed is %q, %v", text, err)
	}
	if _, err := os.Stat(dir + "/mk/terminal.mk"); err != nil {
		t.Errorf("what was missing: %v", err)
	}
	if all, err := e.Projects(); err != nil || len(all.Projects) != 1 {
		t.Errorf("projects: %+v, %v", all.Projects, err)
	}
}

// Ensure the sample that cannot be written says so.
func TestAddSample_SaysWhyNot(t *testing.T) {
	t.Parallel()
	e := open(t, config(t))
	put(t, e.Status().DataDir+"/sample", "a file in its place")
	_, err := e.AddSample()
	if err == nil || !strings.Contains(err.Error(), "write the sample project") || job.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

// Ensure a filter of the history can mean all hosts of an environment, and still
// one that is on no list any more.
func TestFilterHosts_EnvironmentsAndWhatIsGone(t *testing.T) {
	t.Parallel()
	e := open(t, config(t))
	dir := t.TempDir()
	put(t, dir+"/Makefile", "all:\n")
	put(t, dir+"/environments/prod/config.yml", "vms: {web1: {host: 192.0.2.1}, web2: {host: 192.0.2.2}}\n")
	if _, err := e.AddProject(dir); err != nil {
		t.Fatal(err)
	}
	got, err := e.FilterHosts([]string{"gone", "env:prod", ""})
	if err != nil || strings.Join(got, ",") != "gone,web1,web2," {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := e.FilterHosts([]string{"env:staging"}); !errors.Is(err, job.ErrNotFound) || job.HintOf(err) == "" {
		t.Errorf("an environment that is not there: %v", err)
	}
	if none, err := e.FilterHosts(nil); err != nil || none != nil {
		t.Errorf("no hosts: %q, %v", none, err)
	}
}
