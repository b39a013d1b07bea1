package main

import (
	"bufio"
	"context"
	"errors"
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

func (c *cli) shipCommand() *cobra.Command {
	var once, watch bool
	cmd := &cobra.Command{
		Use: "ship --once|--watch", Short: "Copy records into the archive", Args: cobra.NoArgs,
		Long: `Copy what this machine recorded into the archive. The window does it while it is
open, and vmo while it runs a job; one process at a time does. The exit code is 1 if
jobs are left.

` + inJSON(engine.ShipReport{}) + "\nOf --watch a line is how it stands, whenever that changes.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if once == watch {
				return fmt.Errorf("%w: give either --once or --watch", job.ErrInvalid)
			}
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				if err := askHistory(cmd.Context(), e); err != nil {
					return err
				}
				if watch {
					return c.shipWatch(cmd.Context(), e)
				}
				return c.shipOnce(cmd.Context(), e)
			})
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "copy what there is, then end")
	cmd.Flags().BoolVar(&watch, "watch", false, "copy what there is and what comes, until Ctrl-C")
	return cmd
}

// askHistory asks, on a terminal, what has to be said once for each database.
func askHistory(_ context.Context, e *engine.Engine) error {
	status := e.Archive()
	if status.State != engine.ArchiveAsks || !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	fmt.Fprintf(os.Stderr, "%s is new here. What is there is there for the team.\nWhich jobs of this machine go there: all, none before now, or those of the last days, such as 30d? ", visible(status.Server))
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	from, err := historyFrom(strings.TrimSpace(line), time.Now())
	if err != nil {
		return err
	}
	return e.ChooseHistory(from)
}

func (c *cli) shipOnce(ctx context.Context, e *engine.Engine) error {
	report, err := e.ShipOnce(ctx)
	if c.json {
		return errors.Join(printJSON(report), err)
	}
	if err != nil && report.Blocks+report.Entries == 0 {
		return err
	}
	fmt.Fprintf(os.Stderr, "vmo: %d jobs complete, %s in %d blocks copied; %d jobs left\n", report.Jobs, size(report.Bytes), report.Blocks, report.Left)
	for _, f := range append(report.Quarantined, report.SetAside...) {
		complain(job.WithHint(fmt.Errorf("job %s: %s", f.Job, f.Error), f.Hint))
	}
	if err == nil && report.Left+len(report.Quarantined)+len(report.SetAside) > 0 {
		return exitCode(1)
	}
	return err
}

// shipWatch copies until it is interrupted, and says how it stands when that
// changes.
func (c *cli) shipWatch(ctx context.Context, e *engine.Engine) error {
	ctx, stop := signal.NotifyContext(ctx, append(endings, os.Interrupt)...)
	defer stop()
	e.Ship()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := ""
	for {
		s := e.Archive()
		if line := archiveLine(s); line != last {
			last = line
			if c.json {
				if err := printJSON(s); err != nil {
					return err
				}
			} else if _, err := fmt.Println(line); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
