package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// options makes Options of what ssh, or the evaluator, has printed: what was left
// for later is expanded, and what is written in a file gets its place there.
func (r *Resolver) options(d Destination, printed map[string][]string, e *evaluator, ours error) (*Options, error) {
	o := &Options{Destination: d, By: "ssh", values: printed, origins: map[string]Origin{}}
	o.HostName, o.User, o.Port = o.Get("hostname"), o.Get("user"), atoi(o.Get("port"))
	if o.HostName == "" || o.Port <= 0 {
		return nil, errors.New("ssh -G printed no host name or no port: this is no OpenSSH")
	}
	if ours == nil {
		same := e.printed()
		for key, origin := range e.origins {
			if slices.Equal(same[key], printed[key]) {
				o.origins[key] = origin
			}
		}
	}
	for _, key := range lists {
		if v := printed[key]; len(v) == 1 {
			printed[key] = splitFiles(v[0], e.values[key])
		}
	}
	t, err := o.target()
	if err != nil {
		return nil, err
	}
	if err := r.expand(o, r.local.tokens(t)); err != nil {
		return nil, err
	}
	return o, nil
}

// target is what the tokens of a resolved destination say.
func (o *Options) target() (target, error) {
	t := target{alias: o.Destination.Alias, host: o.HostName, user: o.User, port: o.Port, keyAlias: o.Get("hostkeyalias")}
	if t.keyAlias == "" {
		t.keyAlias = t.alias
	}
	// Since 9.6 there is %j, and it is part of %C; ChannelTimeout is as old.
	if _, newer := o.values["channeltimeout"]; newer {
		hops, err := ParseJump(o.Get("proxyjump"))
		if err != nil {
			return t, err
		}
		if len(hops) > 0 {
			t.jump = hops[len(hops)-1].Alias
		}
	}
	return t, nil
}

// expand does what ssh does to these values only when it uses them.
func (r *Resolver) expand(o *Options, tokens map[byte]string) error {
	for _, key := range []string{"identityfile", "certificatefile", "revokedhostkeys"} {
		list := slices.DeleteFunc(o.values[key], func(path string) bool { return strings.EqualFold(path, "none") })
		for i, path := range list {
			var err error
			if list[i], err = r.local.expandPath(path, tokens); err != nil {
				return fmt.Errorf("%s %s: %w", key, path, err)
			}
		}
		o.values[key] = list
	}
	for i, path := range o.All("globalknownhostsfile") {
		if expanded, err := r.local.expandTilde(path); err == nil {
			o.values["globalknownhostsfile"][i] = expanded
		}
	}
	if command := o.Get("proxycommand"); command != "" {
		few, err := proxyTokens(command, tokens)
		if err != nil {
			return err
		}
		if command, err = expandPercent(command, few); err != nil {
			return fmt.Errorf("ProxyCommand: %w", err)
		}
		o.values["proxycommand"] = []string{command}
	}
	r.expandAgents(o)
	return nil
}

// expandAgents replaces the names of variables, which may stand without braces. A
// variable that is not set is no agent; the word SSH_AUTH_SOCK means the agent that
// is taken where nothing is written.
func (r *Resolver) expandAgents(o *Options) {
	if o.Get("identityagent") == "SSH_AUTH_SOCK" {
		delete(o.values, "identityagent")
	}
	for key, without := range map[string]string{"identityagent": "none", "forwardagent": "no"} {
		name, isVariable := strings.CutPrefix(o.Get(key), "$")
		if !isVariable {
			continue
		}
		value, _ := r.local.getenv(name)
		o.values[key] = []string{cmp.Or(value, without)}
	}
}
