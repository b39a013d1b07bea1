// Command vmo runs make targets and commands as recorded jobs, without a
// window. It shares its engine, and its journal, with the window.
//
// What goes where: the output of jobs and the answers of vmo to standard
// output; everything vmo has to say besides to standard error. Exit codes are
// in exit.go.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
)

// version is set when it is built: -ldflags "-X main.version=v1.2.3".
var version = "dev"

// policy is the file of the policy of a managed machine; empty: the system's.
// Nothing but the tests sets it.
var policy string

func main() {
	if code, asked := engine.Askpass(); asked {
		os.Exit(code)
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	// A reader that goes away (`vmo exec … | head`) must not kill vmo before the
	// record is complete; writes fail with EPIPE instead.
	// Not ignored, or every command would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	c := &cli{}
	root := c.root()
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	return c.exit(err)
}

// cli is one invocation.
type cli struct {
	dataDir   string
	sshConfig string
	json      bool
	entered   bool // the arguments made sense; errors from here on are not usage
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "vmo",
		Short: "Run make targets and commands as recorded jobs",
		Long: `vmo runs make targets and commands on this machine and, over SSH, on others, and
keeps a complete, replayable record of each: what was run, every byte it printed
and when, and how it ended. The window of VM Orchestrator shows the same records.

A JOB is named by its id, by any beginning of it that no other id shares, by @1 for
the newest, @2 for the one before, or by its link.

Output of jobs and answers of vmo go to the standard output, everything vmo has to
say besides to the standard error. vmo completion SHELL prints a script for the TAB
key of bash, zsh, fish or powershell.`,
		SilenceUsage: true, SilenceErrors: true, Version: version,
		PersistentPreRun: func(*cobra.Command, []string) { c.entered = true },
	}
	root.SetVersionTemplate("vmo {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&c.dataDir, "data-dir", "", "`FOLDER` of the journal (default $VMO_DATA_DIR, else the XDG data directory)")
	flags.StringVar(&c.sshConfig, "ssh-config", "", "read this `FILE` instead of ~/.ssh/config and the system's, as ssh -F (default $VMO_SSH_CONFIG)")
	flags.BoolVar(&c.json, "json", false, "print one JSON object a line, see vmo help json")
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run:"}, &cobra.Group{ID: "record", Title: "Records:"}, &cobra.Group{ID: "care", Title: "Care:"})
	for group, commands := range map[string][]*cobra.Command{
		"run": {
			c.projectsCommand(), c.targetsCommand(), c.hostsCommand(),
			c.runCommand(), c.execCommand(), c.shellCommand(), c.tailCommand(), c.tunnelCommand(),
			c.cancelCommand(), c.unrecordedCommand(),
		},
		"record": {
			c.jobsCommand(), c.searchCommand(), c.showCommand(), c.replayCommand(), c.followCommand(), c.noteCommand(), c.labelCommand(), c.statsCommand(), c.auditCommand(),
			c.verifyCommand(), c.spillCommand(), c.linkCommand(), c.exportCommand(), c.importCommand(),
		},
		"care": {
			c.dbCommand(), c.shipCommand(), c.updateCommand(),
			c.doctorCommand(), c.reindexCommand(), c.compactCommand(), c.pruneCommand(), c.pinCommand(), c.unpinCommand(), c.versionCommand(),
		},
	} {
		for _, command := range commands {
			command.GroupID = group
			root.AddCommand(command)
		}
	}
	root.AddCommand(manCommand())
	root.AddCommand(topics()...)
	c.completable(root)
	return root
}

// with opens the engine for one command and closes it again.
func (c *cli) with(ctx context.Context, do func(*engine.Engine) error) (err error) {
	e, err := engine.Open(ctx, engine.Config{DataDir: c.dataDir, SSHConfig: c.sshConfig, Prompts: sync.OnceValue(terminalPrompts)})
	if err != nil {
		return err
	}
	defer func() {
		closing := e.Close()
		switch {
		case err == nil:
			err = closing
		case closing != nil: // a record that could not be completed is never silent
			complain(closing)
		}
	}()
	return do(e)
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Long: "Print the version; in JSON also what it writes: the version of the tables of the\narchive and the format of the journal.\n\n" + inJSON(map[string]any{"version": "", "archive_schema": 0, "journal_format": 0}),
		RunE: func(*cobra.Command, []string) error {
			if c.json {
				schema, format := engine.Versions()
				return printJSON(map[string]any{"version": version, "archive_schema": schema, "journal_format": format})
			}
			_, err := fmt.Println("vmo", version)
			return err
		},
	}
}
