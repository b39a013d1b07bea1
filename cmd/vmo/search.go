package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Exit codes of search, those of grep.
const (
	exitNone    = 1
	exitTrouble = 2
)

func (c *cli) searchCommand() *cobra.Command {
	var which filterFlags
	var q engine.Query
	var only string
	var archive bool
	cmd := &cobra.Command{
		Use: "search [flags] PATTERN", Short: "Search the output of all jobs", Args: cobra.ExactArgs(1),
		Long: `Search the output of all jobs in the journal, those that run included, or of those
that the filters mean. Lines that match are printed as JOB:LINE:TEXT, newest job
first; LINE is the number that the window shows.

PATTERN has the syntax of RE2 (https://github.com/google/re2/wiki/Syntax) and matches
within a line. Colours and other escape sequences, and the carriage return at the end
of a line, are not there for it; what is not UTF-8 is U+FFFD. Standard output and
standard error are one text, in the order in which they came, as in the window. If one
was interrupted by the other within a line, by less than 64 KiB, that line is matched as
a whole too; such a hit has the number of the line in which it ends. Lines longer than
1 MiB are matched in pieces that overlap by 64 KiB.

Exits with 0 if something was found, with 1 if not, with 2 if something could not
be searched.

In JSON: job, line, at, stream, text, from and to, which are where in the text the
match is, in bytes; before and after with --context. With --count: job, count. What is
damaged in a record is named on the standard error, and as job, line, problem.`,
		Example: "  vmo search 'timeout after [0-9]+' --host web1 --since 7d -C 2\n  vmo search -Fi 'permission denied' --state failed --count",
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.Limit < 0 || q.Context < 0 {
				return fmt.Errorf("%w: less than nothing", job.ErrInvalid)
			}
			q.Pattern = args[0]
			ctx, stop := signal.NotifyContext(cmd.Context(), append(endings, os.Interrupt)...)
			defer stop()
			err := c.withFilter(ctx, &which, func(e *engine.Engine, f job.Filter) error {
				q.Jobs = f
				if only != "" {
					r, err := c.find(ctx, e, only, archive)
					if err != nil {
						return err
					}
					q.Job = r.ID
				}
				if archive {
					return c.search(ctx, e, q, e.SearchArchive)
				}
				return c.search(ctx, e, q, e.Search)
			})
			if ctx.Err() != nil {
				return exitCode(exitInterrupted)
			}
			return err
		},
	}
	which.add(cmd)
	which.addStates(cmd)
	flags := cmd.Flags()
	flags.BoolVarP(&q.IgnoreCase, "ignore-case", "i", false, "upper and lower case are the same")
	flags.BoolVarP(&q.Literal, "fixed-strings", "F", false, "PATTERN is text as it is, no expression")
	flags.IntVarP(&q.Context, "context", "C", 0, "`N` lines before and behind, as JOB-LINE-TEXT")
	flags.IntVarP(&q.Limit, "limit", "n", 0, "end after `N` lines, or jobs with --count (default: all)")
	flags.BoolVarP(&q.Count, "count", "c", false, "print only how many lines of each job match, as JOB:COUNT")
	flags.BoolVar(&archive, "archive", false, "of everybody's jobs, as the team's database has them; what is not here yet is copied first, so filter")
	flags.StringVar(&only, "job", "", "only this `JOB`")
	flags.StringVar(&which.f.Text, "text", "", "only jobs with this `TEXT` in their command, target, project, log or host")
	return cmd
}

func (c *cli) search(ctx context.Context, e *engine.Engine, q engine.Query, search func(context.Context, engine.Query, func(engine.Hit) error) error) error {
	p := hitPrinter{cli: c, e: e, w: bufio.NewWriter(os.Stdout), context: q.Context > 0}
	err := search(ctx, q, func(h engine.Hit) error { return p.print(ctx, h) })
	p.behind(^uint64(0))
	if flushed := p.w.Flush(); err == nil {
		err = flushed
	}
	switch {
	case err != nil:
		return trouble(err)
	case p.problems > 0:
		return exitCode(exitTrouble)
	case p.hits == 0:
		return exitCode(exitNone)
	}
	return nil
}

// trouble says what is wrong, and exits as grep does then.
func trouble(err error) error {
	if code := (&cli{entered: true}).exit(err); code != exitFailed {
		return exitCode(code)
	}
	return exitCode(exitTrouble)
}

// hitPrinter prints hits as grep does.
type hitPrinter struct {
	*cli
	e        *engine.Engine
	w        *bufio.Writer
	context  bool
	hits     int
	problems int

	job   job.ID // of the last hit
	short string
	line  uint64   // printed last, from 1
	after []string // lines behind it that are not printed yet: the next hit may be among them
}

func (p *hitPrinter) print(ctx context.Context, h engine.Hit) error {
	if h.Job != p.job {
		p.behind(^uint64(0))
		short, err := p.e.Short(ctx, h.Job)
		if err != nil {
			return err
		}
		p.job, p.short, p.line = h.Job, short, 0
	}
	if h.Problem != "" {
		p.problems++
		fmt.Fprintf(os.Stderr, "vmo: job %s, line %d: %s\n", p.short, h.Line+1, visible(h.Problem))
	} else {
		p.hits++
	}
	switch {
	case p.json:
		return p.object(h)
	case h.Problem != "":
		return nil
	case h.Count > 0:
		_, err := fmt.Fprintf(p.w, "%s:%d\n", p.short, h.Count)
		return err
	}
	if err := p.matched(h); err != nil {
		return err // whoever reads has gone
	}
	if p.hits == 1 {
		return p.w.Flush() // the first is there at once
	}
	return nil
}

// matched prints a line that matches, and what stands before it.
func (p *hitPrinter) matched(h engine.Hit) error {
	number := h.Line + 1
	p.behind(number)
	first := number - uint64(len(h.Before))
	if p.context && p.hits > 1 && first > p.line+1 {
		p.w.WriteString("--\n")
	}
	for i, text := range h.Before {
		if n := first + uint64(i); n > p.line {
			fmt.Fprintf(p.w, "%s-%d-%s\n", p.short, n, visible(text))
		}
	}
	_, err := fmt.Fprintf(p.w, "%s:%d:%s\n", p.short, number, visible(h.Text))
	p.line, p.after = number, h.After
	return err
}

// behind prints what stands behind the last hit, up to a line.
func (p *hitPrinter) behind(end uint64) {
	for _, text := range p.after {
		if p.line+1 >= end {
			break
		}
		p.line++
		fmt.Fprintf(p.w, "%s-%d-%s\n", p.short, p.line, visible(text))
	}
	p.after = nil
}

// object prints a hit as JSON. Its line is that which people see, from 1.
func (p *hitPrinter) object(h engine.Hit) error {
	if h.Count > 0 {
		return objectsTo(p.w).Encode(struct {
			Job   job.ID `json:"job"`
			Count uint64 `json:"count"`
		}{h.Job, h.Count})
	}
	h.Line++
	return objectsTo(p.w).Encode(h)
}
