package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) auditCommand() *cobra.Command {
	var which filterFlags
	var archive bool
	limit := 50
	cmd := &cobra.Command{
		Use: "audit", Short: "List everything that was done, newest first: who touched a host?", Args: cobra.NoArgs,
		Long: wrapped(`List everything that was done on this machine, newest first: jobs, host keys that were accepted, connections that no
job needed or that ended what a lost one had left, notes, labels and pins, settings that matter, and records that were removed, emptied or imported. With
--archive it is what everybody did, as the team's database has it, and what its owner removed there.`) + `

` + wrapped(`It comes from the list of jobs and from the signed ledger, which vmo verify checks. Records that were removed in one
go are one line.`) + `

` + inJSON(engine.Act{}),
		Example: "  vmo audit --archive --host web-2 --since 24h\n  vmo audit --operator anna --since 7d",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return fmt.Errorf("%w: --limit %d lists nothing", job.ErrInvalid, limit)
			}
			return c.withFilter(cmd.Context(), &which, func(e *engine.Engine, f job.Filter) error {
				list := e.Acts
				if archive {
					list = e.TeamActs
				}
				acts, more, err := list(cmd.Context(), f, limit)
				if err != nil {
					return err
				}
				return c.printActs(acts, more)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&which.hosts, "host", nil, "only on this `HOST`; local is this machine")
	which.addWho(cmd)
	flags.IntVarP(&limit, "limit", "n", limit, "`N` at most, or a few more of the same moment")
	flags.BoolVar(&archive, "archive", false, "what everybody did, as the team's database has it")
	return cmd
}

func (c *cli) printActs(acts []engine.Act, more bool) error {
	if c.json {
		for _, a := range acts {
			if err := printJSON(a); err != nil {
				return err
			}
		}
	} else if len(acts) == 0 {
		fmt.Fprintln(os.Stderr, "Nothing was done, or nothing that the filters mean.")
	} else {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "WHEN\tWHO\tHOST\tWHAT\tJOB\t")
		for _, a := range acts {
			id := "-"
			if a.Job != "" {
				id = string(a.Job)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", a.At.Local().Format("2006-01-02 15:04:05"), whose(a.By, a.Login),
				visible(hostName(job.Job{Host: a.Host})), visible(did(a)), visible(id), visible(shortened(strings.ReplaceAll(a.Text, "\n", " "), 80)))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if more {
		fmt.Fprintln(os.Stderr, "There is more: --until "+acts[len(acts)-1].At.UTC().Format(time.RFC3339Nano))
	}
	return nil
}

// did is what an act was, in a word or two.
func did(a engine.Act) string {
	switch {
	case a.What == "job":
		return "job, " + string(a.State)
	case a.Count > 1:
		return fmt.Sprintf("%s × %d", a.What, a.Count)
	}
	return a.What
}

func shortened(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}
