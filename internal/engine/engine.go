// Package engine makes one thing of the others: a target on a host becomes a
// job, its process runs here or there, its record is in the journal. It is the
// only package that knows them all; the window and vmo know only it.
//
// Goroutines, who starts them and who waits:
//
//	run, one per job      Start         ends with its job          Close waits
//	listen, one           Open          ends on Close              Close waits
//	attend, one           Open          ends on Close              Close waits
//	compress, one         Open (Idle)   ends on Close              Close waits
//	keeper of the journal journal.Open  ends on journal.Close      Close waits
//	watch of projects     Watch         ends with its context      its caller waits
//	watch of releases     Updates.Watch ends with its context      its caller waits
//	those of connections  remote.New    end on Pool.Close          Close waits
//	shipper, two          Ship          end on Close               Close waits
//	watch of the archive  WatchTeam,    ends when nobody wants it  Close waits
//	                      PullOn
//
// Close refuses new jobs, cancels the running ones, waits for them, lets the
// archive have the rest if that takes no longer than a moment, and then closes
// the connections and the journal.
package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adrg/xdg"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/journal"
	"vmorchestrator/internal/process"
	"vmorchestrator/internal/remote"
)

// Config says where things are. The zero Config is that of an operator's laptop.
type Config struct {
	DataDir   string // the journal; empty: VMO_DATA_DIR, else the XDG data directory
	ConfigDir string // settings; empty: the XDG config directory
	Registry  string // of mkcli; empty: ~/.config/mkcli/registry
	Policy    string // of whoever manages the machine; empty: where the system keeps it
	Operator  string // empty: user@host

	// SSHConfig is read instead of ~/.ssh/config and the system's, as by ssh -F;
	// empty: VMO_SSH_CONFIG, else those two.
	SSHConfig string

	// Database is the URL of the archive; empty: VMO_DATABASE_URL, else the settings,
	// else what libpq's own variables say.
	Database string

	// Prompts says who answers the questions of connections, and is called when one
	// begins; what is nil in its answer is refused. With Ask they wait for
	// Engine.Answer instead.
	Prompts func() Prompts
	Ask     bool

	Parallel int           // jobs that run at once on this machine, others wait; zero: 16
	Grace    time.Duration // between the steps of a cancel; zero: 5 s

	// Idle lets the engine compress large records while nothing runs. It is for
	// programs that stay: the window.
	Idle bool
}

// Engine runs jobs. Its methods are safe for concurrent use.
type Engine struct {
	config  Config
	journal *journal.Journal
	changes *Changes

	queue *queue // of jobs on this machine
	fleet *queue // of jobs on others

	home     string
	listed   listed
	resolver *inventory.Resolver
	pool     *remote.Pool
	asks     asks
	team     team

	mu         sync.Mutex
	live       map[job.ID]*live
	closed     bool
	unfinished []error // records that could not be completed

	settings settingsFile
	nudge    atomic.Pointer[func()] // wakes the shipper

	runs  sync.WaitGroup
	stop  context.CancelFunc
	tasks sync.WaitGroup
	large chan job.ID // records worth compressing later
}

// ErrClosed means that the engine is shutting down.
var ErrClosed = errors.New("the program is closing")

// Open opens the journal and starts to listen for requests of other processes.
func Open(ctx context.Context, c Config) (*Engine, error) {
	c.defaults()
	e := &Engine{
		config: c, changes: newChanges(), live: map[job.ID]*live{},
		queue: newQueue(c.Parallel), fleet: newQueue(fleetPlaces), large: make(chan job.ID, 1000),
		settings: settingsFile{path: filepath.Join(c.ConfigDir, "settings.json")}, home: home(),
	}
	var err error
	e.journal, err = journal.Open(ctx, journal.Config{Dir: c.DataDir, Changed: e.changed, Descendants: left, Key: c.signingKey})
	if err != nil {
		return nil, err
	}
	e.reach()
	e.join()
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.tasks.Add(2)
	go e.listen(ctx)
	go e.attend(ctx)
	if c.Idle {
		e.tasks.Add(1)
		go e.compress(ctx)
	}
	return e, nil
}

// DataDir is where the journal is when no Config says otherwise.
func DataDir() string {
	var c Config
	c.defaults()
	return c.DataDir
}

func (c *Config) defaults() {
	if c.DataDir == "" {
		c.DataDir = os.Getenv("VMO_DATA_DIR")
	}
	if c.DataDir == "" {
		c.DataDir = filepath.Join(xdg.DataHome, "vm-orchestrator")
	}
	if c.ConfigDir == "" {
		c.ConfigDir = filepath.Join(xdg.ConfigHome, "vm-orchestrator")
	}
	if c.Registry == "" {
		c.Registry = filepath.Join(xdg.ConfigHome, "mkcli", "registry")
	}
	if c.SSHConfig == "" {
		c.SSHConfig = os.Getenv("VMO_SSH_CONFIG")
	}
	if c.Database == "" {
		c.Database = os.Getenv("VMO_DATABASE_URL")
	}
	if c.Operator == "" {
		c.Operator = operator()
	}
	if c.Parallel <= 0 {
		c.Parallel = 16
	}
	if c.Grace <= 0 {
		c.Grace = 5 * time.Second
	}
}

