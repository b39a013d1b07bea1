package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func formatNames() []string {
	var names []string
	for _, f := range engine.Formats() {
		names = append(names, string(f))
	}
	return names
}

func (c *cli) exportCommand() *cobra.Command {
	var format, file string
	var force bool
	cmd := c.reviewing("export", "Write the record of a job to a file, for others", func(ctx context.Context, e *engine.Engine, j record) error {
		write := func(w io.Writer) error {
			if j.archive {
				return e.ExportTeam(ctx, j.Job, engine.Format(format), w)
			}
			return e.Export(ctx, j.ID, engine.Format(format), w)
		}
		if file == "" || file == "-" {
			if format == string(engine.Bundle) && term.IsTerminal(int(os.Stdout.Fd())) {
				return job.WithHint(fmt.Errorf("%w: a record is no text", job.ErrInvalid), "Give it a file with -o, or another --format.")
			}
			return write(os.Stdout)
		}
		return writeWhole(file, force, write)
	})
	cmd.Long = `Write the record of a job:

  text    the output without colours and other escape sequences
  ansi    the output, byte for byte
  html    a page that needs nothing else and connects to nothing, with times, colours
          and a player for logs. Of a terminal it has the text, not where the cursor
          went
  cast    asciicast v2: asciinema play FILE
  json    {"job": …}, then a line for each piece of output, see vmo help json
  record  the record itself: vmo import takes it into another journal, verified

With --archive it is anybody's job, as the database has it. As a record that is
written only if it is complete and proven: what vmo import would refuse is refused here.

Without -o it is printed. A file is there whole or not at all, and one that exists
is replaced only with --force.

All but record may be of a job that runs: up to now. It ends with 125 if part of the
record is damaged; everything else is written to the standard output then, and to no
file.`
	cmd.Example = "  vmo export @1 --format html -o deploy.html\n  vmo export @1 --format record -o deploy.vmo"
	flags := cmd.Flags()
	flags.StringVarP(&format, "format", "f", "text", "`FORMAT`: "+strings.Join(formatNames(), ", "))
	flags.StringVarP(&file, "output", "o", "", "`FILE` to write; - is standard output")
	flags.BoolVar(&force, "force", false, "replace the file if there is one")
	_ = cmd.RegisterFlagCompletionFunc("format", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return formatNames(), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// writeWhole writes a file that is there whole or not at all.
func writeWhole(path string, force bool, write func(io.Writer) error) error {
	exists := job.WithHint(fmt.Errorf("write %s: %w: it is there already", path, job.ErrInvalid), "Choose another name, or replace it with --force.")
	if _, err := os.Lstat(path); err == nil && !force {
		return exists
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if !force {
		if err := os.Link(f.Name(), path); err == nil {
			return nil
		} else if errors.Is(err, os.ErrExist) {
			return exists
		}
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func (c *cli) importCommand() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE…", Short: "Take in records that were exported elsewhere", Args: cobra.MinimumNArgs(1),
		Long: `Take records into this journal that vmo export --format record wrote; - is standard
input. Each is verified first: its chain, and that it is what the ledger of its
installation sealed. It is marked as imported, so that nobody takes it for a run of
this machine: origin in JSON is the installation it came from. A job that is here
already is left as it is if it is the same, and refused if not.

In JSON a line is a job, see vmo help json.`,
		RunE: func(cmd *cobra.Command, files []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), append(endings, os.Interrupt)...)
			defer stop()
			err := c.with(ctx, func(e *engine.Engine) error {
				for _, file := range files {
					j, err := importFile(ctx, e, file)
					if err != nil {
						return err
					}
					if c.json {
						err = printJSON(j)
					} else {
						_, err = fmt.Printf("%s\t%s\n", j.ID, visible(what(j)))
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			if ctx.Err() != nil {
				return exitCode(exitInterrupted)
			}
			return err
		},
	}
}

func importFile(ctx context.Context, e *engine.Engine, file string) (job.Job, error) {
	if file == "-" {
		return e.Import(ctx, os.Stdin)
	}
	f, err := os.Open(file)
	if err != nil {
		return job.Job{}, fmt.Errorf("%w: %w", job.ErrInvalid, err)
	}
	defer f.Close()
	j, err := e.Import(ctx, f)
	if err != nil {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return j, err
}
