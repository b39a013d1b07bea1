package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote"
)

// ExamineHost tells how a host would be reached, without connecting to it. It may
// run what the configuration says with Match exec, and asks the agent.
func (e *Engine) ExamineHost(ctx context.Context, name string) ([]Check, error) {
	d, err := e.HostDetail(ctx, name)
	if err != nil {
		return nil, err
	}
	if d.Local {
		return []Check{{Name: "host", OK: true, Found: "this machine"}}, nil
	}
	where := ""
	if len(d.Origins) > 0 {
		where = fmt.Sprintf("%s:%d", d.Origins[0].File, d.Origins[0].Line)
	}
	read := Check{Name: "read by", OK: true, Found: d.By}
	if d.Why != "" {
		read.Found += " (" + d.Why + ")"
	}
	checks := []Check{{Name: "host", OK: true, Found: d.Name + " is " + d.Resolved, Origin: where}, read}
	way, err := e.pool.Way(ctx, d.Destination)
	if len(way.Hops) == 0 && err != nil {
		return append(checks, Check{Name: "way"}.failed(connectError(err))), nil
	}
	for i, h := range way.Hops[:len(way.Hops)-1] {
		checks = append(checks, Check{Name: fmt.Sprintf("hop %d", i+1), OK: true, Found: h.Name + " is " + h.User + "@" + h.Addr})
	}
	if len(way.Hops) == 1 {
		checks = append(checks, Check{Name: "way", OK: true, Found: straight(d)})
	}
	maker := Check{Name: "engine", OK: true, Found: way.Engine}
	if way.Engine == remote.EngineOpenSSH {
		maker.Found = "openssh, because of " + way.Why
	}
	if err != nil {
		maker = maker.failed(fmt.Errorf("openssh is chosen: %w", err))
		maker.Next = job.HintOf(err)
	}
	checks = append(checks, maker, e.keysCheck(d))
	for _, o := range d.Options {
		if o.File != "" && o.Key != "identityfile" {
			checks = append(checks, Check{Name: o.Key, OK: true, Found: strings.Join(o.Values, ", "), Origin: fmt.Sprintf("%s:%d", o.File, o.Line)})
		}
	}
	for _, text := range append(d.Conflicts, d.Differs...) {
		checks = append(checks, Check{Name: "differs", Optional: true, Found: text, Next: "This is not done as ssh does it, or not as you may expect."})
	}
	return checks, nil
}

// straight is the way to a host without jump hosts.
func straight(d HostDetail) string {
	for _, o := range d.Options {
		if o.Key == "proxycommand" && len(o.Values) > 0 && o.Values[0] != "none" {
			return "through the program " + o.Values[0]
		}
	}
	return "straight from this machine"
}

// keysCheck tells which of the key files that would be tried are there.
func (e *Engine) keysCheck(d HostDetail) Check {
	c := Check{Name: "key files", Optional: true}
	var there, tried []string
	for _, o := range d.Options {
		if o.Key != "identityfile" {
			continue
		}
		if o.File != "" {
			c.Origin = fmt.Sprintf("%s:%d", o.File, o.Line)
		}
		for _, file := range o.Values {
			path := file
			if rest, ok := strings.CutPrefix(file, "~/"); ok {
				path = filepath.Join(e.home, rest)
			}
			tried = append(tried, file)
			if _, err := os.Stat(path); err == nil {
				there = append(there, file)
			}
		}
	}
	c.OK, c.Found = len(there) > 0, strings.Join(there, ", ")
	if !c.OK {
		c.Found, c.Next = "none is there of "+strings.Join(tried, ", "), "The agent may have one, or the host may ask for a password. Make one with: ssh-keygen"
	}
	return c
}
