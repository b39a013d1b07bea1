package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/target"
)

func (c *cli) projectsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "projects", Short: "List the projects: mkcli's registry and added folders", Args: cobra.NoArgs,
		Long: `List the projects: those of mkcli's registry, ~/.config/mkcli/registry with one
alias=folder a line, which is only read, and added folders. A line that cannot be read
is named on the standard error and skipped.

` + inJSON(engine.Project{}) + " The source is registry or\nadded; error says why it cannot be used.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				all, err := e.Projects()
				if err != nil {
					return err
				}
				printProblems(all.Problems)
				if c.json {
					for _, p := range all.Projects {
						if err := printJSON(p); err != nil {
							return err
						}
					}
					return nil
				}
				if len(all.Projects) == 0 {
					fmt.Fprintf(os.Stderr, "No projects: looked in %s (%s) and in the added folders.\n     Add a line alias=/path/to/folder there, or run: vmo projects add FOLDER\n     One to try things with is added by: vmo projects sample\n",
						visible(all.Registry), map[bool]string{true: "no entries", false: "missing"}[all.RegistryExists])
					return nil
				}
				w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ALIAS\tFOLDER\tSOURCE")
				for _, p := range all.Projects {
					source := p.Source
					if p.Line > 0 {
						source = fmt.Sprintf("%s:%d", p.Source, p.Line)
					}
					if p.Error != "" {
						source += " (" + p.Error + ")"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\n", visible(p.Alias), visible(p.Dir), visible(source))
				}
				return w.Flush()
			})
		},
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "sample", Short: "Add a project to try things with", Args: cobra.NoArgs,
			Long: `Add a project to try things with: its targets show every kind of output and of
ending, and change nothing. It is written next to the journal.`,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return c.with(cmd.Context(), func(e *engine.Engine) error {
					dir, err := e.AddSample()
					if err == nil && !c.json {
						fmt.Println(visible(dir))
					}
					return err
				})
			},
		},
		&cobra.Command{
			Use: "add FOLDER", Short: "Add a folder to the projects", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return c.with(cmd.Context(), func(e *engine.Engine) error {
					dir, err := e.AddProject(args[0])
					if err == nil && !c.json {
						fmt.Println(visible(dir))
					}
					return err
				})
			},
		},
		&cobra.Command{
			Use: "remove FOLDER", Short: "Forget an added folder; the folder stays as it is", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return c.with(cmd.Context(), func(e *engine.Engine) error { return e.RemoveProject(args[0]) })
			},
		})
	return cmd
}

func (c *cli) targetsCommand() *cobra.Command {
	var at place
	var trust bool
	cmd := &cobra.Command{
		Use: "targets", Short: "List the make targets of a project", Args: cobra.NoArgs,
		Long: `List what a Makefile offers, on a host too. It is read as text: nothing of it is run.

With --trust make itself is asked too, this once and only here, which finds targets
that the Makefile computes and runs whatever it computes them with.

` + inJSON(engine.Target{}) + `
The help comes from ## behind or above the target, the section from ##@; file and line
are where its rule stands. A target is interactive if it wants a terminal, and why says
what tells so; mode is what you chose in the window: auto, stream or terminal. Computed
is what only make could find. The params are variables that it uses and that you may
set, each with name, default, help, file and line.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				request, err := at.launch(e, job.Spec{})
				if err != nil {
					return err
				}
				if len(at.hosts) > 0 {
					return c.targetsThere(cmd.Context(), e, request, trust)
				}
				dir := request.Dir
				list := e.Targets
				if trust {
					list = e.TrustedTargets
				}
				return c.printTargets(cmd.Context(), dir, list)
			})
		},
	}
	at.folder(cmd)
	cmd.Flags().BoolVar(&trust, "trust", false, "ask make itself too, this once")
	return cmd
}

// targetsThere lists the targets of a folder on each host.
func (c *cli) targetsThere(ctx context.Context, e *engine.Engine, request engine.Launch, trust bool) error {
	if trust {
		return job.WithHint(fmt.Errorf("%w: on other hosts makefiles are only read", job.ErrInvalid), "Leave out --trust.")
	}
	hosts, err := e.SelectHosts(request.Hosts)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if len(hosts) > 1 && !c.json {
			fmt.Printf("%s:\n", visible(h.Name))
		}
		err := c.printTargets(ctx, request.There, func(ctx context.Context, dir string) (engine.Targets, error) {
			return e.RemoteTargets(ctx, h.Name, dir)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) printTargets(ctx context.Context, dir string, list func(context.Context, string) (engine.Targets, error)) error {
	all, err := list(ctx, dir)
	if err != nil {
		return err
	}
	printProblems(all.Problems)
	if c.json {
		for _, t := range all.Targets {
			if err := printJSON(t); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	section := ""
	for _, t := range all.Targets {
		if t.Section != section {
			section = t.Section
			fmt.Fprintf(w, "\n%s\n", visible(section))
		}
		kind := ""
		if t.Terminal() {
			kind = "terminal"
		}
		if t.Computed {
			kind += " computed"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s:%d\n", visible(t.Name), kind, visible(t.Help), visible(t.File), t.Line)
	}
	if len(all.Targets) == 0 {
		fmt.Fprintf(os.Stderr, "No targets in %s that can be called by name.\n", visible(all.File))
	}
	return w.Flush()
}

func printProblems(problems []target.Problem) {
	for _, p := range problems {
		fmt.Fprintf(os.Stderr, "vmo: %s:%d: %s\n", visible(p.File), p.Line, visible(p.Text))
	}
}
