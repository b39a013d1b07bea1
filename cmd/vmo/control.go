package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// cancelLimit is how long cancel waits for the end of a job: two graces of its
// owner, the chase after what it left, and something for a slow machine.
const cancelLimit = 30 * time.Second

func (c *cli) cancelCommand() *cobra.Command {
	var force bool
	cmd := c.reading("cancel", "Stop a job, from any process", func(ctx context.Context, e *engine.Engine, j job.Job) error {
		if j.State == job.Lost && j.Host != "" {
			return c.endLeft(ctx, e, j, force)
		}
		if err := e.Cancel(ctx, j.ID, force); err != nil {
			if errors.Is(err, job.ErrFinished) {
				return job.WithHint(fmt.Errorf("job %s has already ended: %s", j.ID, j.State), "See what it did with: vmo show "+string(j.ID))
			}
			return err
		}
		ctx, stop := context.WithTimeoutCause(ctx, cancelLimit, fmt.Errorf("job %s was told to stop %v ago and has not ended", j.ID, cancelLimit))
		defer stop()
		ended, err := e.Wait(ctx, j.ID)
		if err != nil {
			return job.WithHint(err, "Kill it with: vmo cancel --force "+string(j.ID))
		}
		if c.json {
			return printJSON(ended)
		}
		fmt.Println(ended.ID, ended.State)
		for _, s := range ended.Survivors {
			fmt.Fprintf(os.Stderr, "vmo: process %d (%s): %s\n", s.PID, visible(s.Command), visible(s.Why))
		}
		return nil
	})
	cmd.Long = `Stop a job of this or any other process: interrupt, terminate after 5 s, kill after
5 s more, with everything it started. It waits for the end and prints how it was; what
could not be ended is named. Of a lost job it ends what is left on its host.

In JSON it is the job, see vmo help json; of a lost job: found, host, id, left.`
	cmd.Flags().BoolVarP(&force, "force", "f", false, "kill at once")
	return cmd
}

// endLeft ends what a lost job has left on its host.
func (c *cli) endLeft(ctx context.Context, e *engine.Engine, j job.Job, force bool) error {
	found, left, err := e.EndLeft(ctx, j, force)
	if err != nil {
		return err
	}
	if c.json {
		return printJSON(map[string]any{"id": j.ID, "host": j.Host, "found": found, "left": left})
	}
	fmt.Printf("%s lost; %d of its processes were found on %s, %d are left\n", j.ID, found, visible(j.Host), len(left))
	for _, s := range left {
		fmt.Fprintf(os.Stderr, "vmo: process %d (%s): %s\n", s.PID, visible(s.Command), visible(s.Why))
	}
	if len(left) > 0 {
		return exitCode(1)
	}
	return nil
}

func (c *cli) unrecordedCommand() *cobra.Command {
	cmd := c.reading("unrecorded", "Let a job that waits for a full disk go on without being recorded", func(ctx context.Context, e *engine.Engine, j job.Job) error {
		return e.Unrecorded(ctx, j.ID)
	})
	cmd.Long = "When the disk of the journal is full, the output of a job waits, and so does the job,\nuntil there is space. This lets it go on; what it prints until there is space again is\nlost, and the record says how much."
	return cmd
}

func (c *cli) reindexCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reindex", Short: "Make the list of jobs anew from their records", Args: cobra.NoArgs,
		Long: "Make the list of jobs anew from their records, and name records that cannot be read.\n\n" + inJSON(map[string]int{"jobs": 0, "unreadable": 0}),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				found, err := e.Reindex(cmd.Context())
				if err != nil {
					return err
				}
				for _, problem := range found.Problems {
					complain(problem)
				}
				if c.json {
					return printJSON(map[string]int{"jobs": found.Jobs, "unreadable": len(found.Problems)})
				}
				_, err = fmt.Printf("%d jobs\n", found.Jobs)
				return err
			})
		},
	}
}

func (c *cli) compactCommand() *cobra.Command {
	return &cobra.Command{
		Use: "compact", Short: "Compress the records of ended jobs", Args: cobra.NoArgs,
		Long: "Compress the records of ended jobs. Small ones are compressed when they end, large\nones by the window while nothing runs; this does what is left.\n\n" + inJSON(engine.Compacted{}) + " Sizes are in bytes.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				done, err := e.Compact(cmd.Context())
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(done)
				}
				_, err = fmt.Printf("%d records, %s → %s\n", done.Jobs, size(done.Before), size(done.After))
				return err
			})
		},
	}
}
