package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// place is where a command runs: flags that run and exec share.
type place struct {
	project string
	dir     string
	hosts   []string // of --on; none: this machine
	there   string   // of --dir, the folder on those
	lost    string   // of --if-lost
	tty     bool
	timeout time.Duration
}

func (p *place) flags(cmd *cobra.Command) {
	p.folder(cmd)
	cmd.Flags().BoolVarP(&p.tty, "tty", "t", false, "run it in a terminal of its own")
	cmd.Flags().StringVar(&p.lost, "if-lost", "", "when the connection to the host is lost: `keep|stop`; its output is kept there and fetched later, or it is ended there (default: it is lost)")
	cmd.Flags().DurationVar(&p.timeout, "timeout", 0, "stop it after this `TIME`, such as 90s, 10m or 1h30m")
}

func (p *place) folder(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&p.project, "project", "p", "", "project, by its `ALIAS` (see vmo projects); not together with -C")
	cmd.Flags().StringVarP(&p.dir, "directory", "C", "", "in this `FOLDER` of this machine (default: the current one)")
	cmd.Flags().StringSliceVar(&p.hosts, "on", nil, "on this `HOST`, or several, separated by commas (see vmo hosts); also env:NAME, tag:NAME and user@address:port")
	cmd.Flags().StringVar(&p.there, "dir", "", "in this `FOLDER` of those hosts (default: the home directory); ~/x is within it")
}

// launch is a request for a command at this place.
func (p *place) launch(e *engine.Engine, spec job.Spec) (engine.Launch, error) {
	if len(p.hosts) > 0 && p.dir != "" {
		return engine.Launch{}, job.WithHint(fmt.Errorf("%w: -C is a folder of this machine", job.ErrInvalid), "Give the folder on the hosts with --dir.")
	}
	if len(p.hosts) == 0 && p.there != "" {
		return engine.Launch{}, job.WithHint(fmt.Errorf("%w: --dir is a folder on other hosts, and there is no --on", job.ErrInvalid), "Give a folder of this machine with -C.")
	}
	var err error
	spec.Dir, err = p.resolve(e)
	spec.Project, spec.Timeout, spec.Link = p.project, p.timeout, job.Link(p.lost)
	if err == nil && spec.Project == "" && len(p.hosts) == 0 && spec.Source == "" {
		spec.Project = projectOf(e, spec.Dir)
	}
	return engine.Launch{Spec: spec, Hosts: p.hosts, There: p.there}, err
}

// projectOf is the alias of the project that a folder is, so that what ran there is
// found with what the window ran; empty if it is none.
func projectOf(e *engine.Engine, dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	all, err := e.Projects()
	if err != nil {
		return "" // vmo projects says why
	}
	for _, p := range all.Projects {
		if p.Dir == dir {
			return p.Alias
		}
	}
	return ""
}

// resolve returns the folder.
func (p *place) resolve(e *engine.Engine) (string, error) {
	if p.project != "" && p.dir != "" {
		return "", job.WithHint(fmt.Errorf("%w: both a project and a folder are given", job.ErrInvalid), "Give -p or -C, not both.")
	}
	if p.project != "" {
		found, err := e.Project(p.project)
		return found.Dir, err
	}
	if p.dir != "" {
		return p.dir, nil
	}
	return os.Getwd()
}

const aboutRunning = `The standard input reaches the command when it is a pipe, a file or your terminal.
Ctrl-C interrupts the command once and kills it the second time. What ends vmo (TERM,
HUP, QUIT) cancels the command; if vmo is killed, it goes on unrecorded and the job is
lost.

With --on each host gets a job of its own, all of one run. With several hosts each
line of output has its host before it, there is no input, and the exit code is 0 only
if all are, otherwise that of the first host that failed; those are listed on the
standard error. A target has to be there on every host before it runs on any.

With --json the output is only recorded, and each job is printed when it has ended.`

