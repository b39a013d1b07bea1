package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// record is a job and where its record is read.
type record struct {
	job.Job
	archive bool // in the archive, not in the journal
}

// output opens the record. In the archive that is what has come there by now.
func (r record) output(ctx context.Context, e *engine.Engine) (*engine.Reader, error) {
	if r.archive {
		return e.TeamOutput(ctx, r.ID)
	}
	return e.Output(r.ID)
}

// reading is a command about one recorded job of this machine.
func (c *cli) reading(use, short string, do func(ctx context.Context, e *engine.Engine, j job.Job) error) *cobra.Command {
	return c.about(use, short, func(ctx context.Context, e *engine.Engine, name string) error {
		j, err := e.Find(ctx, name)
		if err != nil {
			return err
		}
		return do(ctx, e, j)
	})
}

// reviewing is a command about one recorded job, of this machine or in the archive.
func (c *cli) reviewing(use, short string, do func(ctx context.Context, e *engine.Engine, r record) error) *cobra.Command {
	var archive bool
	cmd := c.about(use, short, func(ctx context.Context, e *engine.Engine, name string) error {
		r, err := c.find(ctx, e, name, archive)
		if err != nil {
			return err
		}
		return do(ctx, e, r)
	})
	cmd.Flags().BoolVar(&archive, "archive", false, aboutArchive)
	return cmd
}

const aboutArchive = "anybody's job, as the team's database has it"

func (c *cli) about(use, short string, do func(ctx context.Context, e *engine.Engine, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " JOB", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), append(endings, os.Interrupt)...)
			defer stop()
			err := c.with(ctx, func(e *engine.Engine) error { return do(ctx, e, args[0]) })
			if ctx.Err() != nil {
				return exitCode(exitInterrupted)
			}
			return err
		},
	}
}

func (c *cli) find(ctx context.Context, e *engine.Engine, name string, archive bool) (record, error) {
	if archive {
		j, err := e.TeamFind(ctx, name)
		return record{j.Job, true}, err
	}
	j, err := e.Find(ctx, name)
	return record{j, false}, err
}

func (c *cli) showCommand() *cobra.Command {
	var stamped, archive bool
	cmd := c.about("show", "Print the output of a job, byte for byte", func(ctx context.Context, e *engine.Engine, arg string) error {
		name, line, err := atLine(arg)
		if err != nil {
			return err
		}
		j, err := c.find(ctx, e, name, archive)
		if err != nil {
			return err
		}
		if err := c.head(ctx, e, j); err != nil {
			return err
		}
		return c.print(ctx, e, j, line, &printer{json: c.json, stamped: stamped})
	})
	cmd.Use = "show JOB[#LINE]"
	cmd.Long = `Print the output so far: standard output to standard output, standard error to
standard error, byte for byte. It ends with 125 if part of the record is damaged;
everything else has been printed then. Behind a #, or in a link, stands the line to
begin with, as vmo search and the window number them.

` + piecesInJSON
	cmd.Example = "  vmo show @1\n  vmo show @1#120"
	cmd.Flags().BoolVar(&archive, "archive", false, aboutArchive)
	cmd.Flags().BoolVar(&stamped, "timestamps", false, "the time in UTC before each line")
	return cmd
}

// print writes what is recorded so far, from a line on; 0 and 1 are the first.
func (c *cli) print(ctx context.Context, e *engine.Engine, j record, line uint64, p *printer) error {
	r, err := j.output(ctx, e)
	if err != nil {
		return err
	}
	defer r.Close()
	after, skip, err := begin(r, j.ID, line)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		page, err := r.Page(after, 1<<20)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].Seq
		page, skip = behind(page, skip)
		if err := p.page(page); err != nil {
			return err
		}
	}
	return p.verdict()
}

// begin is where a line begins: behind the chunk after, and behind as many newlines.
func begin(r *engine.Reader, id job.ID, line uint64) (after, newlines uint64, err error) {
	if line <= 1 {
		return 0, 0, nil
	}
	all, err := r.Lines(-1, 1)
	if err != nil {
		return 0, 0, err
	}
	if line > all.Total {
		return 0, 0, fmt.Errorf("line %d of job %s: %w: its output has %d lines so far", line, id, job.ErrNotFound, all.Total)
	}
	at, err := r.SeekLine(line - 1)
	if err == nil && at.Line >= line {
		fmt.Fprintf(os.Stderr, "vmo: line %d is missing in the record; this begins in line %d\n", line, at.Line+1)
		return at.Seq, 0, nil
	}
	return at.Seq, line - 1 - at.Line, err
}

