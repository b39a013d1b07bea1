package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) hostsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "hosts", Short: "List the hosts: ~/.ssh/config and environments/*/config.yml", Args: cobra.NoArgs,
		Long: `List the hosts that ~/.ssh/config with its includes names, and the VMs in
environments/*/config.yml of the projects and of the configuration folder. Nothing
is connected to, and nothing that a configuration names is run.

` + inJSON(engine.HostInfo{}),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				all, err := e.Hosts(cmd.Context())
				if err != nil {
					return err
				}
				return c.printHosts(all)
			})
		},
	}
	cmd.AddCommand(c.hostShowCommand(), c.hostSourcesCommand(), c.hostEngineCommand(), c.hostForgetCommand())
	return cmd
}

func (c *cli) printHosts(all engine.Hosts) error {
	for _, p := range all.Problems {
		fmt.Fprintf(os.Stderr, "vmo: %s: %s\n", visible(at(p.File, p.Line)), visible(p.Text))
	}
	if c.json {
		for _, h := range all.Hosts {
			if err := printJSON(h); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tADDRESS\tUSER\tENVIRONMENT\tWRITTEN IN")
	for _, h := range all.Hosts {
		address, written := h.Address, ""
		if h.Local {
			address = "this machine"
		}
		if h.Port != 0 {
			address += fmt.Sprintf(":%d", h.Port)
		}
		if len(h.Origins) > 0 {
			written = at(h.Origins[0].File, h.Origins[0].Line)
		}
		if len(h.Conflicts) > 0 {
			written += " (conflict: see vmo hosts show " + h.Name + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", visible(h.Name), visible(address), visible(h.User), visible(h.Environment), visible(written))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(all.Hosts) < 2 {
		fmt.Fprintf(os.Stderr, "No other hosts: looked in %s and in environments/*/config.yml of the projects.\n     Any host that ssh reaches can be named all the same, as user@address:port.\n", visible(all.SSHConfig))
	}
	return nil
}

// at is a place in a file, as editors and grep write it.
func at(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

func (c *cli) hostShowCommand() *cobra.Command {
	var connect, all bool
	cmd := &cobra.Command{
		Use: "show HOST", Short: "Show what ssh would do to reach a host, and where each of it is written", Args: cobra.ExactArgs(1),
		Long: `Show the effective options of a host, as ssh has them, each with the file and line
it comes from, and what is done differently here. This may run what the
configuration says with Match exec, as ssh does.

With --connect a connection is made first; the versions and algorithms that were
agreed on are shown, or how far it came.

` + inJSON(engine.HostDetail{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				var connected error
				if connect {
					connected = e.ConnectHost(cmd.Context(), args[0])
				}
				d, err := e.HostDetail(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if c.json {
					if err := printJSON(d); err != nil {
						return err
					}
					return connected
				}
				chosen, err := e.HostEngine(args[0])
				if err != nil {
					return err
				}
				if err := printHost(d, chosen, all); err != nil {
					return err
				}
				return connected
			})
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "show options that nobody has set, too")
	cmd.Flags().BoolVar(&connect, "connect", false, "connect first")
	return cmd
}

func printHost(d engine.HostDetail, chosen string, all bool) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, visible(value))
		}
	}
	row("host", d.Name)
	if d.Local {
		row("address", "this machine")
		return w.Flush()
	}
	row("reached as", d.Resolved)
	row("through", strings.Join(d.Jumps, ", "))
	row("environment", d.Environment)
	row("tags", strings.Join(d.Tags, ", "))
	by := d.By
	if d.Why != "" {
		by += " (" + d.Why + ")"
	}
	row("read by", by)
	for _, o := range d.Origins {
		row("written", fmt.Sprintf("%s %s  %s", o.Field, o.Value, at(o.File, o.Line)))
	}
	for _, text := range d.Conflicts {
		row("conflict", text)
	}
	s := d.State
	state := string(s.Status)
	if !s.Since.IsZero() {
		state += ", since " + ago(s.Since, time.Now())
	}
	row("state", state)
	row("error", s.Error)
	row("server", s.Server)
	row("host key", s.HostKey)
	row("key exchange", s.Kex)
	row("cipher", strings.TrimSpace(s.Cipher+" "+s.MAC))
	if s.Status == "connected" && chosen == engine.EngineAuto {
		chosen += ", now " + s.Engine
	}
	row("engine", chosen)
	for _, step := range s.Steps {
		mark := "failed"
		if step.OK {
			mark = "ok"
		}
		row("step", fmt.Sprintf("%s  %s: %s: %s", mark, step.Hop, step.What, step.Detail))
	}
	for _, f := range d.Forwards {
		row("forward", strings.Join(f.Flag(), " "))
	}
	for _, text := range d.Differs {
		row("differs", text)
	}
	fmt.Fprintln(w)
	defaults := 0
	for _, o := range d.Options {
		if o.File == "" {
			defaults++
			continue
		}
		for _, v := range o.Values {
			fmt.Fprintf(w, "%s\t%s\t%s\n", visible(o.Key), visible(v), visible(at(o.File, o.Line)))
		}
	}
	if !all {
		fmt.Fprintf(w, "\n%d options have their defaults; --all shows them.\n", defaults)
		return w.Flush()
	}
	if err := w.Flush(); err != nil { // long defaults do not move the columns of what was written
		return err
	}
	for _, o := range d.Options {
		for _, v := range o.Values {
			if o.File == "" {
				fmt.Printf("%s  %s\n", visible(o.Key), visible(v))
			}
		}
	}
	return nil
}

func (c *cli) hostSourcesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "sources HOST", Short: "List the logs that a host has to follow", Args: cobra.ExactArgs(1),
		Long: "List the logs that a host has to follow: what vmo tail takes, its state, and more\nabout it.\n\n" + inJSON(engine.Sources{}.Found),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				found, err := e.Sources(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				for _, problem := range found.Problems {
					fmt.Fprintf(os.Stderr, "vmo: %s: %s\n", visible(args[0]), visible(problem))
				}
				w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
				for _, f := range found.Found {
					if c.json {
						if err := printJSON(f); err != nil {
							return err
						}
						continue
					}
					fmt.Fprintf(w, "%s\t%s\t%s\n", visible(f.Source), visible(f.State), visible(f.Detail))
				}
				return w.Flush()
			})
		},
	}
}

func (c *cli) shellCommand() *cobra.Command {
	var there string
	cmd := &cobra.Command{
		Use: "shell HOST", Short: "Open a recorded terminal on a host", Args: cobra.ExactArgs(1),
		Long: `Open your login shell on a host, in a terminal, and record what it shows. What you
type is not recorded. It ends with the shell, and as it does. It needs a terminal here.

As with ssh, the ports that the configuration forwards are open while it runs. One
that is taken is named, and the shell opens all the same.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !isTerminal(os.Stdin) || !isTerminal(os.Stdout) || c.json {
				return job.WithHint(fmt.Errorf("%w: a shell needs a terminal, and there is none here", job.ErrInvalid), "Run a command instead: vmo exec --on "+args[0]+" -- COMMAND")
			}
			return c.with(cmd.Context(), func(e *engine.Engine) error {
				return c.launch(e, engine.Launch{Spec: job.Spec{TTY: true}, Hosts: args, There: there})
			})
		},
	}
	cmd.Flags().StringVar(&there, "dir", "", "`FOLDER` to begin in (default: the home directory)")
	return cmd
}
