package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vmorchestrator/internal/archive"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/secret"
)

// The states of the archive, as operators see them: those of [archive.State], and
// that somebody has to say first what goes there.
const (
	ArchiveOff        = string(archive.Off)
	ArchiveAsks       = "asks"
	ArchiveConnecting = string(archive.Connecting)
	ArchiveCurrent    = string(archive.Current)
	ArchiveStopped    = string(archive.Stopped)
)

// ArchiveStatus is how the archive stands.
type ArchiveStatus struct {
	State       string         `json:"state"` // off, asks, connecting, current, shipping, waiting, stopped
	Since       time.Time      `json:"since" ts_type:"string"`
	Server      string         `json:"server"`      // such as anna@db.example:5432/vmo
	Origin      string         `json:"origin"`      // where that was said
	Error       string         `json:"error"`       // what failed and what happened
	Hint        string         `json:"hint"`        // what to do next
	Elsewhere   bool           `json:"elsewhere"`   // another process of this machine ships
	LagKnown    bool           `json:"lag_known"`   // the following are
	LagJobs     int            `json:"lag_jobs"`    // jobs of which it does not have everything
	LagBytes    uint64         `json:"lag_bytes"`   // of their output
	LagSeconds  int64          `json:"lag_seconds"` // since when
	Entries     uint64         `json:"entries"`     // of the ledger that it has
	Quarantined []ArchiveFault `json:"quarantined"` // jobs whose record differs from what it has
	SetAside    []ArchiveFault `json:"set_aside"`   // jobs that it does not take, or the journal does not give
}

// ArchiveFault is a job that is not shipped, and why.
type ArchiveFault struct {
	Job   job.ID `json:"job"`
	Error string `json:"error"`
	Hint  string `json:"hint"`
}

// Archive tells how the archive stands. It never waits for the server.
func (e *Engine) Archive() ArchiveStatus {
	e.team.mu.Lock()
	undecided, a, ships, trouble := e.team.undecided, e.team.archive, e.team.stop != nil, e.team.trouble
	e.team.mu.Unlock()
	s := a.Status()
	if trouble != nil {
		s = archive.Status{State: archive.Stopped, Since: s.Since, Error: trouble}
	}
	out := ArchiveStatus{
		State: string(s.State), Since: s.Since, Server: s.Server, Origin: e.databaseOrigin(),
		LagKnown: s.LagKnown, LagJobs: s.LagJobs, LagBytes: s.LagBytes, LagSeconds: s.LagSeconds, Entries: s.Acked,
		Quarantined: faults(s.Quarantined), SetAside: faults(s.SetAside),
	}
	if s.Error != nil {
		out.Error, out.Hint = s.Error.Error(), job.HintOf(s.Error)
	}
	if undecided && s.Error == nil {
		out.State = ArchiveAsks
		out.Hint = "Say which jobs go there: vmo db history all, none, or for example 30d."
	}
	if ships && s.State == archive.Connecting {
		if release, err := e.journal.Lock("ship"); err != nil {
			out.Elsewhere = true
		} else {
			_ = release()
		}
	}
	return out
}

func faults(list []archive.Fault) []ArchiveFault {
	out := []ArchiveFault{}
	for _, f := range list {
		out = append(out, ArchiveFault{Job: f.Job, Error: f.Error.Error(), Hint: job.HintOf(f.Error)})
	}
	return out
}

// databaseOrigin says where it was said which database is the archive.
func (e *Engine) databaseOrigin() string {
	if e.config.Database != "" {
		return "VMO_DATABASE_URL"
	}
	if s, err := e.settings.read(); err == nil && s.Database != "" {
		return e.settings.path
	}
	return archive.Variable()
}

// Database is the database of the settings, without a password; empty if none.
func (e *Engine) Database() (string, error) {
	s, err := e.settings.read()
	return s.Database, err
}

// UseDatabase makes a database the archive, from now on; without one, none. A URL
// with a password is refused: passwords belong into the keychain. From there the
// password of the database goes that stood in the settings before, as nothing here
// would ever ask for it again.
func (e *Engine) UseDatabase(url string) error {
	before, err := e.Database()
	if err != nil {
		return err
	}
	server := "none"
	if url != "" {
		look := archive.Open(archive.Config{URL: url, FromFile: true})
		defer look.Close()
		if err := look.Status().Error; err != nil {
			return err
		}
		server = look.Status().Server // without a password
	}
	if err := e.settings.change(func(s *settings) { s.Database = url }); err != nil {
		return err
	}
	return errors.Join(e.set("", "database: %s", server), e.rejoin(), forgetPassword(before, url))
}

// keychainTime bounds what is asked of the keychain on the way.
const keychainTime = 10 * time.Second

