// Package app is the window: everything Wails, and nothing else. Its bound
// structs are thin: they check what comes from the page as if an attacker had
// sent it, ask the engine, and answer.
//
// Hints are pushed and data is pulled: events say which jobs have something new
// (feed.go), the page fetches the bytes through the asset server (output.go).
//
// Goroutines: Startup starts the feed, the watches of the projects and of newer
// releases, the ear for signals and the one that takes links (handover.go); Search one for the search of the page, which the next one ends; Archive.Open one
// for each living job of a colleague, which Leave ends. Shutdown ends them and waits
// for them; and with the engine the watch of the archive, which Archive.Watch wants.
package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// App is the life of the window. It is not bound.
type App struct {
	Jobs     *Jobs
	Projects *Projects
	Hosts    *Hosts
	Prompts  *Prompts
	Archive  *Archive
	Links    *Links
	Settings *Settings
	Output   *Output

	Diagnostics *Diagnostics
	Updates     *Updates

	shell *shell
	args  []string
	told  chan struct{} // closed when the system tells the program to end
	stop  context.CancelFunc
	tasks sync.WaitGroup
}

// shell is what the bound structs share. The engine is there from Startup on.
type shell struct {
	version  string
	ended    chan struct{} // closed by Shutdown
	searches *searches
	pulls    *pulls
	inbox    inbox
	updates  *engine.Updates

	mu      sync.Mutex
	ctx     context.Context // of the window; Wails wants it for dialogs and events
	engine  *engine.Engine
	broken  error           // why there is no engine
	opened  string          // folder that was given as argument or dropped last
	unwatch func()          // ends the watch of the team's jobs; nil: the page does not show them
	seen    map[string]bool // folders whose targets the page has asked for
}

// New makes the window of a version. Args are folders to open as projects, and links.
func New(version string, args []string) *App {
	s := &shell{version: version, ended: make(chan struct{}), seen: map[string]bool{}}
	s.updates = engine.NewUpdates(engine.Config{}, engine.Program{Name: "window", Version: version})
	s.searches, s.pulls = &searches{shell: s}, &pulls{shell: s, open: map[job.ID]*pull{}}
	return &App{
		Jobs: &Jobs{s}, Projects: &Projects{s}, Hosts: &Hosts{s}, Prompts: &Prompts{s}, Archive: &Archive{s}, Links: &Links{s}, Settings: &Settings{s}, Output: newOutput(s),
		Diagnostics: &Diagnostics{s}, Updates: &Updates{s},
		shell: s, args: args, told: make(chan struct{}),
	}
}

var errStarting = errors.New("the window is still starting")

// context is that of the window, until Startup none in particular.
func (s *shell) context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		return context.Background()
	}
	return s.ctx
}

// open returns the engine, or why there is none.
func (s *shell) open() (*engine.Engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine == nil {
		if s.broken != nil {
			return nil, s.broken
		}
		return nil, errStarting
	}
	return s.engine, nil
}

// Startup opens the engine. Wails calls it before the page is loaded. Without a
// journal the window opens all the same, and every call says what is wrong.
func (a *App) Startup(ctx context.Context) {
	a.listen(ctx)
	e, err := engine.Open(ctx, engine.Config{Idle: true, Ask: true})
	a.shell.mu.Lock()
	a.shell.ctx, a.shell.engine, a.shell.broken = ctx, e, err
	a.shell.mu.Unlock()
	ctx, a.stop = context.WithCancel(ctx)
	a.tasks.Add(1)
	go func() { defer a.tasks.Done(); a.watchUpdates(ctx) }() // without a journal too: a newer release may be what is needed
	if err != nil {
		return
	}
	e.Ship()
	a.tasks.Add(2)
	go func() { defer a.tasks.Done(); a.feed(ctx, e) }()
	go func() { defer a.tasks.Done(); a.watch(ctx, e) }()
	for _, arg := range a.args {
		if job.IsAddress(arg) {
			a.OpenLink(arg)
		} else {
			a.opened(ctx, arg)
		}
	}
	if err := a.receive(ctx, e.Status().DataDir); err != nil {
		runtime.LogWarning(ctx, err.Error())
	}
	a.probe(ctx)
	runtime.OnFileDrop(ctx, func(_, _ int, paths []string) {
		for _, path := range paths {
			a.opened(ctx, path)
		}
	})
}

// quitAgain is how long Wails may take to end the window.
const quitAgain = time.Second

// listen notices that the system tells the program to end: a session that ends
// cannot answer questions.
func (a *App) listen(ctx context.Context) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	a.tasks.Add(1)
	go func() {
		defer a.tasks.Done()
		defer signal.Stop(signals)
		select {
		case s := <-signals:
			close(a.told)
			// Wails ends the window by itself for most of them, and twice at once can
			// crash GTK: a second time only if the first came before it was told.
			if s != syscall.SIGHUP {
				select {
				case <-a.shell.ended:
					return
				case <-time.After(quitAgain):
				}
			}
			runtime.Quit(ctx)
		case <-a.shell.ended:
		}
	}()
}

// watch tells the page when the registry or a makefile changes. Without it the
// lists are read again when they are shown.
func (a *App) watch(ctx context.Context, e *engine.Engine) {
	err := e.Watch(ctx, a.shell.folders, func() { runtime.EventsEmit(ctx, string(EventProjects), struct{}{}) })
	if err != nil {
		runtime.LogWarning(ctx, err.Error())
	}
}

// opened adds a folder that was dropped on the window or given as an argument.
func (a *App) opened(ctx context.Context, path string) {
	e, err := a.shell.open()
	if err != nil {
		return
	}
	dir, err := e.AddProject(path)
	if err != nil {
		runtime.EventsEmit(ctx, string(EventFailed), failure(err))
		return
	}
	a.shell.mu.Lock()
	a.shell.opened = dir
	a.shell.mu.Unlock()
	runtime.EventsEmit(ctx, string(EventOpened), Opened{Dir: dir})
}

// BeforeClose asks before running jobs are ended.
func (a *App) BeforeClose(ctx context.Context) (prevent bool) {
	e, err := a.shell.open()
	if err != nil {
		return false
	}
	n := e.Running()
	if n == 0 {
		return false
	}
	select {
	case <-a.told:
		return false
	case <-time.After(50 * time.Millisecond): // Wails hears of a signal as soon as we do
	}
	jobs := "1 job is"
	if n > 1 {
		jobs = fmt.Sprintf("%d jobs are", n)
	}
	const stay, end = "Keep running", "Stop and close"
	answer, err := runtime.MessageDialog(ctx, runtime.MessageDialogOptions{
		Type: runtime.QuestionDialog, Title: "Close VM Orchestrator?",
		Message: jobs + " still running in this window. Closing it stops them; their records are kept.",
		Buttons: []string{stay, end}, DefaultButton: stay, CancelButton: stay,
	})
	// GTK answers with its own words for the two buttons.
	return err != nil || answer != end && answer != "Yes"
}

// Shutdown ends the jobs of the window and waits until their records are complete.
func (a *App) Shutdown(context.Context) {
	close(a.shell.ended)
	if a.stop != nil {
		a.stop()
	}
	a.Output.close()
	if e, err := a.shell.open(); err == nil {
		if err := e.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "vm-orchestrator:", err)
		}
	}
	a.tasks.Wait()
}

// folders are those whose makefiles matter to the page.
func (s *shell) folders() (dirs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for dir := range s.seen {
		dirs = append(dirs, dir)
	}
	return dirs
}
