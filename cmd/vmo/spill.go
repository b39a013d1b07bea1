package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) spillCommand() *cobra.Command {
	var lines, why, url string
	var archive bool
	cmd := &cobra.Command{
		Use: "spill JOB --lines FIRST-LAST --why TEXT", Short: "Remove lines that must not stay, such as a secret", Args: cobra.ExactArgs(1),
		Long: `Remove lines of the output of an ended job for good: a password that was printed.
Lines are counted from 1, as vmo search and the window do. Whole blocks of about
64 KiB are emptied, so lines around them go too. That something was removed, by
whom and why, stays in the record and in the ledger, and the rest still verifies.

It is removed from this machine. With --archive it is removed from the database
instead, which only its owner may; backups and exported copies are up to you.

` + inJSON(engine.Spilled{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			first, last, err := lineRange(lines)
			if err != nil {
				return err
			}
			if strings.TrimSpace(why) == "" {
				return fmt.Errorf("%w: say why, with --why", job.ErrInvalid)
			}
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				return c.spill(cmd.Context(), e, args[0], first, last, why, archive || url != "", url)
			})
		},
	}
	cmd.Flags().StringVar(&lines, "lines", "", "which `LINES`, such as 120-131")
	cmd.Flags().StringVar(&why, "why", "", "the `REASON`, for those who find the hole")
	cmd.Flags().BoolVar(&archive, "archive", false, "from the database, not from this machine")
	cmd.Flags().StringVar(&url, "url", "", "with --archive: `URL` with the login of the archive's owner; no password in it")
	return cmd
}

func (c *cli) spill(ctx context.Context, e *engine.Engine, name string, first, last uint64, why string, archive bool, url string) error {
	r, err := c.find(ctx, e, name, archive)
	if err != nil {
		return err
	}
	var done engine.Spilled
	if archive {
		done, err = e.SpillArchive(ctx, r.ID, first, last, why, url)
	} else {
		done, err = e.Spill(ctx, r.ID, first, last, why)
	}
	if err != nil {
		return err
	}
	if c.json {
		return printJSON(done)
	}
	fmt.Fprintf(os.Stderr, "vmo: %s of output in blocks %d to %d are gone\n", size(done.Bytes), done.First, done.Last)
	return nil
}

// lineRange reads 7 or 7-12.
func lineRange(text string) (first, last uint64, err error) {
	from, to, both := strings.Cut(text, "-")
	if !both {
		to = from
	}
	first, err1 := strconv.ParseUint(from, 10, 64)
	last, err2 := strconv.ParseUint(to, 10, 64)
	if err1 != nil || err2 != nil || first < 1 || last < first {
		return 0, 0, job.WithHint(fmt.Errorf("--lines: %w: %q is not a range of lines", job.ErrInvalid, text), "Say for example --lines 120-131.")
	}
	return first, last, nil
}