// forgetPassword removes the password of a database that another one, or none, has
// taken the place of.
func forgetPassword(before, now string) error {
	server := func(url string) string {
		if url == "" {
			return ""
		}
		look := archive.Open(archive.Config{URL: url, FromFile: true})
		defer look.Close()
		return look.Status().Server
	}
	gone := server(before)
	if gone == "" || gone == server(now) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), keychainTime)
	defer cancel()
	err := secret.Delete(ctx, passwordName(gone))
	if errors.Is(err, secret.ErrUnavailable) {
		return nil // then none was stored, or it is locked for whoever sits here
	}
	return err
}

// SetDatabasePassword stores the password of the archive's login in the keychain.
func (e *Engine) SetDatabasePassword(ctx context.Context, password string) error {
	a, err := e.reachable()
	if err != nil {
		return err
	}
	server := a.Status().Server
	if err := secret.Set(ctx, passwordName(server), password); err != nil {
		if errors.Is(err, secret.ErrUnavailable) {
			err = job.WithHint(err, "Put it into ~/.pgpass, which only you can read (chmod 600), as host:port:database:user:password; or set PGPASSWORD.")
		}
		return err
	}
	a.Retry()
	return errors.Join(e.set("", "a password was stored for the database %s", server), e.rejoin())
}

// ChooseHistory says which jobs go into the archive: those that were begun at or
// after a time. The zero time means all.
func (e *Engine) ChooseHistory(from time.Time) error {
	a, err := e.reachable()
	if err != nil {
		return err
	}
	server := a.Status().Server
	if err := e.settings.change(func(s *settings) {
		if s.History == nil {
			s.History = map[string]time.Time{}
		}
		s.History[server] = from.UTC()
	}); err != nil {
		return err
	}
	if err := e.journal.Share(server, from, e.config.Operator); err != nil {
		return err
	}
	return e.rejoin()
}

// RetryArchive lets what stopped be tried again at once.
func (e *Engine) RetryArchive() { e.archived().Retry() }

// InitDatabase makes the archive in a database: roles, schema and tables. Without
// a URL it is the configured one; a URL is for another login.
func (e *Engine) InitDatabase(ctx context.Context, url string) error {
	cfg, err := e.admin(url)
	if err != nil {
		return err
	}
	return archive.Init(ctx, cfg)
}

// MigrateDatabase brings the tables of the archive to the version of this program
// and returns which that is.
func (e *Engine) MigrateDatabase(ctx context.Context, url string) (int, error) {
	cfg, err := e.admin(url)
	if err != nil {
		return 0, err
	}
	return archive.Migrate(ctx, cfg)
}

func (e *Engine) admin(url string) (archive.Config, error) {
	if url != "" {
		return archive.Config{URL: url, FromFile: true, Password: databasePassword}, nil
	}
	if _, err := e.reachable(); err != nil {
		return archive.Config{}, err
	}
	cfg, _, err := e.archiveConfig()
	return cfg, err
}

// ShipReport is what was copied.
type ShipReport struct {
	Entries     int            `json:"entries"` // of the ledger
	Jobs        int            `json:"jobs"`    // of which the archive has everything now
	Blocks      int            `json:"blocks"`
	Bytes       uint64         `json:"bytes"` // of output
	Left        int            `json:"left"`  // jobs of which it does not have everything
	Quarantined []ArchiveFault `json:"quarantined"`
	SetAside    []ArchiveFault `json:"set_aside"`
}

// ShipOnce copies what the journal has now into the archive and returns when
// nothing is left that can be copied.
func (e *Engine) ShipOnce(ctx context.Context) (ShipReport, error) {
	a, err := e.reachable()
	if err != nil {
		return ShipReport{}, err
	}
	e.team.mu.Lock()
	undecided := e.team.undecided
	e.team.mu.Unlock()
	if undecided {
		return ShipReport{}, job.WithHint(fmt.Errorf("copy the journal into %s: %w: nobody has said yet which jobs go there", a.Status().Server, job.ErrInvalid),
			"Say: vmo db history all, or none (from now on), or for example 30d.")
	}
	release, err := e.journal.Lock("ship")
	if err != nil {
		return ShipReport{}, job.WithHint(fmt.Errorf("copy the journal into the archive: %w", err),
			"The window or another vmo does it already; vmo db status shows how far it is.")
	}
	done, err := a.ShipOnce(ctx)
	e.witness(a.Status())
	report := ShipReport{
		Entries: done.Entries, Jobs: done.Jobs, Blocks: done.Blocks, Bytes: done.Bytes, Left: done.Left,
		Quarantined: faults(done.Quarantined), SetAside: faults(done.SetAside),
	}
	return report, errors.Join(err, release())
}
