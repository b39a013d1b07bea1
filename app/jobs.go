package app

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Jobs is bound: what the page can do with jobs.
type Jobs struct{ shell *shell }

// Job is a job with what only this window knows about it.
type Job struct {
	job.Job
	Owned bool `json:"owned"` // it runs in this window, which can type into it
}

// Query asks for a page of the list.
type Query struct {
	Limit  int        `json:"limit"`
	Before string     `json:"before"` // id of the last job of the page before; empty for the newest
	Filter job.Filter `json:"filter"`
}

// Request asks for a target of a project to be run, here or in a folder of other
// machines. What it names is looked up; the page sends no command.
type Request struct {
	Hosts  []string          `json:"hosts"` // none: this machine
	Dir    string            `json:"dir"`
	Target string            `json:"target"`
	Vars   map[string]string `json:"vars"`
	Mode   string            `json:"mode"` // "", "stream" or "terminal"
	Cols   uint16            `json:"cols"`
	Rows   uint16            `json:"rows"`
}

// List returns a page of jobs, newest first.
func (b *Jobs) List(q Query) ([]Job, error) {
	e, err := b.shell.open()
	if err != nil {
		return nil, err
	}
	jobs, err := e.Jobs(b.shell.ctx, q.Filter, job.ID(q.Before), min(max(q.Limit, 1), 500))
	if err != nil {
		return nil, err
	}
	list := make([]Job, len(jobs))
	for i, j := range jobs {
		list[i] = Job{j, e.Owns(j.ID)}
	}
	return list, nil
}

// Count tells how many jobs a filter means, by their states.
func (b *Jobs) Count(f job.Filter) (map[string]int, error) {
	e, err := b.shell.open()
	if err != nil {
		return nil, err
	}
	return counted(e.Count(b.shell.ctx, f))
}

// counted is for the bindings, which know neither named maps nor named keys.
func counted(counts engine.Counts, err error) (map[string]int, error) {
	out := map[string]int{}
	for state, n := range counts {
		out[string(state)] = n
	}
	return out, err
}

// statRuns is how many runs of a target tell how it does.
const statRuns = 100

// Stats tells how the last runs of targets went, of the jobs that a filter means.
func (b *Jobs) Stats(f job.Filter) ([]engine.Stat, error) {
	e, err := b.shell.open()
	if err != nil {
		return nil, err
	}
	return e.Stats(b.shell.ctx, f, statRuns)
}

// Names returns what there is to filter by.
func (b *Jobs) Names() (engine.Names, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.Names{}, err
	}
	return e.Names(b.shell.ctx)
}

// Get returns one job, also one of a colleague that was opened.
func (b *Jobs) Get(id string) (Job, error) {
	e, err := b.shell.open()
	if err != nil {
		return Job{}, err
	}
	j, err := e.Job(b.shell.ctx, job.ID(id))
	return Job{j, e.Owns(j.ID)}, err
}

// Start runs a target that the project offers now; on several hosts as one run, and
// on none of them unless all have it.
func (b *Jobs) Start(r Request) ([]Job, error) {
	e, err := b.shell.open()
	if err != nil {
		return nil, err
	}
	project, found, err := b.targets(e, r)
	if err != nil {
		return nil, err
	}
	for _, t := range found {
		unknown := maps.Clone(r.Vars)
		for _, p := range t.Params {
			delete(unknown, p.Name)
		}
		for name := range unknown {
			return nil, fmt.Errorf("%w: the target %s has no parameter %q", job.ErrInvalid, t.Name, name)
		}
	}
	var vars []string
	for _, p := range found[0].Params { // in the order of the form
		if value, ok := r.Vars[p.Name]; ok {
			// Make expands what it is given; a form means the text as it is.
			vars = append(vars, p.Name+"="+strings.ReplaceAll(value, "$", "$$"))
		}
	}
	argv, err := engine.MakeArgv(r.Target, vars)
	if err != nil {
		return nil, err
	}
	tty := slices.ContainsFunc(found, engine.Target.Terminal)
	if r.Mode != "" {
		tty = r.Mode == engine.ModeTerminal
	}
	spec := job.Spec{Project: project.Alias, Target: r.Target, Argv: argv, Dir: project.Dir, TTY: tty, Size: job.Size{Cols: r.Cols, Rows: r.Rows}}
	if len(r.Hosts) > 0 {
		return b.begin(r.Hosts, project.Dir, spec)
	}
	return b.started(e, engine.Launch{Spec: spec})
}

