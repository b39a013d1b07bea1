package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Exit codes of vmo verify, besides those of exit.go.
const (
	exitTampered   = 1
	exitCannotTell = 2
)

func (c *cli) verifyCommand() *cobra.Command {
	var all, archive bool
	cmd := &cobra.Command{
		Use: "verify [JOB...]", Short: "Prove that records are what they were",
		Long: `Hash every byte of records again and compare them with the ledger, the signed list
of what was begun, sealed and removed on this machine. What was edited, removed,
moved, cut off or never sealed is named. With --archive it is what the database has
of everybody's machines that is verified, against what this machine remembers.

Without jobs, or with --all, every record is verified. Exit code 0: intact; 1: something
was tampered with; 2: it cannot be told, for example because nothing was signed.

What this proves and what it does not is in docs/proof.md.

` + inJSON(engine.Verdict{}) + "\nThe result is intact, tampered or unknown; the ledger's verdict has no job.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return fmt.Errorf("%w: --all and jobs exclude each other", job.ErrInvalid)
			}
			return c.with(cmd.Context(), func(e *engine.Engine) error { return c.verify(cmd.Context(), e, args, archive) })
		},
	}
	cmd.Flags().BoolVar(&archive, "archive", false, "what the archive has, of everybody's machines")
	cmd.Flags().BoolVar(&all, "all", false, "every record, as without jobs")
	return cmd
}

func (c *cli) verify(ctx context.Context, e *engine.Engine, names []string, archive bool) error {
	var jobs []job.ID
	for _, name := range names {
		r, err := c.find(ctx, e, name, archive)
		if err != nil {
			return err
		}
		jobs = append(jobs, r.ID)
	}
	check := e.Verify
	if archive {
		check = e.VerifyArchive
	}
	tally := map[string]int{}
	worst := engine.Intact
	err := check(ctx, jobs, func(v engine.Verdict) error {
		if v.Result == engine.Tampered || v.Result == engine.Unknown && worst == engine.Intact {
			worst = v.Result
		}
		if v.Job != "" {
			tally[string(v.Result)]++
		}
		if c.json {
			return printJSON(v)
		}
		return showVerdict(v, len(jobs) > 0)
	})
	if err != nil {
		return err
	}
	if !c.json {
		fmt.Fprintf(os.Stderr, "vmo: %d intact, %d tampered with, %d unknown\n", tally["intact"], tally["tampered"], tally["unknown"])
	}
	switch worst {
	case engine.Tampered:
		return exitCode(exitTampered)
	case engine.Unknown:
		return exitCode(exitCannotTell)
	}
	return nil
}

// showVerdict prints what an operator has to know: every job that was named, of
// all others those with which something is wrong.
func showVerdict(v engine.Verdict, named bool) error {
	what := "ledger"
	if v.Job != "" {
		what = string(v.Job)
	}
	if v.Result == engine.Intact && !named && v.Job != "" {
		return nil
	}
	note := ""
	if v.Job != "" {
		note = fmt.Sprintf("  %s, %d blocks, %s", v.State, v.Blocks, size(v.Bytes))
	}
	if _, err := fmt.Printf("%-8s  %s%s\n", v.Result, what, note); err != nil {
		return err
	}
	for _, f := range v.Findings {
		if _, err := fmt.Println("          " + visible(f)); err != nil {
			return err
		}
	}
	return nil
}
