package inventory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"
)

// resolveTimeout is how long `ssh -G` may take. It may run commands (Match exec)
// and ask name servers.
const resolveTimeout = 5 * time.Second

// Resolver finds the options of destinations, each when it is needed: the program
// ssh may then run commands that the configuration names. Answers are kept as long
// as the files are what they were. It may be used by several goroutines.
type Resolver struct {
	Config string // read in place of the files of user and system, as ssh -F; empty: those
	Home   string // empty: the one that the system knows for this user

	// SSH is the path of the program. Where it is empty, the built-in evaluator
	// answers, and Why is the reason it gives.
	SSH, Why string

	// Run runs a program in its own process group, without input, and returns what
	// it printed. It ends the group when the context ends. An exit code other than
	// 0 is an error.
	Run func(ctx context.Context, argv []string) (stdout, stderr []byte, err error)

	// NeverExec keeps Match exec from running: the built-in evaluator answers for
	// configurations that have one, and takes the condition for not fulfilled.
	NeverExec bool

	once  sync.Once
	local local
	slots chan struct{} // a place for each ssh that may run at once
	mu    sync.Mutex
	known map[Destination]answer
}

func (r *Resolver) init() {
	r.local = thisMachine(r.Home)
	r.slots = make(chan struct{}, 4)
	r.known = map[Destination]answer{}
}

// Resolve returns the options of a destination, as ssh would use them.
func (r *Resolver) Resolve(ctx context.Context, d Destination) (*Options, error) {
	r.once.Do(r.init)
	if err := CheckDestination(d); err != nil {
		return nil, fmt.Errorf("%q: %w", d.String(), err)
	}
	if o, ok := r.cached(d); ok {
		return o, nil
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()

	// The evaluator goes first, also where ssh answers: a file that changes between
	// them makes the answer one that no longer holds, not one that is wrong for ever.
	e := &evaluator{local: r.local}
	ours := e.evaluate(d, r.Config)
	state := r.stateOf(e)
	o, err := r.resolve(ctx, d, e, ours)
	if err != nil {
		return nil, fmt.Errorf("options of %s: %w", d, err)
	}
	r.keep(d, o, state)
	return o, nil
}

func (r *Resolver) resolve(ctx context.Context, d Destination, e *evaluator, ours error) (*Options, error) {
	switch {
	case r.SSH == "" || r.Run == nil:
		return r.builtIn(ctx, d, r.Why)
	case r.NeverExec && (e.execs || ours != nil): // what we cannot read may hold one
		return r.builtIn(ctx, d, "Match exec is switched off")
	}
	stdout, stderr, err := r.Run(ctx, r.argv(d))
	switch {
	case err == nil:
		return r.options(d, parsePrinted(stdout), e, ours)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("ssh -G did not answer in time, because a Match exec or a name server is slow: %w", ctx.Err())
	case errors.Is(err, fs.ErrNotExist):
		return r.builtIn(ctx, d, r.SSH+" is not there any more")
	}
	if text := complaint(stderr); text != "" {
		return nil, errors.New(text)
	}
	return nil, fmt.Errorf("ssh -G: %w", err)
}

// argv asks ssh what it would do; nothing is connected.
func (r *Resolver) argv(d Destination) []string {
	argv := []string{r.SSH, "-G"}
	if r.Config != "" {
		argv = append(argv, "-F", r.Config)
	}
	if d.User != "" {
		argv = append(argv, "-l", d.User)
	}
	if d.Port != 0 {
		argv = append(argv, "-p", strconv.Itoa(d.Port))
	}
	return append(argv, "--", d.Alias)
}

// complaint is what ssh says is wrong, without what it always says.
func complaint(stderr []byte) string {
	var kept []string
	for line := range strings.Lines(string(stderr)) {
		line = strings.TrimRight(line, "\r\n")
		if line != "" && !strings.HasPrefix(line, "Pseudo-terminal will not be allocated") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// builtIn answers without ssh.
func (r *Resolver) builtIn(ctx context.Context, d Destination, why string) (*Options, error) {
	e := &evaluator{local: r.local}
	if !r.NeverExec && r.Run != nil && !onWindows {
		e.exec = func(command string) (bool, error) {
			shell, ok := e.getenv("SHELL")
			if !ok {
				shell = "/bin/sh"
			}
			_, _, err := r.Run(ctx, []string{shell, "-c", command})
			return err == nil, ctx.Err()
		}
	}
	if err := e.evaluate(d, r.Config); err != nil {
		return nil, err
	}
	if why == "" {
		why = "there is no ssh"
	}
	if len(e.unable) > 0 {
		why += "; the built-in evaluator passes over " + strings.Join(e.unable, ", ")
	}
	o, err := r.options(d, e.printed(), e, nil)
	if err != nil {
		return nil, err
	}
	o.By, o.Why = "built-in", why
	return o, nil
}
