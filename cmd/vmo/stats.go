package main

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) statsCommand() *cobra.Command {
	var which filterFlags
	last := 100
	cmd := &cobra.Command{
		Use: "stats", Short: "Tell how often targets succeed, and how long they take", Args: cobra.NoArgs,
		Long: wrapped(`Tell how the last runs of each target on each host went, by the list of jobs of this machine; the one that ran
last comes first. OK is the share that succeeded, of those that ended by themselves or by their timeout: what was
cancelled or lost is counted apart, because nobody knows how it would have ended. HALF and MOST are how long those
that succeeded took: half of them, and 95 of 100, no longer than that. Commands that are no target, and logs, are
left out.`) + `

` + inJSON(engine.Stat{}),
		Example: "  vmo stats --target deploy --since 30d\n  vmo stats --host web1 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if last < 1 {
				return fmt.Errorf("%w: --last %d is no run", job.ErrInvalid, last)
			}
			return c.withFilter(cmd.Context(), &which, func(e *engine.Engine, f job.Filter) error {
				list, err := e.Stats(cmd.Context(), f, last)
				if err != nil {
					return err
				}
				return c.printStats(list)
			})
		},
	}
	which.add(cmd)
	cmd.Flags().IntVar(&last, "last", last, "look at the last `N` runs of each target on each host")
	return cmd
}

func (c *cli) printStats(list []engine.Stat) error {
	if c.json {
		for _, s := range list {
			if err := printJSON(s); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) == 0 {
		fmt.Fprintln(os.Stderr, "No target has run, or none that the filters mean.")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TARGET\tHOST\tRUNS\tOK\tHALF\tMOST\tFAILED\tTIMED OUT\tCANCELLED\tLOST\tLAST")
	now := time.Now()
	took := func(ms *int64) string {
		if ms == nil {
			return "-"
		}
		return length(time.Duration(*ms) * time.Millisecond)
	}
	for _, s := range list {
		name, ok := s.Target, "-"
		if s.Project != "" {
			name = s.Project + ": " + name
		}
		if s.Rate != nil {
			ok = fmt.Sprintf("%.0f %%", *s.Rate*100)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\n", visible(name), visible(hostName(job.Job{Host: s.Host})), s.Runs, ok, took(s.P50), took(s.P95),
			s.Failed, s.TimedOut, s.Cancelled, s.Lost, ago(s.Newest, now))
	}
	return w.Flush()
}