// behind is what follows so many newlines, and how many are still to come. Where
// something is missing nobody can count on: all that is behind it is shown.
func behind(chunks []job.Chunk, newlines uint64) ([]job.Chunk, uint64) {
	for newlines > 0 && len(chunks) > 0 {
		c := &chunks[0]
		if c.Note != nil && (c.Note.Kind == job.NoteDamage || c.Note.Kind == job.NoteRemoved) {
			return chunks, 0
		}
		at := bytes.IndexByte(c.Data, '\n')
		if c.Data = c.Data[at+1:]; at >= 0 {
			newlines--
		}
		if at < 0 || len(c.Data) == 0 {
			chunks = chunks[1:]
		}
	}
	return chunks, newlines
}

// verdict makes damage visible to scripts.
func (p *printer) verdict() error {
	if p.damaged {
		return fmt.Errorf("part of the record is damaged; everything else of it has been printed")
	}
	return nil
}

func (c *cli) followCommand() *cobra.Command {
	cmd := c.reviewing("follow", "Print the output of a job as it comes, until the job ends", func(ctx context.Context, e *engine.Engine, j record) error {
		r, err := j.output(ctx, e)
		if err != nil {
			return err
		}
		defer r.Close()
		p := &printer{json: c.json}
		if j.archive {
			var stop func()
			ctx, stop = pulling(ctx, e, j.ID)
			defer stop()
		}
		if err := r.Follow(ctx, 0, p.page); err != nil {
			return err
		}
		return p.verdict()
	})
	cmd.Long = `Print the output of a job, and go on until the job ends. It may belong to any process.
Ctrl-C ends the following, not the job. With --archive a colleague's running job is
shown about a second behind.

` + piecesInJSON
	return cmd
}

const piecesInJSON = "In JSON a line is a piece of output, see vmo help json."

// pulling goes on pulling a living record from the archive, until stop. Its context
// ends when that fails.
func pulling(ctx context.Context, e *engine.Engine, id job.ID) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := e.PullOn(ctx, id); err != nil {
			cancel(err)
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

func (c *cli) replayCommand() *cobra.Command {
	speed, idle := 1.0, time.Duration(0)
	cmd := c.reviewing("replay", "Print the output of a job at the pace at which it came", func(ctx context.Context, e *engine.Engine, j record) error {
		if speed <= 0 {
			return fmt.Errorf("%w: the speed must be more than 0", job.ErrInvalid)
		}
		r, err := j.output(ctx, e)
		if err != nil {
			return err
		}
		defer r.Close()
		p := &printer{json: c.json}
		pace := pace{speed: speed, idle: idle, last: j.QueuedAt}
		if j.StartedAt != nil {
			pace.last = *j.StartedAt
		}
		for after := uint64(0); ; {
			page, err := r.Page(after, 256<<10)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				return p.verdict()
			}
			for i := range page {
				if err := pace.wait(ctx, page[i].At); err != nil {
					return err
				}
				if err := p.page(page[i : i+1]); err != nil {
					return err
				}
			}
			after = page[len(page)-1].Seq
		}
	})
	cmd.Long = "Print the output of a job at the pace at which it came.\n\n" + piecesInJSON
	cmd.Flags().Float64Var(&speed, "speed", speed, "`N` times faster")
	cmd.Flags().DurationVar(&idle, "max-idle", idle, "cut pauses to this `TIME`, such as 2s (default: keep them)")
	return cmd
}

// pace waits as long as the recorded job did.
type pace struct {
	speed float64
	idle  time.Duration
	last  time.Time
}

func (p *pace) wait(ctx context.Context, at time.Time) error {
	pause := at.Sub(p.last)
	p.last = at
	if p.idle > 0 {
		pause = min(pause, p.idle)
	}
	t := time.NewTimer(time.Duration(float64(pause) / p.speed))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