func (c *cli) execCommand() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use: "exec [flags] -- ARGV…", Short: "Run a command and record it", Args: cobra.MinimumNArgs(1),
		Long: `Run a command, show its output, record both, and exit as it does. There is no shell
between: vmo exec -- sh -c '…' if you want one.

` + aboutRunning,
		Example: "  vmo exec -- terraform apply\n  vmo exec --timeout 10m -C ~/src/app -- go test ./...",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				request, err := at.launch(e, job.Spec{Argv: args, TTY: at.tty})
				if err != nil {
					return err
				}
				return c.launch(e, request)
			})
		},
	}
	at.flags(cmd)
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func (c *cli) runCommand() *cobra.Command {
	var at place
	var trust bool
	cmd := &cobra.Command{
		Use: "run [flags] TARGET [VAR=VALUE…]", Short: "Run a make target and record it", Args: cobra.MinimumNArgs(1),
		Long: `Run a target of a Makefile, show its output, record both, and exit as make does.

The target must be one that vmo targets lists. An interactive one gets a terminal of
its own when vmo has one.

` + aboutRunning,
		Example: "  vmo run test\n  vmo run -p web deploy ENV=staging",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				argv, err := engine.MakeArgv(args[0], args[1:])
				if err != nil {
					return err
				}
				request, err := at.launch(e, job.Spec{Target: args[0], Argv: argv})
				if err != nil {
					return err
				}
				t, err := at.find(cmd.Context(), e, request, trust)
				if err != nil {
					return err
				}
				request.TTY = at.tty || len(at.hosts) < 2 && t.Terminal() && !c.json && isTerminal(os.Stdin) && isTerminal(os.Stdout)
				return c.launch(e, request)
			})
		},
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&trust, "trust", false, "ask make for its targets to find this one, which executes what the Makefile computes them with")
	return cmd
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// find makes sure that the target is there on every host before it runs on any.
func (p *place) find(ctx context.Context, e *engine.Engine, request engine.Launch, trust bool) (engine.Target, error) {
	if len(p.hosts) == 0 {
		return e.FindTarget(ctx, request.Dir, request.Target, trust)
	}
	hosts, err := e.SelectHosts(p.hosts)
	if err != nil {
		return engine.Target{}, err
	}
	found := make([]engine.Target, len(hosts))
	errs := make([]error, len(hosts))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() {
			if h.Local {
				found[i], errs[i] = e.FindTarget(ctx, request.Dir, request.Target, trust)
			} else {
				found[i], errs[i] = e.FindRemoteTarget(ctx, h.Name, request.There, request.Target)
			}
		})
	}
	all.Wait()
	return found[0], errors.Join(errs...)
}

// launch runs jobs, from their beginning to an exit code.
func (c *cli) launch(e *engine.Engine, request engine.Launch) error {
	e.Ship()
	if len(request.Hosts) > 0 { // env:NAME is one word and may be many hosts
		hosts, err := e.SelectHosts(request.Hosts)
		if err != nil {
			return err
		}
		if len(hosts) > 1 {
			return c.fanOut(e, request)
		}
	}
	typed := request.TTY && isTerminal(os.Stdin) && foreground(os.Stdin)
	if !typed && request.Source == "" && request.Link == job.LinkLost && (!isTerminal(os.Stdin) || foreground(os.Stdin)) {
		request.Stdin = os.Stdin
	}
	if request.TTY && isTerminal(os.Stdout) {
		request.Size = terminalSize()
	}
	_, jobs, err := e.Start(request)
	if err != nil {
		return err
	}
	l := launched{cli: c, e: e, ids: []job.ID{jobs[0].ID}}
	stop := l.signals()
	defer stop()
	if typed {
		e.Ready(context.Background(), l.ids[0]) // questions of the connection come before
		restore, err := l.terminal()
		if err != nil {
			return errors.Join(err, e.Cancel(context.Background(), l.ids[0], true))
		}
		defer restore()
	}
	ended, err := l.show(l.ids[0], printer{discard: c.json, raw: typed})
	if err != nil {
		return err
	}
	return l.report(ended)
}

