package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) tunnelCommand() *cobra.Command {
	var local, remote, dynamic []string
	cmd := &cobra.Command{
		Use: "tunnel HOST", Short: "Carry ports and sockets through a host, and record what passes", Args: cobra.ExactArgs(1),
		Long: `Carry ports and sockets through a host until Ctrl-C or vmo cancel. Without flags
these are the LocalForward, RemoteForward and DynamicForward of its configuration.

The output says what listens where, each connection when it is opened and closed,
with how much passed, and what did not work. When the connection to the host is
lost, what listens here stays, and leads there again when there is one.

A port here is for this machine alone, unless an address stands before it (* is
all) or GatewayPorts says otherwise. A port that cannot be opened is named and the
others are opened, unless ExitOnForwardFailure is on. Port 0 takes a free one, and
the output says which.`,
		Example: "  vmo tunnel db1 -L 5432:localhost:5432\n  vmo tunnel bastion -D 1080\n  vmo tunnel web1 -R 8080:localhost:3000\n  vmo tunnel web1 -L ./docker.sock:/var/run/docker.sock",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				var forwards []engine.Forward
				for _, asked := range []struct {
					kind  string
					texts []string
				}{{engine.ForwardLocal, local}, {engine.ForwardRemote, remote}, {engine.ForwardDynamic, dynamic}} {
					for _, text := range asked.texts {
						f, err := engine.ParseForward(asked.kind, text)
						if err != nil {
							return err
						}
						forwards = append(forwards, f)
					}
				}
				if hosts, err := e.SelectHosts(args); err == nil && len(hosts) > 1 {
					return fmt.Errorf("%w: a tunnel leads through one host, and %s names %d", job.ErrInvalid, args[0], len(hosts))
				}
				spec, err := e.TunnelSpec(cmd.Context(), args[0], forwards)
				if err != nil {
					return err
				}
				return c.launch(e, engine.Launch{Spec: spec, Hosts: args})
			})
		},
	}
	cmd.Flags().StringArrayVarP(&local, "local", "L", nil, "listen here: `SPEC` is [BIND:]PORT:HOST:HOSTPORT; either side may be the path of a socket")
	cmd.Flags().StringArrayVarP(&remote, "remote", "R", nil, "listen on the host, and connect from here: `SPEC` is [BIND:]PORT:HOST:HOSTPORT, or [BIND:]PORT for SOCKS")
	cmd.Flags().StringArrayVarP(&dynamic, "dynamic", "D", nil, "listen here as a SOCKS proxy: `SPEC` is [BIND:]PORT")
	return cmd
}
