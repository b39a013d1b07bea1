package engine

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vmorchestrator/internal/archive"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
	"vmorchestrator/internal/secret"
)

// team is the archive that the engine uses now, and the shipping to it. A new
// configuration makes a new archive.
type team struct {
	mu        sync.Mutex
	archive   *archive.Archive
	undecided bool  // nobody has said yet which history goes there
	trouble   error // why it is not known which one
	shipping  bool  // this program ships while it runs
	stop      context.CancelFunc
	ears      map[*ear]struct{} // who wants to hear what is new there
	unwatch   context.CancelFunc
	left      bool // nothing begins before the next archive
	done      sync.WaitGroup
}

// source is the journal as the archive reads it.
type source struct{ *journal.Journal }

func (s source) Entries(after uint64, limit int) ([]job.Entry, error) {
	return s.LastingEntries(after, limit)
}

func (s source) Open(id job.ID) (archive.Record, error) {
	p, err := s.Parts(id)
	if err != nil {
		return nil, err
	}
	return p.Lasting(), nil
}

// join opens the archive that is configured, if one is. It connects to nothing,
// and settings that cannot be read are no reason not to run jobs.
func (e *Engine) join() {
	cfg, undecided, err := e.archiveConfig()
	if err != nil {
		cfg = archive.Config{URL: "unknown", FromFile: true}
	}
	e.team.mu.Lock()
	defer e.team.mu.Unlock()
	e.team.archive, e.team.undecided, e.team.trouble, e.team.left = archive.Open(cfg), undecided, err, false
	e.journal.Shipped(err == nil && e.team.archive.Status().State != archive.Off && !undecided)
}

func (e *Engine) archiveConfig() (cfg archive.Config, undecided bool, err error) {
	s, err := e.settings.read()
	if err != nil {
		return cfg, false, err
	}
	cfg = archive.Config{
		URL: e.config.Database, Password: databasePassword,
		Source: source{e.journal}, Laptop: e.config.Operator,
	}
	if cfg.URL == "" {
		cfg.URL, cfg.FromFile = s.Database, s.Database != ""
	}
	look := archive.Open(cfg)
	defer look.Close()
	at := look.Status()
	if at.State == archive.Off {
		return cfg, false, nil
	}
	from, decided := s.History[at.Server]
	cfg.From = from
	if seen := e.witnessed(); seen.Server == at.Server {
		cfg.Acked = seen.N
	}
	return cfg, !decided, nil
}

// databasePassword asks the keychain. Without one, or without an entry there, it
// knows none.
func databasePassword(ctx context.Context, server string) (string, error) {
	text, err := secret.Get(ctx, passwordName(server))
	if errors.Is(err, secret.ErrNone) || errors.Is(err, secret.ErrUnavailable) {
		return "", nil
	}
	return text, err
}

func passwordName(server string) string { return "database-password/" + server }

// team's archive; never nil.
func (e *Engine) archived() *archive.Archive {
	e.team.mu.Lock()
	defer e.team.mu.Unlock()
	return e.team.archive
}

// shipEvery is how often a process that may ship looks whether another one has
// stopped doing it.
const shipEvery = 2 * time.Second

// Ship lets this program copy the journal into the archive while it runs, if one
// is configured and no other process does it already.
func (e *Engine) Ship() {
	e.team.mu.Lock()
	defer e.team.mu.Unlock()
	if e.team.shipping {
		return
	}
	e.team.shipping = true
	e.beginShipping()
}

