package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// teamJobs lists the jobs of the archive.
func (c *cli) teamJobs(ctx context.Context, e *engine.Engine, f job.Filter, before string, limit int, count bool) error {
	if count {
		return c.printCounts(e.TeamCount(ctx, f))
	}
	return page[engine.TeamJob]{
		find: func(name string) (job.ID, error) { j, err := e.TeamFind(ctx, name); return j.ID, err },
		list: func(last job.ID, n int) ([]engine.TeamJob, error) { return e.TeamJobs(ctx, f, last, n) },
		show: printTeam,
		id:   func(j engine.TeamJob) job.ID { return j.ID },
	}.print(c.json, before, limit)
}

func printTeam(jobs []engine.TeamJob) error {
	if len(jobs) == 0 {
		fmt.Fprintln(os.Stderr, "No such jobs in the archive.")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	marked := slices.ContainsFunc(jobs, func(j engine.TeamJob) bool { return hasMarks(j.Job) })
	column := func(text string) string { // only where there is something to tell
		if !marked {
			return ""
		}
		return text + "\t"
	}
	fmt.Fprintf(w, "ID\tWHO\tHOST\tSTATE\tSTARTED\tTOOK\tOUTPUT\t%sWHAT\n", column("MARKS"))
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
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s%s\n", j.ID, visible(j.Operator), visible(hostName(j.Job)), visible(state),
			ago(started, now), took, output, column(marks(j.Marks)), visible(what(j.Job)))
	}
	return w.Flush()
}
