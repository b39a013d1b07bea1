package app

import (
	"encoding/base64"
	"fmt"
	"strings"

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

// Request asks for a target of a project to be run, here or in a folder of
// another machine. What it names is looked up; the page sends no command.
type Request struct {
	Host   string            `json:"host"` // "" is this machine
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

// Start runs a target that the project offers now.
func (b *Jobs) Start(r Request) (Job, error) {
	e, err := b.shell.open()
	if err != nil {
		return Job{}, err
	}
	project, t, err := b.target(e, r)
	if err != nil {
		return Job{}, err
	}
	var vars []string
	for _, p := range t.Params { // in the order of the form
		if value, ok := r.Vars[p.Name]; ok {
			// Make expands what it is given; a form means the text as it is.
			vars = append(vars, p.Name+"="+strings.ReplaceAll(value, "$", "$$"))
			delete(r.Vars, p.Name)
		}
	}
	for name := range r.Vars {
		return Job{}, fmt.Errorf("%w: the target %s has no parameter %q", job.ErrInvalid, t.Name, name)
	}
	argv, err := engine.MakeArgv(t.Name, vars)
	if err != nil {
		return Job{}, err
	}
	tty := t.Terminal()
	if r.Mode != "" {
		tty = r.Mode == engine.ModeTerminal
	}
	spec := job.Spec{Project: project.Alias, Target: t.Name, Argv: argv, Dir: project.Dir, TTY: tty, Size: job.Size{Cols: r.Cols, Rows: r.Rows}}
	if r.Host != "" {
		return b.one(b.begin([]string{r.Host}, project.Dir, spec))
	}
	return b.one(b.started(e, engine.Launch{Spec: spec}))
}

// target finds what a request names. A folder of another machine is no project,
// so it has no alias.
func (b *Jobs) target(e *engine.Engine, r Request) (engine.Project, engine.Target, error) {
	if r.Host == "" {
		project, err := b.project(e, r.Dir)
		if err != nil {
			return project, engine.Target{}, err
		}
		t, err := e.FindTarget(b.shell.ctx, project.Dir, r.Target, false)
		return project, t, err
	}
	if _, err := b.shell.host(e, r.Host); err != nil {
		return engine.Project{}, engine.Target{}, err
	}
	t, err := e.FindRemoteTarget(b.shell.ctx, r.Host, r.Dir, r.Target)
	return engine.Project{Dir: r.Dir}, t, err
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
