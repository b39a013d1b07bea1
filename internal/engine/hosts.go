package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process"
	"vmorchestrator/internal/remote"
)

// HostInfo is a host of the list and what its connections have shown of it.
type HostInfo struct {
	inventory.Host
	State remote.State `json:"state"`
}

// Hosts is every host that can be chosen.
type Hosts struct {
	Hosts     []HostInfo          `json:"hosts"`
	Problems  []inventory.Problem `json:"problems"`
	SSHConfig string              `json:"ssh_config"` // where they were looked for
	Looked    []string            `json:"looked"`
}

// listed keeps the list of hosts until a file of it changes.
type listed struct {
	mu    sync.Mutex
	list  inventory.List
	stamp string
}

// inventory returns the list of hosts as the files are now.
func (e *Engine) inventory() inventory.List {
	sources := e.sources()
	e.listed.mu.Lock()
	defer e.listed.mu.Unlock()
	key := strings.Join(sources.Roots, "\n")
	if e.listed.stamp == "" || e.listed.stamp != key+stamp(e.listed.list.Looked) {
		e.listed.list = inventory.Read(sources)
		e.listed.stamp = key + stamp(e.listed.list.Looked)
	}
	return e.listed.list
}

// stamp changes when one of the files does.
func stamp(files []string) string {
	var b strings.Builder
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			fmt.Fprintf(&b, "\n%s %d %d", f, info.ModTime().UnixNano(), info.Size())
		}
	}
	return b.String()
}

// sources are where hosts may be written down: ssh's configuration, and the
// environments of the projects and of the configuration folder.
func (e *Engine) sources() inventory.Sources {
	s := inventory.Sources{SSHConfig: e.config.SSHConfig, Home: e.home, Roots: []string{e.config.ConfigDir}}
	if all, err := e.Projects(); err == nil {
		for _, p := range all.Projects {
			s.Roots = append(s.Roots, p.Dir)
		}
	}
	return s
}

// Hosts lists the hosts. Nothing is connected to, resolved or executed for it.
func (e *Engine) Hosts(context.Context) (Hosts, error) {
	list := e.inventory()
	out := Hosts{Hosts: make([]HostInfo, len(list.Hosts)), Problems: list.Problems, SSHConfig: e.config.SSHConfig, Looked: list.Looked}
	if out.SSHConfig == "" {
		out.SSHConfig = filepath.Join(e.home, ".ssh", "config")
	}
	for i, h := range list.Hosts {
		out.Hosts[i] = HostInfo{Host: h}
		if !h.Local {
			out.Hosts[i].State = e.pool.State(h.Destination)
		}
	}
	return out, nil
}

// Host returns the host of a name: one of the list, or what could stand after ssh.
func (e *Engine) Host(name string) (inventory.Host, error) {
	found, err := e.SelectHosts([]string{name})
	if err != nil {
		return inventory.Host{}, err
	}
	if len(found) != 1 {
		return inventory.Host{}, fmt.Errorf("%w: %q names %d hosts; one is wanted", job.ErrInvalid, name, len(found))
	}
	return found[0], nil
}

// SelectHosts returns the hosts that names mean, in their order: names of the
// list, env:NAME, tag:NAME, or what could stand after ssh.
func (e *Engine) SelectHosts(names []string) ([]inventory.Host, error) {
	found, err := inventory.Select(e.inventory(), names)
	if err != nil {
		return nil, job.WithHint(fmt.Errorf("choose hosts: %w: %w", job.ErrNotFound, err), "List the hosts with: vmo hosts. One that is not listed is named with a user or a port, as user@name or name:22.")
	}
	return found, nil
}

// FilterHosts returns hosts as a filter of the history has them: env:NAME and
// tag:NAME mean the hosts that have it now, every other name itself, since what
// ran on a host that is on no list any more is still to be found.
func (e *Engine) FilterHosts(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		if !strings.HasPrefix(name, "env:") && !strings.HasPrefix(name, "tag:") {
			out = append(out, name)
			continue
		}
		found, err := e.SelectHosts([]string{name})
		if err != nil {
			return nil, err
		}
		for _, h := range found {
			out = append(out, h.Name)
		}
	}
	return out, nil
}

// Option is one effective option of a host.
type Option struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
	File   string   `json:"file"` // where it is written; empty: a default
	Line   int      `json:"line"`
}

// HostDetail is what ssh would do to reach a host, and how that went.
type HostDetail struct {
	HostInfo
	Resolved string    `json:"resolved"` // user@host:port
	By       string    `json:"by"`       // "ssh" or "built-in"
	Why      string    `json:"why"`      // why it was not ssh
	Jumps    []string  `json:"jumps"`    // the hops before it, as configured
	Options  []Option  `json:"options"`
	Forwards []Forward `json:"forwards"` // that the configuration asks for; a tunnel or a shell opens them
	Differs  []string  `json:"differs"`  // what is not done as ssh does it
}

