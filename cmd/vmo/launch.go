package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
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
	tty     bool
	timeout time.Duration
}

func (p *place) flags(cmd *cobra.Command) {
	p.folder(cmd)
	cmd.Flags().BoolVarP(&p.tty, "tty", "t", false, "run it in a terminal of its own")
	cmd.Flags().DurationVar(&p.timeout, "timeout", 0, "stop it after this long, such as 90s or 10m")
}

func (p *place) folder(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&p.project, "project", "p", "", "project, by its alias (see vmo projects)")
	cmd.Flags().StringVarP(&p.dir, "directory", "C", "", "folder (default: the current one)")
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

func (c *cli) execCommand() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use: "exec [flags] -- ARGV…", Short: "Run a command and record it", Args: cobra.MinimumNArgs(1),
		Long: `Run a command, show its output, record both, and exit as it does.

With --json its output is only recorded, and the job is printed when it has ended.`,
		Example: "  vmo exec -- terraform apply\n  vmo exec --timeout 10m -C ~/src/app -- go test ./...",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				dir, err := at.resolve(e)
				if err != nil {
					return err
				}
				return c.launch(e, job.Spec{Project: at.project, Argv: args, Dir: dir, TTY: at.tty, Timeout: at.timeout})
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

An interactive target (see vmo targets) gets a terminal when vmo has one.
With --json its output is only recorded, and the job is printed when it has ended.`,
		Example: "  vmo run test\n  vmo run -p web deploy ENV=staging",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				dir, err := at.resolve(e)
				if err != nil {
					return err
				}
				argv, err := engine.MakeArgv(args[0], args[1:])
				if err != nil {
					return err
				}
				t, err := e.FindTarget(cmd.Context(), dir, args[0], trust)
				if err != nil {
					return err
				}
				tty := at.tty || t.Terminal() && !c.json && isTerminal(os.Stdin) && isTerminal(os.Stdout)
				return c.launch(e, job.Spec{Project: at.project, Target: t.Name, Argv: argv, Dir: dir, TTY: tty, Timeout: at.timeout})
			})
		},
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&trust, "trust", false, "let make compute its targets to find this one, which runs what the Makefile says")
	return cmd
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// launch runs one job here, from its beginning to its exit code.
func (c *cli) launch(e *engine.Engine, spec job.Spec) error {
	typed := spec.TTY && isTerminal(os.Stdin) && foreground(os.Stdin)
	request := engine.Launch{Spec: spec}
	if !typed && (!isTerminal(os.Stdin) || foreground(os.Stdin)) {
		request.Stdin = os.Stdin
	}
	if spec.TTY && isTerminal(os.Stdout) {
		request.Size = terminalSize()
	}
	_, jobs, err := e.Start(request)
	if err != nil {
		return err
	}
	l := launched{cli: c, e: e, id: jobs[0].ID}
	stop := l.signals()
	defer stop()
	if typed {
		restore, err := l.terminal()
		if err != nil {
			return errors.Join(err, e.Cancel(context.Background(), l.id, true))
		}
		defer restore()
	}
	return l.show()
}

// launched is the job that this vmo runs.
type launched struct {
	cli *cli
	e   *engine.Engine
	id  job.ID
}

// show prints the record while it grows and returns the job's exit code.
func (l launched) show() error {
	r, err := l.e.Output(l.id)
	if err != nil {
		return err
	}
	defer r.Close()
	p := printer{}
	if l.cli.json {
		p.discard = true
	}
	err = r.Follow(context.Background(), 0, p.page)
	if err != nil { // nobody reads our output any more, or the disk it goes to is full
		err = errors.Join(err, l.e.Cancel(context.Background(), l.id, false))
		err = errors.Join(err, r.Follow(context.Background(), 0, func([]job.Chunk) error { return nil }))
	}
	ended, wait := l.e.Wait(context.Background(), l.id)
	if err := errors.Join(err, wait); err != nil {
		return err
	}
	return l.report(ended)
}

// report ends with the exit code of the job. What it prints besides goes only to
// a terminal: a script sees what the command printed and nothing else.
func (l launched) report(ended job.Job) error {
	if l.cli.json {
		if err := printJSON(ended); err != nil {
			return err
		}
	}
	if ended.Cause == job.CauseStart || ended.State == job.TimedOut || ended.State == job.Lost {
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
				if s != os.Interrupt {
					_ = l.e.Cancel(context.Background(), l.id, false) // it may have ended
					continue
				}
				if interrupts++; interrupts == 1 {
					_ = l.e.Interrupt(l.id)
				} else {
					_ = l.e.Kill(l.id)
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
				_ = l.e.Resize(l.id, terminalSize()) // it may have ended
			}
		}
	}()
	// Nobody waits for this one: a read from a terminal cannot be ended, and vmo
	// is about to exit when it is no longer wanted.
	go func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := os.Stdin.Read(buf)
			if n > 0 && l.e.Input(l.id, buf[:n]) != nil || err != nil {
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
