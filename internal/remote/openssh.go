package remote

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/knownhosts"
)

// What can make a connection. OpenSSH is the engine of last resort, for what the
// built-in one cannot do (GSSAPI, PKCS#11, FIDO without an agent, KnownHostsCommand):
// a master connection of its own, over which our sessions run as over any other.
// It is chosen when a configuration needs it, or by the operator for a host.
const (
	EngineBuiltIn = "built-in"
	EngineOpenSSH = "openssh"
)

// opensshMemory are the places to which only ssh came, and why.
type opensshMemory struct {
	mu  sync.Mutex
	why map[place]opensshReason
}

// opensshReason is why ssh makes a connection; the zero one means that it does not.
type opensshReason struct {
	text    string
	methods string // PreferredAuthentications; empty: what the configuration says
}

func (m *opensshMemory) of(at place) opensshReason {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.why[at]
}

func (m *opensshMemory) keep(at place, why opensshReason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.why == nil {
		m.why = map[place]opensshReason{}
	}
	m.why[at] = why
}

// engine is what the operator chose for a place; empty: nothing.
func (p *Pool) engine(at place) string {
	if p.cfg.Engine == nil {
		return ""
	}
	return p.cfg.Engine(at.Destination)
}

// noOpenSSH says why ssh cannot make connections here; nil when it can.
func (p *Pool) noOpenSSH() error {
	switch {
	case runtime.GOOS == "windows":
		return job.WithHint(errors.New("the OpenSSH engine needs ControlMaster, which ssh on Windows does not have"), "Choose the built-in engine for this host.")
	case p.cfg.SSH == "":
		return job.WithHint(errors.New("the OpenSSH engine needs ssh, which is not installed"), "Install the OpenSSH client, or choose the built-in engine for this host.")
	}
	return nil
}

// choose decides who makes the connection.
func (d *dialer) choose(ctx context.Context, way []step) error {
	why, err := d.pool.choice(ctx, d.host.at, way)
	if err != nil {
		return d.failure(err)
	}
	d.ssh = why
	return nil
}

// choice says whether ssh makes a connection, and why. It is one program for the
// whole way: another connection must not run through a master, which may die of it.
func (p *Pool) choice(ctx context.Context, to place, way []step) (opensshReason, error) {
	chosen := p.engine(to)
	missing := p.noOpenSSH()
	switch {
	case chosen == EngineBuiltIn:
		return opensshReason{}, nil
	case chosen == EngineOpenSSH && missing != nil:
		return opensshReason{}, missing
	case chosen == EngineOpenSSH:
		return opensshReason{text: "chosen for this host"}, nil
	case missing != nil:
		return opensshReason{}, nil // ours may do
	}
	for _, s := range way {
		why := needsOpenSSH(ctx, s.options)
		if p.engine(s.at) == EngineOpenSSH {
			why = "chosen for it"
		}
		if why != "" {
			return opensshReason{text: s.hop.Name + ": " + why}, nil
		}
	}
	return p.openssh.of(to), nil
}

// needsOpenSSH says which option of a host only ssh can satisfy.
func needsOpenSSH(ctx context.Context, o *inventory.Options) string {
	for _, keyword := range []string{"PKCS11Provider", "KnownHostsCommand"} {
		if v := o.Get(keyword); v != "" && v != "none" {
			return keyword + " is set"
		}
	}
	for _, keyword := range []string{"HostbasedAuthentication", "ProxyUseFdpass"} {
		if o.Yes(keyword) {
			return keyword + " is set"
		}
	}
	if _, err := algorithms(o); err != nil {
		return err.Error()
	}
	if _, err := hostKeyAlgorithms(o); err != nil {
		return err.Error()
	}
	if path, named := securityKey(ctx, o); named {
		return path + " is a security key that no agent holds"
	}
	return ""
}

// securityKey finds a key of a FIDO token that no agent holds. One that is only
// found where ssh looks by default is not named: most hosts do without it.
func securityKey(ctx context.Context, o *inventory.Options) (path string, named bool) {
	var held []agentKey
	asked := false
	for _, file := range o.All("IdentityFile") {
		k, err := readKeyFile(atHome(file))
		if err != nil || k.pub == nil || !strings.HasPrefix(k.pub.Type(), "sk-") {
			continue
		}
		if !asked {
			asked = true
			held, _ = newAgent(o).list(ctx) // without an agent nothing is held
		}
		if slices.ContainsFunc(held, func(a agentKey) bool { return sameKey(a.pub, k.pub) }) {
			continue
		}
		byDefault := slices.ContainsFunc(builtInKeys, func(name string) bool { return strings.HasSuffix(file, "/.ssh/"+name) })
		if !byDefault {
			return file, true
		}
		path = file
	}
	return path, false
}

