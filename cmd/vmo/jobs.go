package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) jobsCommand() *cobra.Command {
	var which filterFlags
	var before string
	var count, archive bool
	limit := 10
	cmd := &cobra.Command{
		Use: "jobs", Short: "List jobs, newest first", Args: cobra.NoArgs,
		Long: `List jobs, newest first: all, or those that the filters mean. Several values of
one filter, separated by commas, widen it; several filters narrow it. A TIME is a time
(2026-11-23, 2026-11-23 15:04) or how long ago it was (2h, 90d). When there are more,
the standard error tells the --before of the next page.

In JSON a line is a job, see vmo help json; with --archive it has also
` + fieldsOf(engine.TeamJob{}, job.Job{}) + `.
With --count it is one object, its fields the states that have any.`,
		Example: "  vmo jobs --host web1,web2 --state failed --since 2h\n  vmo jobs --text 'deploy staging' --count",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return fmt.Errorf("%w: --limit %d lists nothing", job.ErrInvalid, limit)
			}
			return c.withFilter(cmd.Context(), &which, func(e *engine.Engine, f job.Filter) error {
				if archive {
					return c.teamJobs(cmd.Context(), e, f, before, limit, count)
				}
				if count {
					return c.printCounts(e.Count(cmd.Context(), f))
				}
				return c.listJobs(cmd.Context(), e, f, before, limit)
			})
		},
	}
	which.add(cmd)
	which.addStates(cmd)
	cmd.Flags().StringVar(&which.f.Text, "text", "", "only those with this `TEXT` in their command, target, project, log or host; upper and lower case are the same")
	cmd.Flags().StringVar(&before, "before", "", "only those older than this `JOB`: the next page")
	cmd.Flags().IntVarP(&limit, "limit", "n", limit, "at most `N`")
	cmd.Flags().BoolVar(&archive, "archive", false, "everybody's jobs, as the team's database has them, with who ran each")
	cmd.Flags().BoolVar(&count, "count", false, "only how many there are in each state")
	return cmd
}

func (c *cli) listJobs(ctx context.Context, e *engine.Engine, f job.Filter, before string, limit int) error {
	return page[job.Job]{
		find: func(name string) (job.ID, error) { j, err := e.Find(ctx, name); return j.ID, err },
		list: func(last job.ID, n int) ([]job.Job, error) { return e.Jobs(ctx, f, last, n) },
		show: func(jobs []job.Job) error { return printJobs(ctx, e, jobs, before == "" && f.All()) },
		id:   func(j job.Job) job.ID { return j.ID },
	}.print(c.json, before, limit)
}

// page is one page of a history, whosever jobs are in it.
type page[J any] struct {
	find func(name string) (job.ID, error)
	list func(last job.ID, n int) ([]J, error)
	show func([]J) error // for people
	id   func(J) job.ID
}

// print shows what is older than a job, if one is named, and says how to see more.
func (p page[J]) print(asJSON bool, before string, limit int) error {
	var last job.ID
	if before != "" {
		var err error
		if last, err = p.find(before); err != nil {
			return fmt.Errorf("--before: %w", err)
		}
	}
	jobs, err := p.list(last, limit+1) // one more, to know whether there are
	if err != nil {
		return err
	}
	shown := jobs[:min(limit, len(jobs))]
	if asJSON {
		for _, j := range shown {
			if err := printJSON(j); err != nil {
				return err
			}
		}
		return nil
	}
	if err := p.show(shown); err != nil {
		return err
	}
	if len(jobs) > limit {
		fmt.Fprintln(os.Stderr, "There are more: --before "+string(p.id(shown[limit-1])))
	}
	return nil
}

func (c *cli) printCounts(counts engine.Counts, err error) error {
	if err != nil || c.json {
		if err == nil {
			err = printJSON(counts)
		}
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, s := range job.States {
		if counts[s] > 0 {
			fmt.Fprintf(w, "%d\t %s\n", counts[s], s)
		}
	}
	fmt.Fprintf(w, "%d\t in all\n", counts.All())
	return w.Flush()
}

// printJobs prints a table. Jobs of the unfiltered list from its beginning have
// their number in it.
func printJobs(ctx context.Context, e *engine.Engine, jobs []job.Job, numbered bool) error {
	if len(jobs) == 0 {
		if numbered {
			fmt.Fprintln(os.Stderr, "No jobs yet. Run something with: vmo exec -- echo hello")
		} else {
			fmt.Fprintln(os.Stderr, "No such jobs.")
		}
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	elsewhere := slices.ContainsFunc(jobs, func(j job.Job) bool { return j.Host != "" })
	marked := slices.ContainsFunc(jobs, hasMarks)
	column := func(wanted bool, text string) string { // host: a column only for those who have hosts
		if !wanted {
			return ""
		}
		return text + "\t"
	}
	fmt.Fprintf(w, "%sID\t%sSTATE\tEXIT\tSTARTED\tTOOK\tOUTPUT\t%sWHAT\n", column(numbered, ""), column(elsewhere, "HOST"), column(marked, "MARKS"))
	now := time.Now()
	for i, j := range jobs {
		id, err := e.Short(ctx, j.ID)
		if err != nil {
			return err
		}
		exit, took, started := "-", "-", j.QueuedAt
		switch {
		case j.Signal != "":
			exit = j.Signal
		case j.ExitCode != nil:
			exit = fmt.Sprint(*j.ExitCode)
		}
		if j.StartedAt != nil {
			started, took = *j.StartedAt, length(j.Duration(now))
		}
		state := string(j.State)
		if j.Stalled != "" {
			state += " (waits: " + j.Stalled + ")"
		}
		fmt.Fprintf(w, "%s%s\t%s%s\t%s\t%s\t%s\t%s\t%s%s\n", column(numbered, fmt.Sprintf("@%d", i+1)), id, column(elsewhere, visible(hostName(j))),
			visible(state), exit, ago(started, now), took, size(j.Bytes), column(marked, marks(j.Marks)), visible(what(j)))
	}
	return w.Flush()
}

// what is the job in a few words.
func what(j job.Job) string {
	text := strings.Join(j.Argv, " ")
	if j.Source != "" && !engine.IsTunnel(j.Source) {
		text = "tail " + j.Source
	}
	if j.Project != "" {
		text = j.Project + ": " + text
	}
	if j.Origin != "" {
		text = "(imported) " + text
	}
	if r := []rune(text); len(r) > 60 {
		text = string(r[:59]) + "…"
	}
	return text
}
