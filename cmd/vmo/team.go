package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// teamJobs lists the jobs of the archive.
func (c *cli) teamJobs(ctx context.Context, e *engine.Engine, f job.Filter, before string, limit int, count bool) error {
	if count {
		n, err := e.TeamCount(ctx, f)
		if err != nil {
			return err
		}
		if c.json {
			return printJSON(map[string]int{"all": n})
		}
		_, err = fmt.Println(n, "in all")
		return err
	}
	var last job.ID
	if before != "" {
		j, err := e.TeamFind(ctx, before)
		if err != nil {
			return fmt.Errorf("--before: %w", err)
		}
		last = j.ID
	}
	jobs, err := e.TeamJobs(ctx, f, last, limit+1) // one more, to know whether there are
	if err != nil {
		return err
	}
	shown := jobs[:min(limit, len(jobs))]
	if c.json {
		for _, j := range shown {
			if err := printJSON(j); err != nil {
				return err
			}
		}
	} else if err := printTeam(shown); err != nil {
		return err
	}
	if len(jobs) > limit && !c.json {
		fmt.Fprintln(os.Stderr, "There are more: --before "+string(shown[limit-1].ID))
	}
	return nil
}

func printTeam(jobs []engine.TeamJob) error {
	if len(jobs) == 0 {
		fmt.Fprintln(os.Stderr, "No such jobs in the archive.")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tWHO\tHOST\tSTATE\tSTARTED\tTOOK\tOUTPUT\tWHAT")
	now := time.Now()
	for _, j := range jobs {
		took, started, state := "-", j.QueuedAt, string(j.State)
		if j.StartedAt != nil {
			started, took = *j.StartedAt, length(j.Duration(now))
		}
		if !j.State.Final() && j.Offline {
			state += ", its machine is offline since " + ago(j.OwnerSeen, now)
		}
		output := size(j.Bytes)
		if j.Removed {
			output = "removed"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", j.ID, visible(j.Operator), visible(hostName(j.Job)), visible(state),
			ago(started, now), took, output, visible(what(j.Job)))
	}
	return w.Flush()
}
