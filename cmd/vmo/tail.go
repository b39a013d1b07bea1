package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
)

func (c *cli) tailCommand() *cobra.Command {
	var at place
	tail := engine.Tail{Lines: 10}
	cmd := &cobra.Command{
		Use: "tail [flags] SOURCE", Short: "Follow a log on a host, and record it", Args: cobra.MinimumNArgs(1),
		Long: `Follow a log until Ctrl-C, here or on a host. A source is one of

  docker:NAME      a container of docker or podman, by name; with sudo -n if need be
  compose:SERVICE  a service of a compose project (--dir: the folder of the project)
  journal:UNIT     a systemd unit
  file:PATH        a file, also when it is rotated or truncated
  cmd:COMMAND      whatever a shell command prints

When the connection drops it is made again, and the log goes on where it stopped,
without a lost or doubled line as long as the source still has them. Where a
container was recreated or a file rotated, the record says so.

vmo hosts sources HOST lists what a host really has.`,
		Example: "  vmo tail --on web1 docker:api\n  vmo tail --on web1,web2 journal:nginx --since 1h\n  vmo tail file:/var/log/syslog --lines 100",
		RunE: func(cmd *cobra.Command, args []string) error {
			tail.Source = strings.Join(args, " ") // cmd:tail -n 5 x needs no quotes
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				if tail.Dir = at.there; at.dir != "" {
					dir, err := filepath.Abs(at.dir)
					if err != nil {
						return err
					}
					tail.Dir = dir
				}
				spec, err := engine.TailSpec(tail)
				if err != nil {
					return err
				}
				request, err := at.launch(e, spec)
				if err != nil {
					return err
				}
				return c.launch(e, request)
			})
		},
	}
	at.folder(cmd)
	cmd.Flags().StringVar(&tail.Since, "since", "", "from then on: a `TIME`, or how long ago, such as 10m or 2h; not of a file or a command, whose lines have no times")
	cmd.Flags().IntVarP(&tail.Lines, "lines", "n", tail.Lines, "`N` of the last lines to begin with; -1: all")
	return cmd
}