// launched are the jobs that this vmo runs.
type launched struct {
	cli *cli
	e   *engine.Engine
	ids []job.ID
}

// show prints a record while it grows and returns the job when it has ended.
func (l launched) show(id job.ID, p printer) (job.Job, error) {
	r, err := l.e.Output(id)
	if err != nil {
		return job.Job{}, err
	}
	defer r.Close()
	err = r.Follow(context.Background(), 0, p.page)
	if err == nil {
		err = p.close()
	}
	if err != nil { // nobody reads our output any more, or the disk it goes to is full
		err = errors.Join(err, l.e.Cancel(context.Background(), id, false))
		err = errors.Join(err, r.Follow(context.Background(), 0, func([]job.Chunk) error { return nil }))
	}
	ended, wait := l.e.Wait(context.Background(), id)
	return ended, errors.Join(err, wait)
}

// report ends with the exit code of the job. What it prints besides goes only to
// a terminal: a script sees what the command printed and nothing else.
func (l launched) report(ended job.Job) error {
	if l.cli.json {
		if err := printJSON(ended); err != nil {
			return err
		}
	}
	if ended.Cause == job.CauseStart || ended.Cause == job.CauseConnect || ended.State == job.TimedOut || ended.State == job.Lost {
		fmt.Fprintln(os.Stderr, "vmo: "+visible(ended.Detail))
	}
	for _, s := range ended.Survivors {
		fmt.Fprintf(os.Stderr, "vmo: process %d (%s): %s\n", s.PID, visible(s.Command), visible(s.Why))
	}
	if code := codeOf(ended); code != 0 {
		return exitCode(code)
	}
	return nil
}

// signals passes Ctrl-C on: once it interrupts the command, twice kills it. What
// ends vmo cancels the command.
func (l launched) signals() (stop func()) {
	caught := make(chan os.Signal, 4)
	for _, s := range append(endings, os.Interrupt) {
		if !signal.Ignored(s) { // as nohup wants it, and a shell for what runs behind it
			signal.Notify(caught, s)
		}
	}
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		interrupts := 0
		for {
			select {
			case <-done:
				return
			case s := <-caught:
				if s == os.Interrupt {
					interrupts++
				}
				for _, id := range l.ids {
					switch { // it may have ended
					case s != os.Interrupt:
						_ = l.e.Cancel(context.Background(), id, false)
					case interrupts == 1:
						_ = l.e.Interrupt(id)
					default:
						_ = l.e.Kill(id)
					}
				}
			}
		}
	}()
	// The signals stay caught: one that comes now, while the record is put in its
	// place, has nobody left to stop, and the exit code is the command's.
	return func() { close(done); wait.Wait() }
}

// terminal connects the operator's terminal to that of the job.
func (l launched) terminal() (restore func(), err error) {
	before, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err != nil {
		return nil, fmt.Errorf("prepare the terminal: %w", err)
	}
	resized := make(chan os.Signal, 1)
	notifyResize(resized)
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		for {
			select {
			case <-done:
				return
			case <-resized:
				_ = l.e.Resize(l.ids[0], terminalSize()) // it may have ended
			}
		}
	}()
	// Nobody waits for this one: a read from a terminal cannot be ended, and vmo
	// is about to exit when it is no longer wanted.
	go func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := os.Stdin.Read(buf)
			if n > 0 && l.e.Input(l.ids[0], buf[:n]) != nil || err != nil {
				return
			}
		}
	}()
	return func() {
		signal.Stop(resized)
		close(done)
		wait.Wait()
		_ = term.Restore(int(os.Stdin.Fd()), before)
	}, nil
}

func terminalSize() job.Size {
	cols, rows, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return job.Size{}
	}
	return job.Size{Cols: uint16(cols), Rows: uint16(rows)}
}
