package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
)

// connectTimeout bounds the TCP connection and the handshake, where ssh itself
// would wait for ever.
const connectTimeout = 15 * time.Second

// connect makes one more authenticated connection to the host, through whatever
// is on the way.
func (h *host) connect(ctx context.Context, prompts Prompts) (*link, *trail, error) {
	t := &trail{}
	way, err := h.pool.route(ctx, h.at, t)
	if err != nil {
		return nil, t, err
	}
	t.setOut(way)
	d := &dialer{host: h, pool: h.pool, trail: t, way: way, step: way[len(way)-1], prompts: prompts}
	if err := d.choose(ctx, way); err != nil {
		return nil, t, err
	}
	if len(way) > 1 && d.ssh.text == "" {
		l, err := d.through(ctx, way[len(way)-2].at)
		if err != nil {
			return nil, t, err
		}
		defer func() {
			if d.via != nil {
				d.via.release(asJump) // nobody has taken it over
			}
		}()
		d.via = l
		if err := d.avoidMaster(); err != nil {
			return nil, t, err
		}
	}
	l, err := d.try(ctx)
	if err != nil && d.instead(ctx, err) {
		l, err = d.try(ctx)
	}
	return l, t, err
}

// through connects to the jump host.
func (d *dialer) through(ctx context.Context, at place) (*link, error) {
	h, err := d.pool.host(at)
	if err != nil {
		return nil, err
	}
	l, err := h.link(context.WithValue(ctx, journey{}, journey{d.step.hop.Host, d.step.hop.Of}))
	var c *ConnectError
	switch {
	case errors.As(err, &c): // of the jump host itself; it is a hop of ours
		d.trail.through(State{Steps: c.Steps, Way: h.snapshot().Way})
		hop := c.Hop
		if hop == c.Host {
			hop = at.String()
		}
		return nil, &ConnectError{Host: d.host.name, Hop: hop, Status: c.Status, Steps: d.trail.all(), Err: withHintOf(c.Err, err)}
	case err != nil:
		return nil, err
	}
	d.trail.through(h.snapshot())
	return l, nil
}

// dialer is one attempt to reach one machine.
type dialer struct {
	host     *host
	pool     *Pool
	trail    *trail
	way      []step
	step     step // the last one of the way
	prompts  Prompts
	via      *link // the connection to the jump host
	asked    bool  // the operator was asked something
	ssh      opensshReason
	patience patience
	takes    []string // the methods with which the server lets in, as it said last
}

