package main

import (
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
	cmd.Flags().BoolVar(&archive, "archive", false, "anybody's job, as the team's database has it")
	return cmd
}

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
	var stamped bool
	cmd := c.reviewing("show", "Print the output of a job, byte for byte", func(ctx context.Context, e *engine.Engine, j record) error {
		if err := c.head(ctx, e, j); err != nil {
			return err
		}
		return c.print(ctx, e, j, &printer{json: c.json, stamped: stamped})
	})
	cmd.Long = `Print the output so far: standard output to standard output, standard error to
standard error, byte for byte. It ends with 125 if part of the record is damaged;
everything else has been printed then.

` + piecesInJSON
	cmd.Flags().BoolVar(&stamped, "timestamps", false, "the time in UTC before each line")
	return cmd
}

// print writes what is recorded so far.
func (c *cli) print(ctx context.Context, e *engine.Engine, j record, p *printer) error {
	r, err := j.output(ctx, e)
	if err != nil {
		return err
	}
	defer r.Close()
	for after := uint64(0); ctx.Err() == nil; {
		page, err := r.Page(after, 1<<20)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		if err := p.page(page); err != nil {
			return err
		}
		after = page[len(page)-1].Seq
	}
	return p.verdict()
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
