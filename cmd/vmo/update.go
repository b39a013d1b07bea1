package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

func (c *cli) updates() *engine.Updates {
	return engine.NewUpdates(engine.Config{DataDir: c.dataDir, Policy: policy}, engine.Program{Name: "vmo", Version: version})
}

func (c *cli) updateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update", Short: "Whether there is a newer release, and what it changes", Args: cobra.NoArgs,
		Long: `Tell whether there is a newer release, what it changes, what it means for the
team's database and for the journal, and how to install it here. Nothing is asked
for that: it tells what was found last.

It is off until you turn it on. Then "vmo update check" asks at once, and the window
once a day while it is open: for one small file over HTTPS, which is believed only
with the right signature. Nothing about this machine is sent, no program is brought
here, and none is installed. Whoever manages the machine can forbid it.

` + inJSON(engine.UpdateStatus{}) + ` Of a release:
` + fieldsOf(engine.Release{}) + ".",
		RunE: func(*cobra.Command, []string) error { return c.printUpdates(c.updates().Status()) },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "check", Short: "Ask now", Args: cobra.NoArgs,
			Long: `Ask now, and tell what there is as vmo update does. The exit code is 0 if the
answer can be believed, whether or not there is something newer.`,
			RunE: func(cmd *cobra.Command, _ []string) error {
				status, err := c.updates().Check(cmd.Context())
				if err != nil {
					return err
				}
				return c.printUpdates(status)
			},
		},
		&cobra.Command{
			Use: "on [URL]", Short: "Look for newer releases from now on", Args: cobra.MaximumNArgs(1),
			Long: `Look for newer releases from now on: at once with vmo update check, and once a day
while the window is open. A URL is that of the manifest of the releases, if this
program was not built with one, or if your team publishes its own.`,
			Example: "  vmo update on https://releases.example.com/vm-orchestrator/release.json",
			RunE: func(_ *cobra.Command, args []string) error {
				return c.updates().Set(true, strings.Join(args, ""))
			},
		},
		&cobra.Command{
			Use: "off", Short: "Ask nobody", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return c.updates().Set(false, "") },
		},
	)
	return cmd
}

func (c *cli) printUpdates(s engine.UpdateStatus) error {
	if c.json {
		return printJSON(s)
	}
	if err := showUpdates(os.Stdout, s); err != nil {
		return err
	}
	if s.Error != "" {
		complain(job.WithHint(fmt.Errorf("%s", s.Error), s.Hint))
		return exitCode(exitFailed)
	}
	return nil
}

func showUpdates(w io.Writer, s engine.UpdateStatus) error {
	var b strings.Builder
	line := func(format string, values ...any) { fmt.Fprintf(&b, format+"\n", values...) }
	switch {
	case s.State == engine.UpdatesForbidden:
		line("Forbidden on this machine by %s. Nothing is asked.", visible(s.Policy))
	case s.State == engine.UpdatesOff:
		line("Off: nothing is asked. Turn it on with: vmo update on")
	case s.State == engine.UpdatesUnknown:
		line("On, and nothing can be asked yet.")
	case s.Checked == nil:
		line("On, and not asked yet. Ask with: vmo update check")
	case s.Release == nil && s.Error == "":
		line("Nothing newer than %s on %s.", visible(s.Current), s.Checked.Local().Format("2006-01-02 15:04"))
	}
	if r := s.Release; r != nil {
		sure := ""
		if r.Unsure {
			sure = ", which cannot be compared with it"
		}
		line("%s of %s is there; this is %s%s.\n", visible(r.Version), r.Date.Format("2006-01-02"), visible(s.Current), sure)
		for each := range strings.Lines(r.Notes) {
			line("  %s", visible(strings.ReplaceAll(strings.TrimRight(each, "\r\n"), "\t", "    ")))
		}
		line("\nDatabase: %s\nJournal: %s\n", visible(r.Schema), visible(r.Journal))
		if len(r.Files) == 0 {
			line("It has no file that is known to be for this system. What there is: %s", visible(r.From))
		} else {
			line("For this system, from %s", visible(r.From))
			for _, f := range r.Files {
				line("  %s  %s  (%s)", f.SHA256, visible(f.Name), size(uint64(f.Size)))
			}
		}
		if r.How != "" {
			line("Fetch what is named here, compare it with sha256sum, then:\n  %s", visible(r.How))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