// HostDetail resolves one host, which may run what its configuration says with
// Match exec.
func (e *Engine) HostDetail(ctx context.Context, name string) (HostDetail, error) {
	h, err := e.Host(name)
	if err != nil {
		return HostDetail{}, err
	}
	d := HostDetail{HostInfo: HostInfo{Host: h}, Jumps: []string{}, Options: []Option{}, Forwards: []Forward{}, Differs: []string{}}
	if h.Local {
		return d, nil
	}
	d.State = e.pool.State(h.Destination)
	o, err := e.resolver.Resolve(ctx, h.Destination)
	if err != nil {
		return d, hostError(name, err)
	}
	d.Resolved = inventory.Destination{Alias: o.HostName, User: o.User, Port: o.Port}.String()
	d.By, d.Why = o.By, o.Why
	jumps, err := inventory.ParseJump(o.Get("proxyjump"))
	if err != nil {
		return d, hostError(name, err)
	}
	for _, j := range jumps {
		d.Jumps = append(d.Jumps, j.String())
	}
	for _, key := range o.Keys() {
		origin := o.Origin(key)
		d.Options = append(d.Options, Option{key, o.All(key), origin.File, origin.Line})
	}
	forwards, problems := o.Forwards()
	d.Forwards = append(d.Forwards, forwards...)
	d.Differs = append(inventory.Differs(h, o), differs(o)...)
	for _, p := range problems {
		d.Differs = append(d.Differs, p.Error())
	}
	return d, nil
}

func hostError(name string, err error) error {
	return job.WithHint(fmt.Errorf("resolve %s: %w", name, err), "See what ssh says with: ssh -G "+name)
}

// differs says what is not done as ssh would do it.
func differs(o *inventory.Options) (out []string) {
	say := func(key string, when bool, text string) {
		if when {
			out = append(out, key+": "+text)
		}
	}
	say("Compression", o.Yes("compression"), "not used; the data is the same")
	say("RemoteCommand", set(o, "remotecommand"), "ignored: what runs is what you ask for")
	for _, key := range []string{"LocalForward", "RemoteForward", "DynamicForward"} {
		say(key, set(o, key), "opened by a shell and a tunnel; commands and logs share connections, and the port would clash")
	}
	say("VerifyHostKeyDNS", o.Yes("verifyhostkeydns") || o.Get("verifyhostkeydns") == "ask", "DNS is not asked for host keys; one that is not known is asked about")
	say("ForwardX11", o.Yes("forwardx11"), "not done")
	say("LocalCommand", o.Yes("permitlocalcommand") && set(o, "localcommand"), "not run")
	say("ControlMaster", o.Yes("controlmaster") || o.Get("controlmaster") == "auto", "your own sockets are not touched; connections are shared inside this program")
	return out
}

func set(o *inventory.Options, key string) bool { v := o.Get(key); return v != "" && v != "none" }

// ConnectHost connects to a host, or waits for the connection that is being made.
func (e *Engine) ConnectHost(ctx context.Context, name string) error {
	h, err := e.Host(name)
	if err != nil || h.Local {
		return err
	}
	before := e.pool.State(h.Destination)
	err = e.pool.Connect(ctx, h.Destination)
	e.connected(h, before, "")
	return connectError(err)
}

// DisconnectHost closes the connections to a host. Jobs that run there are lost.
func (e *Engine) DisconnectHost(name string) error {
	h, err := e.Host(name)
	if err == nil && !h.Local {
		e.pool.Disconnect(h.Destination)
	}
	return err
}

// connectError carries the ladder of a failed connection to the operator.
func connectError(err error) error {
	var c *remote.ConnectError
	if !errors.As(err, &c) || job.HintOf(err) != "" {
		return err
	}
	next := "Try in a terminal: ssh -v " + c.Host
	if c.Hop != c.Host && c.Hop != "" {
		next = "Try in a terminal: ssh -v " + c.Hop
	}
	return job.WithHint(err, next)
}

// pool's hints: a connection changed, so the list of hosts may look different.
func (e *Engine) hostChanged(inventory.Destination) { e.changes.addHosts() }

// left names what a job whose owner died may have left.
func left(j job.Job, pid int) []job.Survivor {
	switch {
	case j.Host == "":
		return process.Descendants(j.ID)
	case j.State == job.Pending || j.Link == job.LinkStop || j.TTY || pid == 0:
		return nil // it was never started, or ends with the connection
	}
	return []job.Survivor{{PID: pid, Command: strings.Join(j.Argv, " "),
		Why: "may still run on " + j.Host + "; end it there with: vmo cancel " + string(j.ID)}}
}

// EndLeft ends what a lost job has left on its host, connecting to it if need be:
// everything that carries the job's id there. It returns how many processes were
// found, and those that could not be ended. The record stays as it is; that it was
// done is in the ledger.
func (e *Engine) EndLeft(ctx context.Context, j job.Job, force bool) (found int, left []job.Survivor, err error) {
	if j.State != job.Lost || j.Host == "" {
		return 0, nil, fmt.Errorf("end what job %s has left: %w: it is %s", j.ID, job.ErrInvalid, j.State)
	}
	h, err := e.Host(j.Host)
	if err != nil {
		return 0, nil, err
	}
	r, err := e.Output(j.ID)
	if err != nil {
		return 0, nil, err
	}
	pid := r.PID()
	if err := r.Close(); err != nil {
		return 0, nil, err
	}
	left, found, err = e.pool.KillRun(ctx, h.Destination, j.ID, pid, force)
	outcome := fmt.Sprintf("%d found, %d left", found, len(left))
	if err != nil {
		outcome = "not known"
	}
	if c := (*remote.ConnectError)(nil); !errors.As(err, &c) { // else nobody was there
		e.tell(h, j.ID, fmt.Sprintf("to end what the lost job had left: %s; %s", outcome, wayWords(h.Destination, e.pool.State(h.Destination))))
	}
	return found, left, connectError(err)
}