// avoidMaster lets ssh go the whole way when the jump host turned out to be one
// that only ssh reaches.
func (d *dialer) avoidMaster() error {
	if d.via.master() == nil {
		return nil
	}
	jump := d.via.host.name
	d.via.release(asJump)
	d.via = nil
	if d.pool.engine(d.host.at) == EngineBuiltIn {
		return d.failure(job.WithHint(fmt.Errorf("only ssh reaches its jump host %s", jump), "Let this host be reached with any engine: vmo hosts engine "+d.host.name+" auto"))
	}
	d.ssh.text = "only ssh reaches its jump host " + jump
	return nil
}

// instead reports whether ssh is to try what the built-in engine could not do.
func (d *dialer) instead(ctx context.Context, err error) bool {
	if d.ssh.text != "" || ctx.Err() != nil || errors.Is(err, ErrRefused) ||
		d.pool.engine(d.host.at) == EngineBuiltIn || d.pool.noOpenSSH() != nil {
		return false
	}
	var c *ConnectError
	o := d.step.options
	switch {
	case errors.As(err, new(*ssh.AlgorithmNegotiationError)):
		d.ssh.text = "the built-in engine and the server have no algorithm in common"
	case errors.Is(err, knownhosts.ErrKRL):
		d.ssh.text = "RevokedHostKeys is a list that only ssh can read"
	case !errors.As(err, &c) || c.Status != StatusRefused:
	case o.Yes("GSSAPIAuthentication") && slices.Contains(d.takes, "gssapi-with-mic"):
		d.ssh = opensshReason{"the server takes gssapi-with-mic, and nothing else worked", "gssapi-with-mic"}
	case slices.Contains(d.takes, "publickey"):
		if path, _ := securityKey(ctx, o); path != "" {
			d.ssh = opensshReason{path + " is a security key that no agent holds, and nothing else worked", "publickey"}
		}
	}
	return d.ssh.text != ""
}

// openssh lets ssh make the connection.
func (d *dialer) openssh(ctx context.Context, permit permit) (*link, error) {
	o, hop := d.step.options, d.step.hop
	limit := seconds(o.Get("ConnectTimeout"), connectTimeout) * time.Duration(hop.Of)
	watch := newWatchdog(limit)
	defer watch.stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch.guard(func() { cancel(fmt.Errorf("%w after %v", errTimeout, limit)) })

	d.trail.add(hop.Name, "openssh", "ssh makes the connection: "+clean(d.ssh.text), true)
	m, err := d.startMaster(ctx, d.prompts.during(func() { // a person takes as long as it takes
		permit.global()
		watch.pause()
	}, watch.resume))
	if err != nil {
		return nil, err
	}
	if err = m.ready(ctx); err != nil {
		_ = m.Close() // so that all it had to say has been read
		err = m.explain(err)
		d.trail.append(m.said.steps(hop.Name))
		d.trail.add(hop.Name, "openssh", clean(err.Error()), false)
		return nil, err
	}
	conn := &watched{Conn: m}
	stop := context.AfterFunc(ctx, func() { _ = m.Close() })
	c, chans, reqs, err := ssh.NewControlClientConn(conn)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = m.Close()
		return nil, fmt.Errorf("use the connection of ssh: %w", err)
	}
	d.pool.openssh.keep(d.host.at, d.ssh)
	d.trail.append(m.said.steps(hop.Name))
	m.tellAccepted()
	// Without a keepalive of ours: the request can kill a master. It has its own.
	return &link{host: d.host, conn: conn, client: ssh.NewClient(c, chans, reqs), options: o, asked: m.hasAsked(), dead: make(chan struct{})}, nil
}

// opensshArgv is the command line of a master whose socket is at path.
func (d *dialer) opensshArgv(path string, ask bool) []string {
	o, at := d.step.options, d.host.at
	argv := []string{d.pool.cfg.SSH, "-v", "-M", "-N", "-T", "-x", "-S", path}
	set := func(option string) { argv = append(argv, "-o", option) }
	if d.pool.cfg.SSHConfig != "" {
		argv = append(argv, "-F", d.pool.cfg.SSHConfig)
	}
	set("ControlPersist=no")
	set(fmt.Sprintf("ServerAliveInterval=%d", number(o.Get("ServerAliveInterval"), 15)))
	// What ours does not do either, or what would take the connection from us.
	set("ClearAllForwardings=yes")
	set("RemoteCommand=none")
	set("PermitLocalCommand=no")
	if o.Yes("ForkAfterAuthentication") { // older ones do not know it
		set("ForkAfterAuthentication=no")
	}
	if !ask {
		set("BatchMode=yes")
	}
	if d.ssh.methods != "" {
		set("PreferredAuthentications=" + d.ssh.methods)
	}
	if at.User != "" {
		argv = append(argv, "-l", at.User)
	}
	if at.Port != 0 {
		argv = append(argv, "-p", strconv.Itoa(at.Port))
	}
	if at.jumps != "" {
		argv = append(argv, "-J", at.jumps)
	}
	return append(argv, "--", at.Alias)
}

// master is what carries the link when ssh has made it, else nil.
func (l *link) master() *master {
	m, _ := l.conn.Conn.(*master)
	return m
}