// beginShipping starts the shipper. The caller has the lock.
func (e *Engine) beginShipping() {
	a := e.team.archive
	if !e.team.shipping || e.team.left || e.team.undecided || e.team.trouble != nil || e.journal.ReadOnly() != nil || a.Status().State == archive.Off {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	e.team.stop = stop
	nudge := a.Nudge
	e.nudge.Store(&nudge)
	e.team.done.Add(1)
	go func() {
		defer e.team.done.Done()
		e.ship(ctx, a)
	}()
}

// ship is the shipper's goroutine.
func (e *Engine) ship(ctx context.Context, a *archive.Archive) {
	tick := time.NewTicker(shipEvery)
	defer tick.Stop()
	for {
		if release, err := e.journal.Lock("ship"); err == nil {
			e.shipNow(ctx, a)
			_ = release() // the system does when this process ends
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// shipNow ships until the context ends, and remembers what the archive has.
func (e *Engine) shipNow(ctx context.Context, a *archive.Archive) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.Run(ctx) // what goes wrong is in its Status
	}()
	var shown, kept archive.Status
	for {
		s := a.Status()
		if s.State != shown.State || s.LagJobs != shown.LagJobs || s.LagBytes != shown.LagBytes || len(s.Quarantined) != len(shown.Quarantined) || len(s.SetAside) != len(shown.SetAside) {
			shown = s
			e.changes.addArchive()
		}
		if s.Acked != kept.Acked && s.State != archive.Shipping {
			kept = s
			e.witness(s)
		}
		select {
		case <-look.C:
		case <-done:
			e.witness(a.Status())
			return
		}
	}
}

// lookEvery is how late the window may be told how shipping stands.
const lookEvery = 250 * time.Millisecond

// leave ends watching and shipping: at once, or when the archive has everything, if
// it is there and that takes no longer than a moment.
func (e *Engine) leave(settle time.Duration) {
	e.team.mu.Lock()
	stop, a := e.team.stop, e.team.archive
	e.team.stop, e.team.left = nil, true
	e.endWatching()
	e.team.mu.Unlock()
	if stop != nil {
		e.settle(a, settle)
		stop()
	}
	e.team.done.Wait()
	if a != nil {
		a.Close()
	}
}

// settle waits until the archive has what the journal has.
func (e *Engine) settle(a *archive.Archive, limit time.Duration) {
	n, _, err := e.journal.Head()
	if err != nil {
		return
	}
	a.Nudge()
	begun := time.Now()
	for time.Since(begun) < limit {
		s := a.Status()
		switch {
		case s.State == archive.Stopped, s.State == archive.Waiting, s.State == archive.Off:
			return
		case s.State == archive.Current && s.Acked >= n:
			return
		case s.State == archive.Connecting && time.Since(begun) > limit/4: // nobody may be there
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// witnessed is what the archive was seen to have of the ledger: a record on this
// side of what is on the other.
type witnessed struct {
	Server string `json:"server"`
	N      uint64 `json:"n"`
	Hash   []byte `json:"hash"`
}

func (e *Engine) witnessPath() string { return filepath.Join(e.journal.Dir(), "archive.json") }

func (e *Engine) witnessed() witnessed {
	var w witnessed
	data, err := os.ReadFile(e.witnessPath())
	if err != nil || json.Unmarshal(data, &w) != nil {
		return witnessed{}
	}
	return w
}

// remembered is that as a witness, by the name of who is believed to remember.
func (e *Engine) remembered(who string) []journal.Witness {
	seen := e.witnessed()
	if seen.N == 0 || len(seen.Hash) != 32 {
		return nil
	}
	return []journal.Witness{{Who: who, N: seen.N, Hash: [32]byte(seen.Hash)}}
}

func (e *Engine) witness(s archive.Status) {
	if s.Acked == 0 || s.AckedHash == [32]byte{} {
		return
	}
	if before := e.witnessed(); before.Server == s.Server && before.N >= s.Acked {
		return
	}
	data, err := json.Marshal(witnessed{Server: s.Server, N: s.Acked, Hash: s.AckedHash[:]})
	if err == nil {
		_ = replaceFile(e.witnessPath(), append(data, '\n')) // the next one does
	}
}

// rejoin takes up a changed configuration.
func (e *Engine) rejoin() error {
	e.leave(0)
	e.join()
	e.team.mu.Lock()
	defer e.team.mu.Unlock()
	e.beginShipping()
	e.beginWatching()
	e.changes.addArchive()
	return e.team.trouble
}

// ErrNoArchive means that no archive is configured.
var ErrNoArchive = errors.New("no database is configured")

// reachable returns the archive, or why there is none.
func (e *Engine) reachable() (*archive.Archive, error) {
	e.team.mu.Lock()
	a, trouble := e.team.archive, e.team.trouble
	e.team.mu.Unlock()
	if trouble != nil {
		return nil, trouble
	}
	if a.Status().State == archive.Off {
		return nil, job.WithHint(ErrNoArchive,
			"Set one with: vmo db use postgres://you@host/database, or VMO_DATABASE_URL, or PGHOST and its companions.")
	}
	return a, nil
}
