package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
)

func (c *cli) hostForgetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "forget HOST", Short: "Remove the known host key of a host that was installed anew", Args: cobra.ExactArgs(1),
		Long: `Remove the keys of a host from the files of known hosts that its configuration
names, as ssh-keygen -R does, hashed names and other ports too. The next connection
asks about the key that the host shows then; compare its fingerprint with what
ssh-keygen -lf says on the host itself. A host whose key has changed and that nobody
has installed anew may be somebody who listens in.

Each changed file stays beside it as FILE.old. Keys marked @revoked and authorities
stay; a line with a pattern, and files for all users of this machine, are left to
you. That keys were removed is recorded, as a job in the history.

` + inJSON(engine.KnownKey{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				removed, err := e.ForgetHostKey(cmd.Context(), args[0])
				for _, k := range removed {
					if c.json {
						err = printJSON(k)
					} else {
						_, err = fmt.Fprintf(os.Stdout, "%s\t%s\t%s\n", visible(k.Type), visible(k.Fingerprint), visible(at(k.File, k.Line)))
					}
					if err != nil {
						return err
					}
				}
				return err
			})
		},
	}
}
