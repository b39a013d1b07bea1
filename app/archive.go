package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Archive is bound: the team's database, into which records are copied. Without
// one everything works.
type Archive struct{ shell *shell }

// Status tells how the archive stands. It never waits for the server.
func (b *Archive) Status() (engine.ArchiveStatus, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.ArchiveStatus{}, err
	}
	return e.Archive(), nil
}

// Database is the database of the settings, without a password; "" is none, or
// one that is named elsewhere.
func (b *Archive) Database() (string, error) {
	e, err := b.shell.open()
	if err != nil {
		return "", err
	}
	return e.Database()
}

// Test connects to a database, without a URL to the one that is in use, and says
// what is there.
func (b *Archive) Test(url string) (engine.DatabaseCheck, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.DatabaseCheck{}, err
	}
	return e.CheckDatabase(b.shell.ctx, url)
}

// Use makes a database the archive; "" none.
func (b *Archive) Use(url string) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	return e.UseDatabase(url)
}

// SetPassword stores the password of the login in the keychain, and nowhere else.
func (b *Archive) SetPassword(password string) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	if password == "" {
		return fmt.Errorf("%w: the password is empty", job.ErrInvalid)
	}
	return e.SetDatabasePassword(b.shell.ctx, password)
}

// Share says which jobs go there: those begun at a time or later; "" is all.
func (b *Archive) Share(since string) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	var from time.Time
	if since != "" {
		if from, err = time.Parse(time.RFC3339, since); err != nil {
			return fmt.Errorf("%w: %q is not a time", job.ErrInvalid, since)
		}
	}
	return e.ChooseHistory(from)
}

// Init makes roles, schema and tables in the configured database.
func (b *Archive) Init() error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	return e.InitDatabase(b.shell.ctx, "")
}

// Migrate brings the tables to the version of this program.
func (b *Archive) Migrate() (int, error) {
	e, err := b.shell.open()
	if err != nil {
		return 0, err
	}
	return e.MigrateDatabase(b.shell.ctx, "")
}

// Retry tries at once what has stopped or waits.
func (b *Archive) Retry() error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	e.RetryArchive()
	return nil
}

// Verify hashes the record of a job again and compares it with the ledger: of a
// job of this machine what this machine has, of another what the archive has. Its
// verdicts are on the ledger and on the job.
func (b *Jobs) Verify(id string) ([]engine.Verdict, error) {
	e, err := b.shell.open()
	if err != nil {
		return nil, err
	}
	check := e.Verify
	j, err := e.Find(b.shell.ctx, id)
	if errors.Is(err, job.ErrNotFound) {
		var there engine.TeamJob
		there, err = e.TeamFind(b.shell.ctx, id)
		j, check = there.Job, e.VerifyArchive
	}
	if err != nil {
		return nil, err
	}
	verdicts := []engine.Verdict{}
	err = check(b.shell.ctx, []job.ID{j.ID}, func(v engine.Verdict) error {
		verdicts = append(verdicts, v)
		return nil
	})
	return verdicts, err
}

// Jobs returns a page of the jobs of the archive: those of the whole team, newest
// first.
func (b *Archive) Jobs(q Query) ([]engine.TeamJob, error) {
	e, err := b.shell.open()
	if err != nil {
		return nil, err
	}
	return e.TeamJobs(b.shell.ctx, q.Filter, job.ID(q.Before), min(max(q.Limit, 1), 500))
}

// Count tells how many jobs of the archive a filter means, by their states.
func (b *Archive) Count(f job.Filter) (map[string]int, error) {
	e, err := b.shell.open()
	if err != nil {
		return nil, err
	}
	return counted(e.TeamCount(b.shell.ctx, f))
}

// Open brings the record of a colleague's job here, as far as the archive has it.
// While the job runs it goes on, until Leave or the end of the window; hints tell
// of what comes.
func (b *Archive) Open(id string) (engine.TeamJob, error) {
	e, err := b.shell.open()
	if err != nil {
		return engine.TeamJob{}, err
	}
	if _, err := job.ParseID(id); err != nil {
		return engine.TeamJob{}, err
	}
	complete, err := e.Pull(b.shell.ctx, job.ID(id))
	if err == nil && !complete {
		err = b.shell.pulls.begin(e, job.ID(id))
	}
	if err != nil {
		return engine.TeamJob{}, err
	}
	return e.TeamFind(b.shell.ctx, id)
}

// Leave ends what Open began: nobody looks at the job any more.
func (b *Archive) Leave(id string) { b.shell.pulls.end(job.ID(id), nil) }

// Watch says whether the page shows the jobs of the team: then events tell what is
// new of them. Said once more, it tries a database that was away at once.
func (b *Archive) Watch(shown bool) error {
	e, err := b.shell.open()
	if err != nil {
		return err
	}
	b.shell.watch(e, shown)
	return nil
}

func (s *shell) watch(e *engine.Engine, shown bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stop := s.unwatch
	s.unwatch = nil
	if shown {
		s.unwatch = e.WatchTeam()
	}
	if stop != nil {
		stop()
	}
}

// pulls are the living jobs of colleagues that the page looks at.
type pulls struct {
	shell *shell

	mu     sync.Mutex
	open   map[job.ID]*pull
	closed bool
	tasks  sync.WaitGroup
}

// pull is one of them.
type pull struct{ cancel context.CancelFunc }

func (p *pulls) begin(e *engine.Engine, id job.ID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return engine.ErrClosed
	}
	if _, there := p.open[id]; there {
		return nil
	}
	ctx, cancel := context.WithCancel(p.shell.ctx)
	this := &pull{cancel}
	p.open[id] = this
	p.tasks.Add(1)
	go func() {
		defer p.tasks.Done()
		_ = e.PullOn(ctx, id) // what cannot be had is not shown; opening it again says why
		p.end(id, this)
	}()
	return nil
}

// end ends one of them, or whichever there is of the job.
func (p *pulls) end(id job.ID, which *pull) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if there := p.open[id]; there != nil && (which == nil || which == there) {
		there.cancel()
		delete(p.open, id)
	}
}

func (p *pulls) close() {
	p.mu.Lock()
	p.closed = true
	for _, there := range p.open {
		there.cancel()
	}
	p.mu.Unlock()
	p.tasks.Wait()
}
