package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) dbRetentionCommand() *cobra.Command {
	var older, bytes, why, url string
	var keep int
	var do bool
	cmd := &cobra.Command{
		Use: "retention [--older AGE] [--keep N] [--max-bytes N] [--do]", Short: "Remove old output from the archive", Args: cobra.NoArgs,
		Long: `Tell which output would be removed from the archive, and with --do remove it: that of
jobs older than an age, and of the oldest until no more than so many jobs, or bytes,
have any. Pinned jobs and those that have not ended stay. What a job was, how it ended
and the ledgers stay too, with a note of who removed its output, when and why.

Only a member of vmo_owner may.

` + inJSON(engine.Retired{}),
		Example: "  vmo db retention --older 365d\n  vmo db retention --max-bytes 200GB --do --why 'the disk is 300 GB'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := engine.Retention{Jobs: keep, Why: why}
			var err error
			if r.Before, err = moment("--older", older, time.Now()); err != nil {
				return err
			}
			if r.Bytes, err = byteCount(bytes); err != nil {
				return err
			}
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				done, err := e.RetireArchive(cmd.Context(), r, !do, url)
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(done)
				}
				verb := "would go; --do removes it"
				if do {
					verb = "is gone"
				}
				fmt.Fprintf(os.Stderr, "vmo: the output of %d jobs, %s as stored, %s; %d jobs keep theirs, %d of them because they are pinned\n",
					len(done.Jobs), size(done.Bytes), verb, done.Kept, done.Pinned)
				return nil
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&older, "older", "", "that of jobs begun before: `AGE` is how long ago, such as 90d, or a time")
	flags.IntVar(&keep, "keep", 0, "that of the oldest, until `N` jobs have any")
	flags.StringVar(&bytes, "max-bytes", "", "that of the oldest, until no more than this `SIZE` is stored, such as 20GB")
	flags.BoolVar(&do, "do", false, "remove it; without, only tell")
	flags.StringVar(&why, "why", "", "the `REASON`, for those who look for it")
	flags.StringVar(&url, "url", "", "`URL` with the login of the archive's owner; no password in it")
	return cmd
}

// byteCount reads 1000, 20MB, 1.5GB or 512MiB; empty is 0.
func byteCount(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	number := strings.TrimRight(text, "kKMGTiB ")
	factor, known := map[string]float64{
		"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	}[strings.TrimSpace(text[len(number):])]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !known || n < 0 {
		return 0, job.WithHint(fmt.Errorf("%w: %q is not a number of bytes", job.ErrInvalid, text), "Say for example 20GB or 512MiB.")
	}
	return uint64(n * factor), nil
}
