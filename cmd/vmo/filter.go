package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// filterFlags are the flags that say which jobs are meant.
type filterFlags struct {
	f            job.Filter
	hosts        []string
	states       []string
	since, until string
}

func (x *filterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&x.hosts, "host", nil, "only of this `HOST`; local is this machine, env:NAME and tag:NAME the hosts that have it")
	flags.StringSliceVar(&x.f.Targets, "target", nil, "only of this `TARGET`")
	flags.StringSliceVar(&x.f.Labels, "label", nil, "only with this `LABEL`")
	flags.StringVar(&x.f.Project, "project", "", "only of this project, by its `ALIAS`")
	x.addWho(cmd)
}

// addWho adds the flags that say who, and when.
func (x *filterFlags) addWho(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&x.f.Operator, "operator", "", "only by this `USER@MACHINE`, or by whose name has this in it")
	flags.StringVar(&x.since, "since", "", "only since a `TIME`, or so long ago")
	flags.StringVar(&x.until, "until", "", "only before a `TIME`, or so long ago")
}

// addStates adds the flag of states.
func (x *filterFlags) addStates(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&x.states, "state", nil, "only in this `STATE`: "+strings.Join(stateNames(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("state", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return stateNames(), cobra.ShellCompDirectiveNoFileComp
	})
}

// filter checks the flags and returns what they mean at this moment.
func (x *filterFlags) filter() (f job.Filter, err error) {
	f = x.f
	for _, name := range x.hosts {
		if name == local {
			name = ""
		}
		f.Hosts = append(f.Hosts, name)
	}
	for _, name := range x.states {
		if !slices.Contains(job.States, job.State(name)) {
			return f, job.WithHint(fmt.Errorf("--state: %w: %q is not a state", job.ErrInvalid, name), "The states are "+strings.Join(stateNames(), ", ")+".")
		}
		f.States = append(f.States, job.State(name))
	}
	now := time.Now()
	if f.Since, err = moment("--since", x.since, now); err != nil {
		return f, err
	}
	if f.Until, err = moment("--until", x.until, now); err != nil {
		return f, err
	}
	return f, nil
}

// withFilter opens the engine and does something with the jobs that the flags
// mean. What is wrong with them is said before anything is opened.
func (c *cli) withFilter(ctx context.Context, which *filterFlags, do func(*engine.Engine, job.Filter) error) error {
	f, err := which.filter()
	if err != nil {
		return err
	}
	return c.with(ctx, func(e *engine.Engine) error {
		if f.Hosts, err = e.FilterHosts(f.Hosts); err != nil {
			return err
		}
		return do(e, f)
	})
}

func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := engine.Moment(text, now)
	if err != nil {
		return t, fmt.Errorf("%s: %w", flag, err)
	}
	return t, nil
}

func stateNames() []string {
	names := make([]string, len(job.States))
	for i, s := range job.States {
		names[i] = string(s)
	}
	return names
}
