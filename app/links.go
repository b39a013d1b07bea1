package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Links is bound: the vmo:// links that came. Whoever wrote one is not trusted, and
// whoever followed it has not read it. So a link shows a record or fills in a form;
// nothing here starts a job, connects to a host, or looks into a folder.
type Links struct{ shell *shell }

// Followed is a link and what it means here.
type Followed struct {
	Link string `json:"link"` // "": there is none
	Job  string `json:"job"`  // of the record to show; "" in a wish
	Mine bool   `json:"mine"` // it is in this journal, else in the team's database
	Line uint64 `json:"line"` // counted from 1; 0 is none in particular
	Wish *Wish  `json:"wish"` // the form to fill in
}

// Wish is a target that a link wants to be run, with what the lists say of it.
type Wish struct {
	Project string         `json:"project"` // the alias of the folder, if it is in the list
	Dir     string         `json:"dir"`
	Known   bool           `json:"known"` // the folder is a project; without hosts only
	Target  string         `json:"target"`
	Hosts   []WishHost     `json:"hosts"` // none: this machine
	Vars    []job.Variable `json:"vars"`
}

// WishHost is a host of a wish.
type WishHost struct {
	Name        string `json:"name"`
	Known       bool   `json:"known"` // it is in the list; only then can anything run there
	Environment string `json:"environment"`
}

// mostLinks may wait until the page takes them. A page in a browser can follow
// links faster than anybody can read.
const mostLinks = 4

var errManyLinks = job.WithHint(fmt.Errorf("%d links wait to be looked at in the window", mostLinks), "Answer them first, then follow this one again.")

// inbox has the links that the page has not taken yet.
type inbox struct {
	mu    sync.Mutex
	links []string
}

func (i *inbox) put(link string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.links) >= mostLinks {
		return errManyLinks
	}
	i.links = append(i.links, link)
	return nil
}

func (i *inbox) take() (link string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.links) > 0 {
		link, i.links = i.links[0], i.links[1:]
	}
	return link
}

// Next takes the oldest link that waits. A link that cannot be followed is an
// error, and does not come again.
func (b *Links) Next() (Followed, error) {
	link := b.shell.inbox.take()
	if link == "" {
		return Followed{}, nil
	}
	e, err := b.shell.open()
	if err != nil {
		return Followed{}, err
	}
	a, err := job.ParseAddress(link)
	if err != nil {
		return Followed{}, err
	}
	out := Followed{Link: link, Job: string(a.Job), Line: a.Line}
	if a.Run != nil {
		out.Wish, err = b.wish(e, *a.Run)
		return out, err
	}
	out.Mine, err = b.mine(e, a.Job)
	return out, err
}

// mine reports whether a job is one of this journal. One that can be nowhere else
// is an error.
func (b *Links) mine(e *engine.Engine, id job.ID) (bool, error) {
	_, err := e.Find(b.shell.ctx, string(id))
	if !errors.Is(err, job.ErrNotFound) {
		return err == nil, err
	}
	if state := e.Archive().State; state == engine.ArchiveOff {
		return false, job.WithHint(fmt.Errorf("the record of job %s: %w on this machine", id, job.ErrNotFound), "It may be a colleague's: connect the team's database, then follow the link again.")
	}
	return false, nil
}

func (b *Links) wish(e *engine.Engine, w job.Wish) (*Wish, error) {
	out := &Wish{Project: w.Project, Dir: w.Dir, Target: w.Target, Hosts: []WishHost{}, Vars: append([]job.Variable{}, w.Vars...)}
	if len(w.Hosts) > 0 {
		all, err := e.Hosts(b.shell.ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range w.Hosts {
			h := WishHost{Name: name}
			if i := slices.IndexFunc(all.Hosts, func(h engine.HostInfo) bool { return h.Name == name }); i >= 0 {
				h.Known, h.Environment = true, all.Hosts[i].Environment
			}
			out.Hosts = append(out.Hosts, h)
		}
		return out, nil
	}
	if w.Project != "" {
		p, err := e.Project(w.Project)
		out.Dir, out.Known = p.Dir, err == nil
		return out, err
	}
	all, err := e.Projects()
	if err != nil {
		return nil, err
	}
	dir := filepath.Clean(w.Dir)
	if i := slices.IndexFunc(all.Projects, func(p engine.Project) bool { return p.Dir == dir }); i >= 0 {
		out.Project, out.Dir, out.Known = all.Projects[i].Alias, dir, true
	}
	return out, nil
}

// OpenLink is for a system that hands links to a program that runs, as macOS does.
// One that has no place any more is dropped: there is nobody to tell.
func (a *App) OpenLink(link string) {
	if a.shell.inbox.put(link) == nil {
		a.shell.ring()
	}
}

// ring tells the page that there is a link, and the operator where it went.
func (s *shell) ring() {
	s.mu.Lock()
	ctx := s.ctx
	s.mu.Unlock()
	if ctx == nil {
		return // the page asks when it is there
	}
	runtime.EventsEmit(ctx, string(EventLink), struct{}{})
	raise(ctx)
}

func raise(ctx context.Context) {
	runtime.WindowUnminimise(ctx) // for GTK this means: to the front
	runtime.WindowShow(ctx)
}
