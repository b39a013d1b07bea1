package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
)

func (c *cli) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check what vmo needs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			checks := engine.Examine(cmd.Context(), engine.Config{DataDir: c.dataDir})
			checks = append([]engine.Check{{Name: "vmo", OK: true, Found: version}}, checks...)
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
				fmt.Fprintf(w, "%s\t%s\t%s\n", mark, check.Name, visible(check.Found))
				if !check.OK && check.Next != "" {
					fmt.Fprintf(w, "\t\t%s\n", visible(check.Next))
				}
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if failed {
				return exitCode(1)
			}
			return nil
		},
	}
}
