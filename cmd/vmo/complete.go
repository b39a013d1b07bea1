package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// answers is what can stand at one place of a command line.
type answers func(cmd *cobra.Command, typed string) []string

// completable puts answers of this machine behind the TAB key: targets, hosts,
// projects and jobs. They come from files alone: nothing is run, no host is
// asked, and whatever goes wrong is an empty answer.
func (c *cli) completable(root *cobra.Command) {
	hosts, jobs, alive := c.ask(hostNames), c.ask(jobNames), c.ask(aliveNames)
	flags := map[string]answers{
		"on": inList(c.ask(groupNames)), "host": inList(c.ask(groupNames)), "project": c.ask(projectNames),
		"before": jobs, "job": jobs, "label": inList(c.ask(labelNames)),
		"if-lost": fixed(string(job.LinkKeep), string(job.LinkStop)),
	}
	arguments := map[string]answers{ // the first argument of a command
		"vmo run": c.ask(targetNames), "vmo shell": hosts, "vmo tunnel": hosts,
		"vmo hosts show": hosts, "vmo hosts sources": hosts, "vmo doctor": hosts, "vmo hosts engine": hosts,
		"vmo show": jobs, "vmo replay": jobs, "vmo verify": jobs,
		"vmo note": jobs, "vmo label": jobs, "vmo link": jobs,
		"vmo follow": alive, "vmo cancel": alive, "vmo unrecorded": alive,
		"vmo db history": fixed("all", "none"),
	}
	var each func(*cobra.Command)
	each = func(cmd *cobra.Command) {
		for name, known := range flags {
			if cmd.Flags().Lookup(name) != nil {
				_ = cmd.RegisterFlagCompletionFunc(name, known.flag)
			}
		}
		if first, further := arguments[cmd.CommandPath()], cmd.ValidArgsFunction; first != nil {
			cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
				switch {
				case len(args) == 0:
					return first.flag(cmd, args, typed)
				case further != nil:
					return further(cmd, args, typed)
				}
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
		}
		for _, sub := range cmd.Commands() {
			each(sub)
		}
	}
	each(root)
}

func (a answers) flag(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	return a(cmd, typed), cobra.ShellCompDirectiveNoFileComp
}

func fixed(words ...string) answers {
	return func(*cobra.Command, string) []string { return words }
}

// inList answers for the last word of a list with commas.
func inList(known answers) answers {
	return func(cmd *cobra.Command, typed string) []string {
		before := typed[:strings.LastIndex(typed, ",")+1]
		chosen := strings.Split(before, ",")
		var out []string
		for _, word := range known(cmd, typed) {
			if name, _, _ := strings.Cut(word, "\t"); !slices.Contains(chosen, name) {
				out = append(out, before+word)
			}
		}
		return out
	}
}

// ask answers with what the engine knows.
func (c *cli) ask(list func(context.Context, *engine.Engine, *cobra.Command) ([]string, error)) answers {
	return func(cmd *cobra.Command, _ string) []string {
		ctx, done := context.WithTimeout(cmd.Context(), 2*time.Second)
		defer done()
		var out []string
		_ = c.with(ctx, func(e *engine.Engine) error {
			words, err := list(ctx, e, cmd)
			out = words
			return err
		})
		return out
	}
}

// plain is a name that means itself in every shell. Names come from files that
// others write: one that a shell would read as more than a name is not offered.
var plain = regexp.MustCompile(`^[\pL\pN_./@%+=][\pL\pN_./:@%+=-]*$`)

// word is one answer and what is said about it.
func word(out []string, name, about string) []string {
	if !plain.MatchString(name) {
		return out
	}
	if about != "" {
		name += "\t" + visible(about)
	}
	return append(out, name)
}

func hostNames(ctx context.Context, e *engine.Engine, _ *cobra.Command) (out []string, err error) {
	all, err := e.Hosts(ctx)
	for _, h := range all.Hosts {
		if !h.Local {
			out = word(out, h.Name, h.Address)
		}
	}
	return out, err
}

// groupNames are the hosts and what stands for several of them.
func groupNames(ctx context.Context, e *engine.Engine, cmd *cobra.Command) ([]string, error) {
	all, err := e.Hosts(ctx)
	out, _ := hostNames(ctx, e, cmd)
	groups := map[string]bool{}
	for _, h := range all.Hosts {
		for _, tag := range h.Tags {
			groups["tag:"+tag] = true
		}
		if h.Environment != "" {
			groups["env:"+h.Environment] = true
		}
	}
	var names []string
	for name := range groups {
		names = word(names, name, "")
	}
	slices.Sort(names)
	return append(out, names...), err
}

func projectNames(_ context.Context, e *engine.Engine, _ *cobra.Command) (out []string, err error) {
	all, err := e.Projects()
	for _, p := range all.Projects {
		out = word(out, p.Alias, p.Dir)
	}
	return out, err
}

// targetNames reads the Makefile of the folder that -C or -p means. With --on it
// is on another machine, and none is asked.
func targetNames(ctx context.Context, e *engine.Engine, cmd *cobra.Command) (out []string, err error) {
	var at place
	at.project, _ = cmd.Flags().GetString("project")
	at.dir, _ = cmd.Flags().GetString("directory")
	if hosts, _ := cmd.Flags().GetStringSlice("on"); len(hosts) > 0 {
		return nil, nil
	}
	dir, err := at.resolve(e)
	if err != nil {
		return nil, err
	}
	all, err := e.Targets(ctx, dir)
	for _, t := range all.Targets {
		out = word(out, t.Name, t.Help)
	}
	return out, err
}

func jobNames(ctx context.Context, e *engine.Engine, _ *cobra.Command) ([]string, error) {
	all, err := e.Jobs(ctx, engine.Filter{}, "", 20)
	if err != nil {
		return nil, err
	}
	return named(ctx, e, all)
}

func labelNames(ctx context.Context, e *engine.Engine, _ *cobra.Command) (out []string, err error) {
	all, err := e.Names(ctx)
	for _, name := range all.Labels {
		out = word(out, name, "")
	}
	return out, err
}

func aliveNames(ctx context.Context, e *engine.Engine, _ *cobra.Command) ([]string, error) {
	all, err := e.Alive(ctx)
	if err != nil {
		return nil, err
	}
	return named(ctx, e, all)
}

func named(ctx context.Context, e *engine.Engine, jobs []job.Job) (out []string, err error) {
	for _, j := range jobs {
		id, err := e.Short(ctx, j.ID)
		if err != nil {
			return out, err
		}
		out = word(out, id, fmt.Sprintf("%s: %s", j.State, what(j)))
	}
	return out, nil
}
