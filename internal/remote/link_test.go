//go:build unix

package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process/processtest"
	"vmorchestrator/internal/remote/remotetest"
)

// Ensure that a link on which nothing arrives any more is noticed by the
// keepalive, and that the command on it is lost then, with how to end it.
func TestLink_FrozenIsLost(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	p := poolFor(t, s, "ServerAliveInterval 1", "ServerAliveCountMax 2")
	out := processtest.NewRecorder()
	c := shell("echo ready; exec sleep 600")
	c.Stdout = out
	r := run(t, p, web1, c)
	out.Until(t, "ready")
	defer processtest.End(t, job.Survivor{PID: r.PID()})
	proxy.Freeze()
	began := time.Now()
	e := processtest.Wait(t, r)
	if e.State != job.Lost || e.Cause != job.CauseLink || !strings.Contains(e.Detail, "no answer") || !strings.Contains(e.Detail, "vmo cancel "+string(c.ID)) {
		t.Errorf("got %+v", e)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if st := p.State(web1); st.Status != StatusLost || st.Error == "" {
		t.Errorf("got %+v", st)
	}
	proxy.Thaw()
	left, found, err := p.KillRun(within(t, time.Minute), web1, c.ID, r.PID(), false)
	if err != nil || found != 1 || left != nil || processtest.Alive(r.PID()) {
		t.Errorf("KillRun: got %v, %d, %v, alive %t", left, found, err, processtest.Alive(r.PID()))
	}
}

func TestNetworkChanged_NoticesAtOnce(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	p := poolFor(t, s, "ServerAliveInterval 3600")
	out := processtest.NewRecorder()
	c := shell("echo ready; exec sleep 600")
	c.Stdout = out
	r := run(t, p, web1, c)
	out.Until(t, "ready")
	defer processtest.End(t, job.Survivor{PID: r.PID()})
	p.NetworkChanged() // nothing happens to a link that lives
	if _, _, _, err := p.Output(within(t, time.Minute), web1, []string{"true"}, nil, 0); err != nil {
		t.Error(err)
	}
	proxy.Freeze()
	p.NetworkChanged()
	if e := processtest.Wait(t, r); e.State != job.Lost {
		t.Errorf("got %+v", e)
	}
}

// Ensure that everything that has arrived is written, although the link was cut
// in the middle of it.
func TestLink_CutLosesNothingThatArrived(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	p := poolFor(t, s)
	out, open := processtest.Blocked()
	c := shell("i=0; while :; do echo $i; i=$((i+1)); done")
	c.Stdout = out
	r := run(t, p, web1, c)
	processtest.Await(t, "a Write", out.Stuck)
	proxy.Cut()
	open()
	if e := processtest.Wait(t, r); e.State != job.Lost {
		t.Errorf("got %+v", e)
	}
	defer processtest.End(t, job.Survivor{PID: r.PID()})
	lines := strings.Split(out.String(), "\n")
	for i, line := range lines[:len(lines)-1] {
		if line != strconv.Itoa(i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if len(lines) < 2 {
		t.Error("nothing arrived")
	}
}

// Ensure that a watched host is connected again without being asked for.
func TestWatch_ConnectsAgain(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	p := poolFor(t, s)
	stop := p.Watch(web1)
	defer stop()
	if err := p.Connect(within(t, time.Minute), web1); err != nil {
		t.Fatal(err)
	}
	proxy.Refuse(true)
	proxy.Cut()
	for p.State(web1).Attempt < 2 {
		time.Sleep(time.Millisecond)
	}
	if st := p.State(web1); st.Status != StatusLost || st.Next.IsZero() {
		t.Errorf("got %+v", st)
	}
	proxy.Refuse(false)
	p.NetworkChanged()
	for p.State(web1).Status != StatusConnected {
		time.Sleep(time.Millisecond)
	}
}

// Ensure that a kept run goes on while there is no connection, and that not one
// byte of its output is missing or doubled.
func TestKeep_OutputIsWholeAcrossLinks(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	p := poolFor(t, s)
	flag := filepath.Join(t.TempDir(), "go on")
	out, errs := processtest.NewRecorder(), processtest.NewRecorder()
	c := command(shell(fmt.Sprintf(`i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; echo half >&2
while [ ! -e '%s' ]; do sleep 0.1; done
while [ $i -lt 4000 ]; do echo line $i; i=$((i+1)); done; echo whole >&2; exit 7`, flag)))
	c.Stdout, c.Stderr, c.Link = out, errs, job.LinkKeep
	r, err := p.Start(within(t, time.Minute), web1, c)
	if err != nil {
		t.Fatal(err)
	}
	out.Until(t, "line 1500\n")
	proxy.Cut()
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e := processtest.Wait(t, r)
	if e.Code == nil || *e.Code != 7 {
		t.Errorf("got %+v", e)
	}
	var want strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&want, "line %d\n", i)
	}
	if out.String() != want.String() || errs.String() != "half\nwhole\n" {
		t.Errorf("got %d bytes, want %d; and %q", len(out.String()), want.Len(), errs)
	}
}

func TestKeep_Cancel(t *testing.T) {
	t.Parallel()
	p := poolFor(t, remotetest.Start(t, remotetest.Config{}))
	out := processtest.NewRecorder()
	c := command(processtest.As("stubborn"))
	c.Stdout, c.Link, c.Grace = out, job.LinkKeep, 100*time.Millisecond
	r, err := p.Start(within(t, time.Minute), web1, c)
	if err != nil {
		t.Fatal(err)
	}
	out.Until(t, "ready")
	r.Cancel()
	if e := processtest.Wait(t, r); e.State != job.Failed || e.Survivors != nil || processtest.Alive(out.PIDs("ready")[0]) {
		t.Errorf("got %+v", e)
	}
}

// Ensure a command that is to stop with its connection is lost, and gone at the host
// with everything it started, when the link is cut or disconnected: with pipes, with
// input that stays open, in a terminal.
func TestLink_StopEndsEverything(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{})
	p := poolFor(t, s)
	for how, cut := range map[string]func(){"cut": proxy.Cut, "disconnected": func() { p.Disconnect(web1) }} {
		var all []*Process
		for _, change := range []func(*processtest.Config){
			func(*processtest.Config) {},
			func(c *processtest.Config) { c.Input = true },
			func(c *processtest.Config) { c.TTY = true },
		} {
			out := processtest.NewRecorder()
			c := shell("setsid sleep 600 & sleep 600 & echo ready; sleep 600; echo over")
			c.Stdout = out
			change(&c)
			cmd := command(c)
			cmd.Link = job.LinkStop
			r, err := p.Start(within(t, time.Minute), web1, cmd)
			if err != nil {
				t.Fatal(err)
			}
			out.Until(t, "ready")
			if n := len(remotetest.Carrying("VMO_RUN=" + string(cmd.ID))); n < 3 {
				t.Errorf("%s: only %d processes run", how, n)
			}
			all = append(all, r)
		}
		cut()
		for i, r := range all {
			if e := processtest.Wait(t, r); e.State != job.Lost || e.Cause != job.CauseLink {
				t.Errorf("%s, %d: got %+v", how, i, e)
			}
			for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				left := remotetest.Carrying("VMO_RUN=" + string(r.cmd.ID))
				if len(left) == 0 {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("%s, %d: processes %v are left", how, i, left)
				}
			}
		}
	}
}

