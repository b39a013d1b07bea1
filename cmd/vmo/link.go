package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) linkCommand() *cobra.Command {
	var archive bool
	cmd := &cobra.Command{
		Use: "link JOB[#LINE]", Short: "Print the link of a job, or of a line of its output", Args: cobra.ExactArgs(1),
		Long: `Print the link of a job, or of a line of its output as vmo search and the window
number them. The window opens it: from a browser, a chat, a document. It shows the
record of this machine or, where there is one, of the team's database, and runs
nothing. vmo takes a link wherever it takes a job.

` + inJSON(linkAnswer{}),
		Example: "  vmo link @1\n  vmo link @1#120",
		RunE: func(cmd *cobra.Command, args []string) error {
			name, line, err := atLine(args[0])
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(e *engine.Engine) error { return c.link(cmd.Context(), e, name, line, archive) })
		},
	}
	cmd.Flags().BoolVar(&archive, "archive", false, "anybody's job, as the archive has it")
	return cmd
}

// atLine takes a job and a line of it apart; without a line that is 0.
func atLine(arg string) (name string, line uint64, err error) {
	name, number, numbered := strings.Cut(arg, "#")
	if numbered {
		if line, err = strconv.ParseUint(number, 10, 53); err != nil || line == 0 {
			return "", 0, fmt.Errorf("%w: %q is not the number of a line; the first is 1", job.ErrInvalid, number)
		}
	}
	return name, line, nil
}

type linkAnswer struct {
	Link string `json:"link"`
}

func (c *cli) link(ctx context.Context, e *engine.Engine, name string, line uint64, archive bool) error {
	j, err := c.find(ctx, e, name, archive)
	if err != nil {
		return err
	}
	link := job.Address{Job: j.ID, Line: line}.String()
	if c.json {
		return printJSON(linkAnswer{link})
	}
	fmt.Println(link)
	return nil
}
