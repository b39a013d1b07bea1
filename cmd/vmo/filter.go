package main

import (
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
	f            engine.Filter
	states       []string
	since, until string
}

func (x *filterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&x.f.Host, "host", nil, "only of these hosts; local is this machine")
	flags.StringSliceVar(&x.f.Target, "target", nil, "only of these targets")
	flags.StringSliceVar(&x.f.Project, "project", nil, "only of these projects")
	flags.StringSliceVar(&x.f.Operator, "operator", nil, "only of these operators, such as user@machine")
	flags.StringSliceVar(&x.states, "state", nil, "only in these states: "+strings.Join(stateNames(), ", "))
	flags.StringVar(&x.since, "since", "", "only those begun since: a time, or how long ago, such as 2h")
	flags.StringVar(&x.until, "until", "", "only those begun before: a time, or how long ago")
	_ = cmd.RegisterFlagCompletionFunc("state", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return stateNames(), cobra.ShellCompDirectiveNoFileComp
	})
}

// filter checks the flags and returns what they mean at this moment.
func (x *filterFlags) filter() (f engine.Filter, err error) {
	f = x.f
	for _, name := range x.states {
		if !slices.Contains(job.States, job.State(name)) {
			return f, job.WithHint(fmt.Errorf("--state: %w: %q is not a state", job.ErrInvalid, name), "The states are "+strings.Join(stateNames(), ", ")+".")
		}
		f.State = append(f.State, job.State(name))
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
