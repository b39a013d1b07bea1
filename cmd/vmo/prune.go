package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) pruneCommand() *cobra.Command {
	var older, bytes, why string
	var keep int
	var dry, yes, unarchived bool
	cmd := &cobra.Command{
		Use: "prune [--older AGE] [--keep N] [--max-bytes N]", Short: "Remove old records from this machine", Args: cobra.NoArgs,
		Long: `Remove records of jobs from this machine for good, after telling which: those of
jobs older than an age, all but the newest N, and the oldest until all take no more
than a number of bytes on the disk. One rule is enough for a record to go. It asks
before, unless --yes. Jobs that have not ended, pinned ones and records that cannot be
read stay. With a database, a record goes only if the database has all of it, which is
asked for each.

The ledger keeps that they were there, who removed them, when and why, so that vmo
verify knows.

` + inJSON(engine.Pruned{}),
		Example: "  vmo prune --older 90d --dry-run\n  vmo prune --max-bytes 20GB --yes",
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := engine.Pruning{Jobs: keep, Why: why}
			var err error
			if keep < 0 {
				return fmt.Errorf("%w: --keep %d", job.ErrInvalid, keep)
			}
			if r.Before, err = moment("--older", older, time.Now()); err != nil {
				return err
			}
			if r.Bytes, err = byteCount(bytes); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), append(endings, os.Interrupt)...)
			defer stop()
			err = c.with(ctx, func(e *engine.Engine) error { return c.prune(ctx, e, r, unarchived, dry, yes) })
			if ctx.Err() != nil {
				return exitCode(exitInterrupted)
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&older, "older", "", "those of jobs begun before: `AGE` is how long ago, such as 90d, or a time")
	flags.IntVar(&keep, "keep", 0, "all but the `N` newest")
	flags.StringVar(&bytes, "max-bytes", "", "the oldest, until all take no more than this `SIZE`, such as 20GB")
	flags.StringVar(&why, "why", "", "the `REASON`, for those who look for them")
	flags.BoolVar(&dry, "dry-run", false, "only tell")
	flags.BoolVarP(&yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&unarchived, "unarchived", false, "also what is not in the database")
	return cmd
}

func (c *cli) prune(ctx context.Context, e *engine.Engine, r engine.Pruning, unarchived, dry, yes bool) error {
	plan, err := e.Prune(ctx, r, unarchived, true)
	if err != nil {
		return err
	}
	if dry && c.json {
		return printJSON(plan)
	}
	if !c.json || !yes {
		tellPruned(plan, "would go")
	}
	if dry || len(plan.Jobs) == 0 {
		return nil
	}
	if !yes && !agreed(fmt.Sprintf("Remove %d records for good?", len(plan.Jobs))) {
		return job.WithHint(fmt.Errorf("%w: nobody agreed, so nothing was removed", job.ErrInvalid), "Agree beforehand with --yes.")
	}
	done, err := e.Prune(ctx, r, unarchived, false)
	if c.json {
		if printed := printJSON(done); err == nil {
			err = printed
		}
	} else {
		fmt.Fprintf(os.Stderr, "vmo: %d records are gone, %s\n", len(done.Jobs), size(done.Bytes))
	}
	return err
}

func tellPruned(p engine.Pruned, verb string) {
	span := ""
	if len(p.Jobs) > 0 {
		const day = "2006-01-02 15:04"
		span = fmt.Sprintf(", of %s to %s,", p.Oldest.Local().Format(day), p.Newest.Local().Format(day))
	}
	fmt.Fprintf(os.Stderr, "vmo: %d records, %s%s %s; %d stay, %s\n", len(p.Jobs), size(p.Bytes), span, verb, p.Kept, size(p.KeptBytes))
	for _, kept := range []struct {
		n   int
		why string
	}{
		{p.Pinned, "they are pinned"}, {p.Unarchived, "they are not in the database; --unarchived removes them all the same"},
		{p.Unreadable, "they cannot be read; look at them with vmo verify --all"},
	} {
		if kept.n > 0 {
			fmt.Fprintf(os.Stderr, "     %d of those stay because %s\n", kept.n, kept.why)
		}
	}
}

// agreed asks at the terminal. Without one nobody agrees.
func agreed(question string) bool {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return false
	}
	fmt.Fprint(os.Stderr, question+" [y/N] ")
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return err == nil && (answer == "y" || answer == "yes")
}

func (c *cli) pinCommand() *cobra.Command {
	var why string
	cmd := c.reading("pin", "Keep the record of a job when others are pruned", func(ctx context.Context, e *engine.Engine, j job.Job) error {
		return e.Pin(ctx, j.ID, why)
	})
	cmd.Flags().StringVar(&why, "why", "", "the `REASON`, for those who look for it")
	cmd.Long = "Keep the record of a job when others are pruned, here and in the database. The ledger\nkeeps who pinned it and why."
	return cmd
}

func (c *cli) unpinCommand() *cobra.Command {
	return c.reading("unpin", "Let the record of a job go when its time comes", func(ctx context.Context, e *engine.Engine, j job.Job) error {
		return e.Unpin(ctx, j.ID)
	})
}