// Ensure nothing that is asked of a host waits for ever when its jump host is frozen:
// neither a session on a connection that there is, nor another connection; and not
// either when the keepalive is rare.
func TestLink_FrozenJumpHost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines   []string
		session time.Duration
		connect bool
		want    string
	}{
		"the keepalive notices":     {[]string{"ServerAliveInterval 1", "ServerAliveCountMax 2", "ConnectTimeout 2"}, time.Hour, true, "no answer after 2s"},
		"a session takes too long":  {[]string{"ServerAliveInterval 3600"}, time.Second, true, "start a session on inner: no answer after 1s"},
		"connecting takes too long": {[]string{"ServerAliveInterval 3600", "ConnectTimeout 1"}, time.Hour, false, "no answer after 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := remotetest.Start(t, remotetest.Config{})
			outer, proxy := behindProxy(t, remotetest.Config{})
			p := gateway(t, inner, outer, append(c.lines, "ProxyJump outer")...)
			p.sessionTime = c.session
			d := inventory.Destination{Alias: "inner"}
			first := d
			if !c.connect {
				first = inventory.Destination{Alias: "outer"}
			}
			if err := p.Connect(within(t, time.Minute), first); err != nil {
				t.Fatal(err)
			}
			proxy.Freeze()
			ctx := within(t, 30*time.Second) // sooner than the keepalive of the jump host
			_, _, _, err := p.Output(ctx, d, []string{"true"}, nil, 0)
			if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// gateway makes a Pool for which inner is behind outer, and each is a server of
// its own.
func gateway(t *testing.T, inner, outer *remotetest.Server, lines ...string) *Pool {
	return newTestPool(t, func(d inventory.Destination) *inventory.Options {
		switch d.Alias {
		case "inner":
			o := inner.Options("web1", lines...)
			o.Destination = d
			return o
		case "outer":
			o := outer.Options("web1")
			o.Destination = d
			return o
		}
		return nil
	})
}

func TestProxyJump(t *testing.T) {
	t.Parallel()
	inner, outer := remotetest.Start(t, remotetest.Config{}), remotetest.Start(t, remotetest.Config{})
	p := gateway(t, inner, outer, "ProxyJump outer")
	d := inventory.Destination{Alias: "inner"}
	out, _, code, err := p.Output(within(t, time.Minute), d, []string{"sh", "-c", "echo ${SSH_CONNECTION##* }"}, nil, 100)
	if err != nil || code != 0 || strings.TrimSpace(string(out)) != strconv.Itoa(inner.Port) {
		t.Errorf("got %q, %d, %v", out, code, err)
	}
	if way := p.State(d).Way; len(way) != 2 || !strings.HasSuffix(way[0].Addr, strconv.Itoa(outer.Port)) {
		t.Errorf("got the way %+v", way)
	}
	if n := strings.Count(outer.Log(), "Accepted publickey"); n != 1 {
		t.Errorf("logged in %d times at the jump host", n)
	}
	outer.Stop()
	var c *ConnectError
	for { // the loss of the jump host is the loss of what is behind it
		if _, _, _, err = p.Output(within(t, time.Minute), d, []string{"true"}, nil, 0); errors.As(err, &c) {
			break
		}
	}
	if c.Host != "inner" || c.Hop != "outer" || c.Status != StatusUnreachable || job.HintOf(err) == "" || !strings.Contains(c.Ladder(), "outer") {
		t.Errorf("got %+v, hint %q", c, job.HintOf(err))
	}
}

func TestProxyJump_Loop(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	p := gateway(t, s, s, "ProxyJump inner")
	var c *ConnectError
	if err := p.Connect(within(t, time.Minute), inventory.Destination{Alias: "inner"}); !errors.As(err, &c) || job.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestProxyCommand(t *testing.T) {
	t.Parallel()
	inner, outer := remotetest.Start(t, remotetest.Config{}), remotetest.Start(t, remotetest.Config{})
	p := gateway(t, inner, outer, fmt.Sprintf("ProxyCommand ssh -F %s -W %s web1", outer.ConfigFile, inner.Addr))
	out, _, _, err := p.Output(within(t, time.Minute), inventory.Destination{Alias: "inner"}, []string{"echo", "through"}, nil, 100)
	if err != nil || string(out) != "through\n" {
		t.Errorf("got %q, %v", out, err)
	}
	p = gateway(t, inner, outer, "ProxyCommand echo 'no way out' >&2; false")
	err = p.Connect(within(t, time.Minute), inventory.Destination{Alias: "inner"})
	if err == nil || !strings.Contains(err.Error(), "no way out") || job.HintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestConnect_SaysWhy(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	_, port, _ := net.SplitHostPort(silent.Addr().String())
	for name, test := range map[string]struct {
		lines  []string
		status Status
		text   string
	}{
		"no name":  {[]string{"HostName no-such-host.invalid"}, StatusUnreachable, "no-such-host.invalid"},
		"refused":  {[]string{"Port 1"}, StatusUnreachable, "refused"},
		"silent":   {[]string{"Port " + port, "ConnectTimeout 1"}, StatusUnreachable, "no answer"},
		"key":      {[]string{"UserKnownHostsFile /dev/null"}, StatusHostKey, "known"},
		"auth":     {[]string{"User no-such-user"}, StatusRefused, ""},
		"no kex":   {[]string{"KexAlgorithms sntrup761x25519-sha512@openssh.com"}, StatusUnreachable, "KexAlgorithms"},
		"no shake": {[]string{"Ciphers aes128-cbc"}, StatusUnreachable, "iphers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := poolFor(t, s, test.lines...)
			err := p.Connect(within(t, time.Minute), web1)
			var c *ConnectError
			if !errors.As(err, &c) || c.Status != test.status || !strings.Contains(err.Error(), test.text) || job.HintOf(err) == "" || len(c.Steps) == 0 && test.lines[0][:3] != "Kex" && test.lines[0][:3] != "Cip" {
				t.Errorf("got %v (%+v), hint %q", err, c, job.HintOf(err))
			}
			if st := p.State(web1); st.Status != test.status || st.Error == "" || st.Hint == "" {
				t.Errorf("got %+v", st)
			}
		})
	}
}

// Ensure that a host that runs what it likes is told apart, and that nobody
// claims that what runs there was ended.
func TestStart_ForcedCommand(t *testing.T) {
	t.Parallel()
	p := poolFor(t, remotetest.Start(t, remotetest.Config{Options: []string{"ForceCommand echo forced; read x; echo $x"}}))
	out := processtest.NewRecorder()
	c := processtest.As("wait")
	c.Stdout, c.Stdin = out, strings.NewReader("input\n")
	r := run(t, p, web1, c)
	if e := processtest.Wait(t, r); e.State != job.Succeeded || out.String() != "forced\ninput\n" || r.PID() != 0 {
		t.Errorf("got %+v, %q, pid %d", e, out, r.PID())
	}
}

// Ensure that an answer which never comes, although the connection is over, keeps
// nobody from closing: x/crypto loses a channel that is opened while it ends.
func TestClose_DoesNotWaitForAnAnswerThatIsLost(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{})
	p := poolFor(t, s)
	h, err := p.host(place{Destination: web1})
	if err != nil {
		t.Fatal(err)
	}
	l, err := h.link(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	asking, lost := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(lost) })
	ctx, give := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := ask(ctx, l, func() (int, error) { close(asking); <-lost; return 0, nil }, nil)
		asked <- err
	}()
	<-asking
	l.release(asJump)
	closed := make(chan struct{})
	go func() { p.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Error("it waits for ever")
	}
	give()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Errorf("who asked was told %v", err)
	}
}
