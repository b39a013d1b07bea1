// Package archive copies the journal of this installation into the team's
// Postgres, and reads there what everybody's installations recorded.
//
// The archive holds the journal's own units, opaque: the opening of a record,
// its blocks of compressed frames with their digests and chain, its start and
// end, and every entry of the ledger, each byte for byte as it was recorded. It
// reads no frames and verifies nothing; a record that is pulled from it is read
// and verified by the journal. Rows are only ever inserted, so the state of a
// job is derived and never updated.
//
// What it guarantees: a block is in the archive exactly once, whatever fails in
// between, because its key is the job and its number and the server says what is
// there; nothing that is there is overwritten; and the journal never waits for
// the archive. What is there under a key with another content is a fork: its job
// is quarantined and shown.
//
// Goroutines: [Archive.Run] and [Archive.Watch] work in the goroutine of their
// caller and start none that outlives them. pgx keeps one for the pool of
// connections that readers share; [Archive.Close] ends it.
package archive

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"vmorchestrator/internal/job"
)

// Source is the journal that is shipped.
type Source interface {
	// ID names the installation.
	ID() string
	// Entries returns up to limit entries of the ledger with a number greater
	// than after, in order.
	Entries(after uint64, limit int) ([]job.Entry, error)
	// Open opens the record of a job. It fails with job.ErrNotFound if there is none.
	Open(id job.ID) (Record, error)
}

// Record is one record of a Source. It is used by one goroutine at a time.
type Record interface {
	// Part returns the closed blocks numbered from and up, at least one if there
	// is one, and then up to about limit bytes of Data. It is Sealed only if it
	// contains the last one. Only blocks that a power cut cannot take from the
	// journal any more may be given, since the archive would know better then.
	Part(from uint32, limit int) (job.Part, error)
	// Left is how many bytes of output are in the closed blocks numbered from and up.
	Left(from uint32) (uint64, error)
	Close() error
}

// Config says which archive, and what is shipped there.
type Config struct {
	// URL is a URL or a keyword/value string as libpq takes it. If it is empty,
	// libpq's own PGHOST, PGSERVICE and so on say where the archive is; if they say
	// nothing either, there is none.
	URL string
	// FromFile says that URL stands in a file, in which a password is refused.
	FromFile bool
	// Password is asked for the password of a server such as anna@db.example:5432/vmo
	// if neither URL nor PGPASSWORD has one. An empty answer means that it knows
	// none; then ~/.pgpass may. Nil means the same.
	Password func(ctx context.Context, server string) (string, error)

	Source Source    // nil: nothing is shipped
	Laptop string    // what colleagues see this installation as
	From   time.Time // output of jobs that were begun before is not shipped; zero: all is
	// Acked is up to which entry the archive was known to have the ledger, when
	// this program ran last. It tells the lag while there is no connection; nothing
	// is skipped because of it.
	Acked uint64

	Log *slog.Logger // nil: nothing is logged
}

// Archive is the team's archive, connected or not.
type Archive struct {
	cfg     Config
	pace    pace
	nudge   chan struct{}
	retry   chan struct{}
	rewatch chan struct{}

	poolMu sync.Mutex
	pool   *pgxpool.Pool
	ready  bool        // the pool's database has been looked at
	listed atomic.Bool // it has a list of the jobs without an end

	passwordMu sync.Mutex
	password   *string // as Config.Password said

	mu     sync.Mutex
	status Status
}

// pace is how fast things go; tests make them faster.
type pace struct {
	poll     time.Duration // a look at the journal without a nudge
	settle   time.Duration // between two looks, so that blocks gather
	presence time.Duration // "I am here"
	notify   time.Duration // at most one notice in that time
	watch    time.Duration // a look for colleagues' news without a notice
	rewatch  time.Duration // at most between two attempts to listen again
	away     time.Duration // AwayAfter
	slow     time.Duration // a look whether what stopped it is still so
	backoff  time.Duration // after a failure, doubled up to maxBack
	maxBack  time.Duration
	query    time.Duration // for a statement
	batch    time.Duration // for a statement with blocks
	rows     int           // blocks, and of each other kind of row, in a batch
	bytes    int           // of blocks in a batch; the server keeps twice that in its work_mem of 4 MB
	tries    int           // until a record that the server rejects is set aside
}

var usualPace = pace{
	poll: time.Second, settle: 200 * time.Millisecond, presence: 10 * time.Second,
	notify: 250 * time.Millisecond, watch: 2 * time.Second, rewatch: 10 * time.Second, away: AwayAfter, slow: time.Minute,
	backoff: 500 * time.Millisecond, maxBack: time.Minute,
	query: 30 * time.Second, batch: time.Minute,
	rows: 256, bytes: 2 << 20, tries: 5,
}

// Open prepares the use of an archive. It does not connect and never fails: what
// is wrong with the configuration is in the Status and in every answer.
func Open(cfg Config) *Archive {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a := &Archive{cfg: cfg, pace: usualPace, nudge: make(chan struct{}, 1), retry: make(chan struct{}, 1), rewatch: make(chan struct{}, 1)}
	a.status.Since = time.Now()
	server, err := a.cfg.server()
	a.status.Server = server
	switch {
	case err != nil && !configured(cfg.URL):
		a.status.State = Off
	case err != nil:
		a.status.State, a.status.Error = Stopped, err
	default:
		a.status.State = Connecting
	}
	return a
}

// Close gives the connections of readers back. Run must have ended.
func (a *Archive) Close() {
	a.poolMu.Lock()
	defer a.poolMu.Unlock()
	if a.pool != nil {
		a.pool.Close()
		a.pool = nil
	}
}

// Nudge says that the journal has something new. It never waits.
func (a *Archive) Nudge() {
	select {
	case a.nudge <- struct{}{}:
	default:
	}
}

// Retry makes a shipper that was stopped, or waits, try again now: a password
// was changed, or rights were given. What was set aside is tried again as well, and
// a Watch that waits.
func (a *Archive) Retry() {
	a.forgetPassword()
	a.Rewatch()
	select {
	case a.retry <- struct{}{}:
	default:
	}
}
