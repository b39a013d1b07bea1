package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
)

func (c *cli) hostEngineCommand() *cobra.Command {
	return &cobra.Command{
		Use: "engine HOST [auto|built-in|openssh]", Short: "Show or choose what makes the connections to a host", Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return []string{engine.EngineAuto, engine.EngineBuiltIn, engine.EngineOpenSSH}, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		Long: `Show or choose what makes the connections to a host:

  auto      the built-in engine, and ssh for what only ssh can do: PKCS11Provider,
            KnownHostsCommand, HostbasedAuthentication, ProxyUseFdpass, GSSAPI,
            security keys that no agent holds, algorithms that only ssh has
  built-in  never ssh
  openssh   always ssh; if ` + "`ssh HOST`" + ` works in a terminal, this does

What ssh asks is asked as everything else is. The choice holds from the next
connection on, in the window too. It needs ssh 8.4 or newer, and not Windows.

` + inJSON(map[string]string{"host": "", "engine": ""}),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				if len(args) == 2 {
					return e.SetHostEngine(cmd.Context(), args[0], args[1])
				}
				chosen, err := e.HostEngine(args[0])
				if err != nil {
					return err
				}
				if c.json {
					return printJSON(map[string]string{"host": args[0], "engine": chosen})
				}
				_, err = fmt.Fprintln(os.Stdout, visible(chosen))
				return err
			})
		},
	}
}