// try shakes hands, and again after a pause if the server closed the connection
// before it had said anything that matters: it has too many at once. A server that
// does so again and again is left alone for longer, by everybody. It never tries
// again once it has come to authentication, which servers count.
func (d *dialer) try(ctx context.Context) (*link, error) {
	for attempt := 0; ; attempt++ {
		permit, probe, err := d.enter(ctx)
		if err != nil {
			return nil, err
		}
		l, err := d.once(ctx, permit)
		permit.done()
		var early *earlyEnd
		soon := errors.As(err, &early)
		var out *shutOut
		if d.limited() {
			out = d.pool.pacing.ended(d.endpoint(), probe, soon, err == nil || d.spoke(err))
		}
		if err == nil {
			return l, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		switch {
		case !soon || attempt == len(backPause):
			return nil, d.failure(err)
		case out != nil && (probe || attempt+1 >= tooOften): // others wait; this one has tried enough
			return nil, d.failure(fmt.Errorf("%w; %w", err, out))
		}
		d.trail.add(d.step.hop.Name, "handshake", "the server closed the connection at once; trying again", false)
		if out != nil {
			continue // enter waits
		}
		select {
		case <-time.After(rand.N(backPause[attempt])):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// limited reports whether it is a server that closes the connection, and not a
// program on the way.
func (d *dialer) limited() bool { return d.via != nil || proxyCommand(d.step.options) == "" }

// spoke reports whether the server has said who it is, by what became of an attempt.
func (d *dialer) spoke(err error) bool {
	var key *HostKeyError
	return errors.As(err, new(*authFailure)) || errors.As(err, &key)
}

// enter waits for leave to shake hands, and before that while the server is left
// alone, and says so.
func (d *dialer) enter(ctx context.Context) (p permit, probe bool, err error) {
	pacing, name := d.pool.pacing, d.endpoint()
	for {
		if d.limited() {
			probe, err = pacing.pass(ctx, name, &d.patience, d.waits)
			switch {
			case ctx.Err() != nil:
				err = context.Cause(ctx)
			case err != nil:
				err = d.failure(err)
			}
		}
		if err != nil {
			return p, false, err
		}
		p, err = pacing.enter(ctx, name)
		switch {
		case err != nil && probe:
			pacing.ended(name, true, false, false)
			return p, false, err
		case err != nil:
			return p, false, err
		case probe || !d.limited() || !pacing.isAlone(name):
			return p, probe, nil
		}
		p.done() // it was shut out while this one waited for its turn
	}
}

// waits says that the server is left alone for now.
func (d *dialer) waits(why *shutOut) {
	d.trail.add(d.step.hop.Name, "handshake", why.Error(), false)
	h := d.host
	h.mu.Lock()
	if h.state.Status == StatusConnecting {
		h.state.Error, h.state.Hint, h.state.Next = why.Error(), limitsHint, time.Now().Add(why.left)
	}
	h.mu.Unlock()
	h.changed()
}

// endpoint names what is dialled, for pacing.
func (d *dialer) endpoint() string {
	if d.via != nil {
		return d.via.host.name + " " + d.via.host.at.jumps + " > " + d.step.hop.Addr
	}
	if command := proxyCommand(d.step.options); command != "" {
		return command
	}
	return d.step.hop.Addr
}

// once makes the network connection and shakes hands over it.
func (d *dialer) once(ctx context.Context, permit permit) (*link, error) {
	if d.ssh.text != "" {
		return d.openssh(ctx, permit)
	}
	limit := seconds(d.step.options.Get("ConnectTimeout"), connectTimeout)
	watch := newWatchdog(limit)
	defer watch.stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch.guard(func() { cancel(fmt.Errorf("%w after %v", errTimeout, limit)) })

	conn, err := d.reach(ctx)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	c := &watched{Conn: conn}
	c.last.Store(time.Now().UnixNano())
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	l, err := d.shake(ctx, c, watch, permit)
	stop()
	if err == nil && ctx.Err() != nil { // closed in the last moment
		_ = l.client.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = c.Close()
		if cause := context.Cause(ctx); cause != nil && !errors.As(err, new(*authFailure)) {
			err = fmt.Errorf("%w while shaking hands", cause)
		}
		if p, ok := conn.(*program); ok && !errors.As(err, new(*authFailure)) {
			err = p.explain(err)
		}
		return nil, err
	}
	return l, nil
}

// reach makes the network connection.
func (d *dialer) reach(ctx context.Context) (net.Conn, error) {
	o, hop := d.step.options, d.step.hop
	var (
		conn net.Conn
		what = "tcp"
		how  = hop.Addr
		err  error
	)
	switch {
	case d.via != nil:
		how += " through " + d.via.host.name
		conn, err = d.via.dial(ctx, hop.Addr)
	case proxyCommand(o) != "":
		what, how = "proxy", proxyCommand(o)
		conn, err = d.pool.spawn(ctx, how, hop)
	default:
		network := map[string]string{"inet": "tcp4", "inet6": "tcp6"}[o.Get("AddressFamily")]
		if network == "" {
			network = "tcp"
		}
		dialer := net.Dialer{}
		if bind := o.Get("BindAddress"); bind != "" {
			if dialer.LocalAddr, err = net.ResolveTCPAddr(network, net.JoinHostPort(bind, "0")); err != nil {
				return nil, err
			}
		}
		if o.Get("TCPKeepAlive") == "no" {
			dialer.KeepAlive = -1
		}
		conn, err = dialer.DialContext(ctx, network, hop.Addr)
	}
	if err != nil {
		d.trail.add(hop.Name, what, how+": "+clean(err.Error()), false)
		return nil, err
	}
	d.trail.add(hop.Name, what, how, true)
	return conn, nil
}

// shake authenticates the server to us and us to the server.
func (d *dialer) shake(ctx context.Context, conn *watched, watch *watchdog, permit permit) (*link, error) {
	o, hop := d.step.options, d.step.hop
	cfg, err := algorithms(o)
	if err != nil {
		return nil, err
	}
	prompts := d.prompts.during(func() { // a person takes as long as it takes
		d.asked = true
		permit.global()
		watch.pause()
	}, watch.resume)
	keys, err := d.pool.keys.of(ctx, o, hop, prompts)
	if err != nil {
		return nil, err
	}
	auth := newAuth(ctx, o, hop, prompts, d.pool.memory)
	defer auth.close()
	auth.waits = func(begin bool) { // also for who is asked by another connection, or by the agent
		if !begin {
			watch.resume()
			return
		}
		permit.global()
		watch.pause()
	}
	sure := false // of the server
	config := &ssh.ClientConfig{
		Config: cfg, User: o.User, HostKeyAlgorithms: keys.algorithms(), AuthCallback: auth.next,
		HostKeyCallback: d.hostKey(keys, func() {
			sure = true
			if keys.untrusted() {
				auth.withoutPasswords()
			}
		}),
		BannerCallback: d.banner(prompts),
	}
	c, chans, reqs, err := ssh.NewClientConn(auth.watch(conn), hop.Addr, config)
	watch.stop()
	switch {
	case err != nil && !sure:
		if early(err) {
			return nil, &earlyEnd{err}
		}
		return nil, err
	default:
		d.takes = auth.allowed
		explained := auth.explain(err)
		d.trail.append(auth.steps())
		if explained != nil {
			return nil, &authFailure{explained}
		}
	}
	l := &link{host: d.host, conn: conn, options: o, asked: d.asked, dead: make(chan struct{})}
	l.alive = keepalive{every: seconds(o.Get("ServerAliveInterval"), 15*time.Second), count: max(1, number(o.Get("ServerAliveCountMax"), 3)), now: make(chan struct{}, 1)}
	if d.via != nil {
		via := d.via
		d.via = nil
		conn.onClose = sync.OnceFunc(func() { via.release(asJump) })
	}
	l.client = ssh.NewClient(c, chans, keys.serve(l, c, reqs))
	if !keys.untrusted() {
		l.agent = newAgentForwarder(l.client, o)
	}
	return l, nil
}

// hostKey is the callback that judges the server's key. It is called again whenever
// the connection changes its keys: that is no step of the attempt any more.
func (d *dialer) hostKey(keys *hopKeys, sure func()) ssh.HostKeyCallback {
	first := true
	return func(name string, addr net.Addr, key ssh.PublicKey) error {
		err := keys.check(name, addr, key)
		if !first {
			return err
		}
		first = false
		if err != nil {
			d.trail.add(d.step.hop.Name, "host key", clean(err.Error()), false)
			return err
		}
		text := describeKey(key)
		d.trail.mu.Lock()
		d.trail.hostKey = text
		d.trail.mu.Unlock()
		d.trail.add(d.step.hop.Name, "host key", text, true)
		sure()
		return nil
	}
}

// describeKey names a host key by its type and fingerprint, as ssh-keygen -l does: of
// a certificate those of its key, and who has signed it.
func describeKey(key ssh.PublicKey) string {
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return key.Type() + " " + ssh.FingerprintSHA256(key)
	}
	return fmt.Sprintf("%s %s, signed by %s %s", cert.Type(), ssh.FingerprintSHA256(cert.Key), cert.SignatureKey.Type(), ssh.FingerprintSHA256(cert.SignatureKey))
}

// maxBanner is how much a server may say before it lets anybody in.
const maxBanner = 64 << 10

func (d *dialer) banner(prompts Prompts) ssh.BannerCallback {
	left := maxBanner
	return func(text string) error {
		if left -= len(text); left < 0 {
			return errors.New("the server says too much before it lets anybody in")
		}
		d.trail.said(d.step.hop.Name, text)
		if prompts.Banner != nil && text != "" {
			prompts.Banner(d.step.hop, text)
		}
		return nil
	}
}

// earlyEnd is the end of a connection before the server has proved who it is.
type earlyEnd struct{ err error }

func (e *earlyEnd) Error() string {
	return "the server closed the connection before authentication: " + clean(e.err.Error())
}
func (e *earlyEnd) Unwrap() error { return e.err }

// authFailure is what became of a handshake after the server had proved who it is.
type authFailure struct{ err error }

func (e *authFailure) Error() string { return e.err.Error() }
func (e *authFailure) Unwrap() error { return e.err }

func early(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func proxyCommand(o *inventory.Options) string {
	if c := o.Get("ProxyCommand"); c != "none" {
		return c
	}
	return ""
}

func number(s string, otherwise int) int {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return n
	}
	return otherwise
}

func seconds(s string, otherwise time.Duration) time.Duration {
	return time.Duration(number(s, int(otherwise/time.Second))) * time.Second
}
