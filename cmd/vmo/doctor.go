package main

import (
	"fmt"
	"os"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
)

func (c *cli) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor [HOST]", Short: "Check what vmo needs, or how a host would be reached", Args: cobra.MaximumNArgs(1),
		Long: `Check what vmo needs: its programs, the agent, the keychain, the journal and where
it lies, the signing key, the database. What is necessary and missing ends it with
125; a note costs only part of the program.

With a host: how it resolves, through which others, what makes the connection and
with which options. Nothing is connected to; this may run what the configuration
says with Match exec, as ssh does.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			config := engine.Config{DataDir: c.dataDir, SSHConfig: c.sshConfig, Prompts: sync.OnceValue(terminalPrompts)}
			if len(args) == 0 {
				return c.printChecks(engine.Examine(cmd.Context(), config, engine.Program{Name: "vmo", Version: version}))
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