// targets finds what a request names, on every one of its hosts. A folder of another
// machine is no project, so it has no alias.
func (b *Jobs) targets(e *engine.Engine, r Request) (engine.Project, []engine.Target, error) {
	if len(r.Hosts) == 0 {
		project, err := b.project(e, r.Dir)
		if err != nil {
			return project, nil, err
		}
		t, err := e.FindTarget(b.shell.ctx, project.Dir, r.Target, false)
		return project, []engine.Target{t}, err
	}
	for _, name := range r.Hosts { // before any is connected to
		if _, err := b.shell.host(e, name); err != nil {
			return engine.Project{}, nil, err
		}
	}
	found := make([]engine.Target, len(r.Hosts))
	errs := make([]error, len(r.Hosts))
	var all sync.WaitGroup
	for i, name := range r.Hosts {
		all.Go(func() { found[i], errs[i] = e.FindRemoteTarget(b.shell.ctx, name, r.Dir, r.Target) })
	}
	all.Wait()
	return engine.Project{Dir: r.Dir}, found, errors.Join(errs...)
}

func (b *Jobs) project(e *engine.Engine, dir string) (engine.Project, error) {
	all, err := e.Projects()
	if err != nil {
		return engine.Project{}, err
	}
	for _, p := range all.Projects {
		if p.Dir == dir {
			return p, nil
		}
	}
	return engine.Project{}, job.WithHint(fmt.Errorf("the project in %s: %w", dir, job.ErrNotFound), "Add its folder first.")
}

// Again runs a recorded job once more: the same command in the same folder of the
// same machine.
func (b *Jobs) Again(id string, cols, rows uint16) (Job, error) {
	e, err := b.shell.open()
	if err != nil {
		return Job{}, err
	}
	before, err := e.Find(b.shell.ctx, id)
	if err != nil {
		return Job{}, err
	}
	if before.Event {
		return Job{}, fmt.Errorf("run job %s again: %w: it tells what was done, and is no command", id, job.ErrInvalid)
	}
	spec := job.Spec{
		Project: before.Project, Target: before.Target, Argv: before.Argv, Dir: before.Dir,
		TTY: before.TTY, Size: job.Size{Cols: cols, Rows: rows}, Source: before.Source, Link: before.Link,
	}
	if before.Host != "" {
		return b.one(b.begin([]string{before.Host}, before.Dir, spec))
	}
	return b.one(b.started(e, engine.Launch{Spec: spec}))
}

// Cancel stops a job; force kills it at once.
func (b *Jobs) Cancel(id string, force bool) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	return e.Cancel(b.shell.ctx, job.ID(id), force)
}

// maxInput bounds one piece of typing; a larger paste comes in pieces.
const maxInput = 1 << 20

// Input types into a job of this window; data is base64. Calls may overtake each
// other, so the page has one under way at a time.
func (b *Jobs) Input(id, data string) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	if len(data) > maxInput {
		return fmt.Errorf("%w: more than %d bytes of input at once", job.ErrInvalid, maxInput)
	}
	typed, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return fmt.Errorf("%w: the input is not base64", job.ErrInvalid)
	}
	return e.Input(job.ID(id), typed)
}

// Resize changes the size of the job's terminal.
func (b *Jobs) Resize(id string, cols, rows uint16) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	if cols == 0 || rows == 0 {
		return fmt.Errorf("%w: a terminal of %d×%d", job.ErrInvalid, cols, rows)
	}
	return e.Resize(job.ID(id), job.Size{Cols: cols, Rows: rows})
}

// Unrecorded lets a job that waits for a full disk go on without being recorded.
func (b *Jobs) Unrecorded(id string) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	return e.Unrecorded(b.shell.ctx, job.ID(id))
}
