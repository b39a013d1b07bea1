package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

const anybodysJob = "on anybody's job, as the team's database has it"

func (c *cli) noteCommand() *cobra.Command {
	var archive bool
	cmd := &cobra.Command{
		Use: "note JOB [TEXT...]", Short: "Write a note on a job, or read what was said of it", Args: cobra.MinimumNArgs(1),
		Long: wrapped(`Write a note on a job, or, without TEXT, print what was said of it: notes, labels and pins, those that
were taken back too, with when and by whom.`) + `

` + wrapped(fmt.Sprintf(`A note stands in the signed ledger of this machine and goes from there into the database. Nobody can change it or
take it away again, so it is no place for a secret. It has at most %d bytes.`, job.MaxNote)) + `

` + inJSON(engine.Remark{}),
		Example: "  vmo note @1 'with the new kernel'\n  vmo note --archive 01a2b3 'fails since the disk was changed'\n  vmo note @1",
		RunE: func(cmd *cobra.Command, args []string) error {
			text := strings.Join(args[1:], " ")
			return c.speaking(cmd, args[0], archive, func(ctx context.Context, e *engine.Engine, r record) error {
				if len(args) > 1 {
					return e.Note(ctx, r.Job, text)
				}
				return c.remarks(ctx, e, r)
			})
		},
	}
	cmd.Flags().BoolVar(&archive, "archive", false, anybodysJob)
	return cmd
}

func (c *cli) labelCommand() *cobra.Command {
	var archive, remove bool
	cmd := &cobra.Command{
		Use: "label JOB LABEL...", Short: "Give a job labels, or take them off", Args: cobra.MinimumNArgs(2),
		Long: wrapped(fmt.Sprintf(`Give a job labels, by which vmo jobs and vmo search find it. A label has at most %d characters and no comma. The
ledger keeps who gave it and who took it off.`, job.MaxLabel)),
		Example: "  vmo label @1 known-good release-2.3\n  vmo label --remove @1 known-good\n  vmo jobs --label known-good",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.speaking(cmd, args[0], archive, func(ctx context.Context, e *engine.Engine, r record) error {
				if remove {
					return e.Unlabel(ctx, r.Job, args[1:]...)
				}
				return e.Label(ctx, r.Job, args[1:]...)
			})
		},
	}
	cmd.Flags().BoolVar(&archive, "archive", false, anybodysJob)
	cmd.ValidArgsFunction = c.ask(labelNames).flag // of the second argument and those behind it
	cmd.Flags().BoolVar(&remove, "remove", false, "take them off")
	return cmd
}

// speaking does something with the job that a name means.
func (c *cli) speaking(cmd *cobra.Command, name string, archive bool, do func(context.Context, *engine.Engine, record) error) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), append(endings, os.Interrupt)...)
	defer stop()
	err := c.with(ctx, func(e *engine.Engine) error {
		r, err := c.find(ctx, e, name, archive)
		if err != nil {
			return err
		}
		return do(ctx, e, r)
	})
	if ctx.Err() != nil {
		return exitCode(exitInterrupted)
	}
	return err
}

// said returns what was said of a job, where its record is read.
func (r record) said(ctx context.Context, e *engine.Engine) ([]engine.Remark, error) {
	if r.archive {
		return e.TeamRemarks(ctx, r.ID)
	}
	return e.Remarks(ctx, r.ID)
}

// remarks prints everything that was said of a job.
func (c *cli) remarks(ctx context.Context, e *engine.Engine, r record) error {
	list, err := r.said(ctx, e)
	if err != nil {
		return err
	}
	for _, x := range list {
		if c.json {
			err = printJSON(x)
		} else {
			err = printRemark(os.Stdout, x)
		}
		if err != nil {
			return err
		}
	}
	if len(list) == 0 && !c.json {
		fmt.Fprintln(os.Stderr, "Nothing was said of this job. Say something with: vmo note JOB TEXT")
	}
	return nil
}

// printRemark prints a remark as people read it, its further lines indented.
func printRemark(w io.Writer, x engine.Remark) error {
	_, err := fmt.Fprintf(w, "%s  %-7s %s%s\n", x.At.Local().Format("2006-01-02 15:04"), visible(string(x.Kind)), whose(x.By, x.Login), indented(x.Text))
	return err
}

// whose says who somebody claims to be, and as whom the database knows him if that
// is somebody else.
func whose(by, login string) string {
	switch {
	case login == "" || login == by || strings.HasPrefix(by, login+"@"):
		return visible(by)
	case by == "":
		return visible(login)
	}
	return visible(by + " (" + login + ")")
}

// indented is a text of several lines behind something.
func indented(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		switch {
		case text == "":
		case i == 0:
			b.WriteString(": " + visible(line))
		default:
			b.WriteString("\n    " + visible(strings.ReplaceAll(line, "\t", "    ")))
		}
	}
	return b.String()
}

// head tells, beside the output of a job, what was said of it.
func (c *cli) head(ctx context.Context, e *engine.Engine, r record) error {
	if m := r.Marks; c.json || !m.Pinned && m.Notes+len(m.Labels) == 0 {
		return nil
	}
	list, err := r.said(ctx, e)
	if err != nil {
		return err
	}
	if marks := r.Labels; len(marks) > 0 {
		fmt.Fprintf(os.Stderr, "vmo: labels: %s\n", visible(strings.Join(marks, ", ")))
	}
	for _, x := range list {
		if x.Kind != job.EntryNote && (x.Kind != job.EntryPin || !r.Pinned) {
			continue
		}
		fmt.Fprint(os.Stderr, "vmo: ")
		if err := printRemark(os.Stderr, x); err != nil {
			return err
		}
	}
	return nil
}

// marks are those of a job in a few words.
func marks(m job.Marks) string {
	words := append([]string{}, m.Labels...)
	if m.Pinned {
		words = append(words, "(pinned)")
	}
	switch {
	case m.Notes == 1:
		words = append(words, "(1 note)")
	case m.Notes > 1:
		words = append(words, fmt.Sprintf("(%d notes)", m.Notes))
	}
	return visible(strings.Join(words, ", "))
}

func hasMarks(j job.Job) bool { return j.Pinned || j.Notes+len(j.Labels) > 0 }
