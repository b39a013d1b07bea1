//go:build unix

package app

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
	"vmorchestrator/internal/remote/remotetest"
)

// Ensure a link to a record says where it is, and one to nowhere what to do.
func TestLinks_ToARecord(t *testing.T) {
	t.Parallel()
	a, e := served(t)
	done := ran(t, e, "true")
	if got, err := a.Links.Next(); err != nil || got.Link != "" {
		t.Errorf("before any link: %+v, %v", got, err)
	}
	link := job.Address{Job: done.ID, Line: 3}.String()
	follow(t, a, link)
	got, err := a.Links.Next()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Followed{Link: link, Job: string(done.ID), Mine: true, Line: 3}, got); diff != "" {
		t.Error(diff)
	}
	follow(t, a, job.Address{Job: job.NewID()}.String())
	_, err = a.Links.Next()
	if !errors.Is(err, job.ErrNotFound) || !strings.Contains(job.HintOf(err), "team's database") {
		t.Errorf("without an archive: %v, hint %q", err, job.HintOf(err))
	}
}

// Ensure a wish is only compared with the lists: no job begins, no host is
// connected to, no folder becomes a project, and a bad link is an error, once.
func TestLinks_AWishOnlyFillsAForm(t *testing.T) {
	t.Parallel()
	a, e, _ := there(t, remotetest.Config{Hosts: []string{"web1"}})
	dir := sample(t, e, greeting)
	all, err := e.Projects()
	if err != nil {
		t.Fatal(err)
	}
	alias, stranger := all.Projects[0].Alias, t.TempDir()
	for link, want := range map[string]Wish{
		"vmo://run?project=" + alias + "&target=hello&var.NAME=you": {Project: alias, Dir: dir, Known: true, Target: "hello", Hosts: []WishHost{}, Vars: []job.Variable{{Name: "NAME", Value: "you"}}},
		"vmo://run?dir=" + dir + "/&target=hello":                   {Project: alias, Dir: dir, Known: true, Target: "hello", Hosts: []WishHost{}, Vars: []job.Variable{}},
		"vmo://run?dir=" + stranger + "&target=hello":               {Dir: stranger, Target: "hello", Hosts: []WishHost{}, Vars: []job.Variable{}},
		"vmo://run?dir=~/shop&target=up&host=web1&host=evil.example": {
			Dir: "~/shop", Target: "up", Hosts: []WishHost{{Name: "web1", Known: true}, {Name: "evil.example"}}, Vars: []job.Variable{},
		},
	} {
		follow(t, a, link)
		got, err := a.Links.Next()
		if err != nil {
			t.Errorf("%s: %v", link, err)
			continue
		}
		if diff := cmp.Diff(Followed{Link: link, Wish: &want}, got); diff != "" {
			t.Errorf("%s:\n%s", link, diff)
		}
	}
	for _, link := range []string{"vmo://run?project=nowhere&target=x", "vmo://run?project=" + alias + "&target=-x", "vmo://nonsense"} {
		follow(t, a, link)
		if got, err := a.Links.Next(); err == nil || job.HintOf(err) == "" {
			t.Errorf("%s is %+v, %v with the hint %q", link, got, err, job.HintOf(err))
		}
		if got, err := a.Links.Next(); err != nil || got.Link != "" {
			t.Errorf("%s came again: %+v, %v", link, got, err)
		}
	}
	if jobs, err := a.Jobs.List(Query{Limit: 10}); err != nil || len(jobs) > 0 {
		t.Errorf("jobs: %+v, %v", jobs, err)
	}
	if now, err := e.Projects(); err != nil || len(now.Projects) != 1 {
		t.Errorf("projects: %+v, %v", now.Projects, err)
	}
	if at := hostState(t, a, "web1"); at.Status != remote.StatusUnknown {
		t.Errorf("the host was looked at: %+v", at)
	}
}

// Ensure a second start gives its link to the window that is open, which is told
// what waits and takes no more than a person can look at.
func TestHandOver_ToTheWindowThatIsOpen(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("VMO_DATA_DIR", dir)
	const link = "vmo://run?project=a&target=b"
	if there, err := HandOver([]string{link}); there || err != nil {
		t.Fatalf("without a window: %v, %v", there, err)
	}
	first, second := New("test", nil), New("test", nil)
	ctx, end := context.WithCancel(t.Context())
	if err := first.receive(ctx, dir); err != nil {
		t.Fatal(err)
	}
	if err := second.receive(ctx, dir); err != nil {
		t.Fatalf("another window: %v", err)
	}
	for range mostLinks {
		if there, err := HandOver([]string{link}); !there || err != nil {
			t.Fatalf("with a window: %v, %v", there, err)
		}
	}
	if there, err := HandOver([]string{link}); !there || err == nil || !strings.Contains(err.Error(), "Answer them first") {
		t.Errorf("with all places taken: %v, %v", there, err)
	}
	for range mostLinks {
		if got := first.shell.inbox.take(); got != link {
			t.Errorf("the first window has %q", got)
		}
	}
	if got := second.shell.inbox.take(); got != "" {
		t.Errorf("the second window has %q", got)
	}
	for name, args := range map[string][]string{"nothing": nil, "a folder": {"/srv/shop"}, "a link and a folder": {link, "/srv/shop"}} {
		if there, err := HandOver(args); there || err != nil {
			t.Errorf("%s was given away: %v", name, err)
		}
	}
	if there, err := HandOver([]string{link + "\n" + link}); !there || !errors.Is(err, job.ErrInvalid) {
		t.Errorf("two lines: %v, %v", there, err)
	}
	// Whoever says nothing, or no end, keeps nobody from the window.
	for _, said := range []string{"", strings.Repeat("x", 2*longestLink)} {
		conn, err := net.Dial("unix", socketIn(dir))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(said))
		conn.Close()
	}
	if there, err := HandOver([]string{link}); !there || err != nil {
		t.Errorf("after strangers: %v, %v", there, err)
	}
	end()
	first.tasks.Wait()
	second.tasks.Wait()
	if there, err := HandOver([]string{link}); there || err != nil {
		t.Errorf("when the window has ended: %v, %v", there, err)
	}
	if _, err := os.Lstat(socketIn(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// Ensure a window that was killed does not keep links from the next one.
func TestHandOver_AfterAWindowThatWasKilled(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("VMO_DATA_DIR", dir)
	l, err := net.Listen("unix", filepath.Join(dir, "window.sock"))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	const link = "vmo://run?project=a&target=b"
	if there, err := HandOver([]string{link}); there || err != nil {
		t.Fatalf("with a dead socket: %v, %v", there, err)
	}
	a := New("test", nil)
	ctx, end := context.WithCancel(t.Context())
	if err := a.receive(ctx, dir); err != nil {
		t.Fatal(err)
	}
	if there, err := HandOver([]string{link}); !there || err != nil {
		t.Errorf("with the next window: %v, %v", there, err)
	}
	end()
	a.tasks.Wait()
}

// follow is what the system does with a link.
func follow(t *testing.T, a *App, link string) {
	t.Helper()
	if err := a.shell.inbox.put(link); err != nil {
		t.Fatal(err)
	}
}
