package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) doctorCommand() *cobra.Command {
	var bundle string
	cmd := &cobra.Command{
		Use: "doctor [HOST]", Short: "Check what vmo needs, or how a host would be reached", Args: cobra.MaximumNArgs(1),
		Long: `Check what vmo needs: its programs, the agent, the keychain, the journal and where
it lies, the signing key, the settings, the database, and newer releases as far as they are
asked for. Each line says what there is, and PATH and SSH_AUTH_SOCK where it comes from;
it is ok, a note, which costs only part of the program, or FAILED, which ends it with
125. Each look takes no longer than 5 seconds.

With a host: how it resolves, through which others, what makes the connection and
with which options. Nothing is connected to; this may run what the configuration
says with Match exec, as ssh does.

With --bundle a new file that only you may read is written for a bug report, and what is
in it is listed: what was found, counts of the settings, the hosts, which variables are
set. Hosts, addresses, projects, environments and tags have pseudonyms, the same in each
report of this installation; home is ~. There are no users, passwords, names of
databases, values of variables, commands and output in it. Names are found in error
messages where this installation knows them: look at it before you send it, with
tar -xOzf FILE.

` + inJSON(engine.Check{}) + " With --bundle: file, parts.",
		RunE: func(cmd *cobra.Command, args []string) error {
			config := engine.Config{DataDir: c.dataDir, SSHConfig: c.sshConfig, Policy: policy, Prompts: sync.OnceValue(terminalPrompts)}
			program := engine.Program{Name: "vmo", Version: version}
			switch {
			case bundle != "" && len(args) > 0:
				return fmt.Errorf("%w: a report is about this installation, not about a host", job.ErrInvalid)
			case bundle != "":
				report, err := engine.MakeReport(cmd.Context(), config, program)
				if err != nil {
					return err
				}
				return c.writeReport(report, bundle)
			case len(args) == 0:
				return c.printChecks(engine.Examine(cmd.Context(), config, program))
			}
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				checks, err := e.ExamineHost(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return c.printChecks(checks)
			})
		},
	}
	cmd.Flags().StringVar(&bundle, "bundle", "", "write a report for a bug report into this `FILE`, a tar.gz")
	return cmd
}

// writeReport writes a new file, and says what is in it.
func (c *cli) writeReport(report engine.Report, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return job.WithHint(fmt.Errorf("write the report: %w", err), "Name a file that does not exist yet, in a folder that you may write to.")
	}
	if err := errors.Join(report.Write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	if c.json {
		names := []string{}
		for _, part := range report.Parts {
			names = append(names, part.Name)
		}
		return printJSON(map[string]any{"file": path, "parts": names})
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, part := range report.Parts {
		fmt.Fprintf(w, "%s\t%d bytes\t%s\n", part.Name, len(part.Text), part.What)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "Written to %s. Look at it before you send it:\n     tar -xOzf %s\n", visible(path), visible(path))
	return nil
}

// printChecks lists them; the error stands for what is necessary and missing.
func (c *cli) printChecks(checks []engine.Check) error {
	failed := false
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, check := range checks {
		failed = failed || !check.OK && !check.Optional
		if c.json {
			if err := printJSON(check); err != nil {
				return err
			}
			continue
		}
		mark := "ok"
		switch {
		case !check.OK && check.Optional:
			mark = "note"
		case !check.OK:
			mark = "FAILED"
		}
		found := visible(check.Found)
		if check.Origin != "" {
			found += " (" + visible(check.Origin) + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", mark, visible(check.Name), found)
		if !check.OK && check.Next != "" {
			fmt.Fprintf(w, "\t\t%s\n", visible(check.Next))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if failed {
		return exitCode(exitFailed)
	}
	return nil
}