func operator() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}

// fleetPlaces is how many jobs run at once on other machines. Terminals and log
// tails take none: they stay for long and would keep others waiting.
const fleetPlaces = 64

// reach makes the pool of connections. It connects to nothing.
func (e *Engine) reach() {
	e.asks.changed = e.changes.addPrompts
	prompts := e.config.Prompts
	if e.config.Ask {
		prompts = e.asks.prompts
	}
	ssh, _ := process.LookPath("ssh") // without one our own evaluator reads the configuration
	e.resolver = &inventory.Resolver{Config: e.config.SSHConfig, Home: e.home, SSH: ssh, Run: ask}
	e.pool = remote.New(remote.Config{
		Resolve: e.resolver.Resolve, Spawn: spawn, Prompts: prompts, Accepted: e.accepted, Changed: e.hostChanged,
		SSH: ssh, SSHConfig: e.config.SSHConfig, Engine: e.chosenEngine,
	})
}

// changed takes the journal's hint that something is new.
func (e *Engine) changed(id job.ID) {
	e.changes.add(id)
	if nudge := e.nudge.Load(); nudge != nil {
		(*nudge)()
	}
}

// home is the operator's home directory as ssh sees it: that of the account, not
// $HOME.
func home() string {
	if u, err := user.Current(); err == nil && u.HomeDir != "" {
		return u.HomeDir
	}
	dir, _ := os.UserHomeDir() // without one, ~ stays as it is
	return dir
}

// Close ends everything. Jobs that still run are cancelled; how they ended is in
// their records before Close returns. It fails for records that could not be
// completed, now or before.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	running := make([]*live, 0, len(e.live))
	for _, l := range e.live {
		running = append(running, l)
	}
	e.mu.Unlock()
	for _, l := range running {
		l.cancel(job.CauseShutdown, "")
	}
	e.runs.Wait()
	e.stop()
	e.tasks.Wait()
	e.leave(lastShipment)
	e.pool.Close()
	return errors.Join(append(e.unfinished, e.journal.Close())...)
}

// lastShipment is how long the end of a program may wait for the archive to have
// everything. What it does not have then is shipped by the next program.
const lastShipment = time.Second

// Status is how the engine stands.
type Status struct {
	DataDir  string
	ReadOnly error // why nothing can be recorded; nil usually
	Operator string
	Parallel int
	Journal  string // identity of the journal
}

// Status tells how the engine stands.
func (e *Engine) Status() Status {
	return Status{
		DataDir: e.journal.Dir(), ReadOnly: e.journal.ReadOnly(), Operator: e.config.Operator,
		Parallel: e.config.Parallel, Journal: e.journal.ID(),
	}
}

// Changes are the hints about what is new.
func (e *Engine) Changes() *Changes { return e.changes }

// requestEvery is how long a cancel from another process may wait to be seen.
const requestEvery = 100 * time.Millisecond

// listen does what other processes ask for the jobs of this one.
func (e *Engine) listen(ctx context.Context) {
	defer e.tasks.Done()
	tick := time.NewTicker(requestEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		e.mu.Lock()
		busy := len(e.live) > 0
		e.mu.Unlock()
		if !busy {
			continue
		}
		for _, q := range e.journal.Asked() {
			l, err := e.running(q.Job)
			if err != nil {
				continue // it has ended meanwhile, which is what was asked
			}
			switch q.What {
			case journal.RequestCancel:
				l.cancel(job.CauseCancel, q.By)
			case journal.RequestKill:
				l.kill(job.CauseCancel, q.By)
			case journal.RequestUnrecorded:
				l.record.Unrecorded()
			}
		}
	}
}

// compress compresses large records while nothing runs.
func (e *Engine) compress(ctx context.Context) {
	defer e.tasks.Done()
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for e.idle() {
			var id job.ID
			select {
			case id = <-e.large:
			default:
			}
			if id == "" {
				break
			}
			// A record that cannot be compressed stays as it is, whole and readable.
			_ = e.journal.Compact(ctx, id)
		}
	}
}

func (e *Engine) idle() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.live) == 0 && !e.closed
}

func (e *Engine) running(id job.ID) (*live, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l := e.live[id]; l != nil {
		return l, nil
	}
	return nil, fmt.Errorf("job %s: %w", id, job.ErrNotOwner)
}
