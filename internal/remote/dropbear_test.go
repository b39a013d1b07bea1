//go:build linux

package remote

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process/processtest"
	"vmorchestrator/internal/remote/remotetest"
)

// Ensure a command on a Dropbear is like one anywhere else: exit codes, input,
// terminals, signals and cancels.
func TestDropbear_Process(t *testing.T) {
	t.Parallel()
	p := poolFor(t, remotetest.Start(t, remotetest.Config{Dropbear: true}))
	processtest.Suite(t, processtest.Place{
		Start: func(c processtest.Config) (processtest.Running, error) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return p.Start(ctx, web1, command(c))
		},
		Mark: "VMO_RUN", Holds: holdsOutput, HangsUp: true, LetsGo: true, Runs: 20,
	})
}

// Ensure every command runs once and is heard, however many begin while others
// end: Dropbear closes sessions that have no command yet when another's ends.
func TestDropbear_ManyAtOnce(t *testing.T) {
	t.Parallel()
	p := poolFor(t, remotetest.Start(t, remotetest.Config{Dropbear: true}))
	dir := t.TempDir()
	var all sync.WaitGroup
	for k := range 6 {
		all.Go(func() {
			for i := range 40 {
				ran := fmt.Sprintf("%s/%d-%d", dir, k, i)
				out, _, _, err := p.Output(within(t, time.Minute), web1, []string{"sh", "-c", `echo x >> "$0"; echo "$0"`, ran}, nil, 1000)
				if b, _ := os.ReadFile(ran); err != nil || string(out) != ran+"\n" || string(b) != "x\n" {
					t.Errorf("got %q, %v; it ran as %q", out, err, b)
				}
			}
		})
	}
	all.Wait()
	if st := p.State(web1); st.MaxSessions != 1 {
		t.Errorf("got %+v", st)
	}
}

// Ensure a cancel leaves nobody, although Dropbear signals only the command
// itself and gives it no process group of its own.
func TestDropbear_CancelLeavesNobody(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{Dropbear: true})
	p := poolFor(t, s)
	for name, shape := range shapes {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			nap := <-naps
			c := shell(fmt.Sprintf(shape.script, nap))
			c.Grace = 300 * time.Millisecond
			r := run(t, p, web1, c)
			if name == "stopped" {
				until(t, func() bool {
					b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.PID()))
					return strings.Contains(string(b), ") T ")
				}, func() string { return "it does not stop" })
			} else {
				awaits(t, nap, 1, 9)
			}
			r.Cancel()
			if e := processtest.Wait(t, r); e.State == job.Succeeded || e.State == job.Lost || e.Survivors != nil {
				t.Errorf("got %+v", e)
			}
			if n := sleeping(nap); len(n) > 0 {
				t.Errorf("survivors: %v", n)
			}
		})
	}
	if n := strings.Count(s.Log(), "Child connection"); n != 2 { // one more to end what runs on the first
		t.Errorf("the cancels took %d connections", n)
	}
}

// Ensure what happens when the connection is lost is what was asked for.
func TestDropbear_LostLink(t *testing.T) {
	t.Parallel()
	s, proxy := behindProxy(t, remotetest.Config{Dropbear: true})
	p := poolFor(t, s)
	begin := func(link job.Link, script string) (*Process, *processtest.Recorder, job.ID) {
		out := processtest.NewRecorder()
		c := command(shell(script))
		c.Stdout, c.Link = out, link
		r, err := p.Start(within(t, time.Minute), web1, c)
		if err != nil {
			t.Fatal(err)
		}
		out.Until(t, "ready")
		return r, out, c.ID
	}
	lost, _, lostID := begin(job.LinkLost, "echo ready; exec sleep 600")
	stopped, _, stoppedID := begin(job.LinkStop, "setsid sleep 600 & echo ready; exec sleep 600")
	flag := t.TempDir() + "/go on"
	kept, out, _ := begin(job.LinkKeep, fmt.Sprintf("echo ready; while [ ! -e '%s' ]; do sleep 0.1; done; seq 1 20000; exit 7", flag))
	proxy.Cut()
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Process{lost, stopped} {
		if e := processtest.Wait(t, r); e.State != job.Lost || e.Cause != job.CauseLink {
			t.Errorf("got %+v", e)
		}
	}
	until(t, func() bool { return len(remotetest.Carrying("VMO_RUN="+string(stoppedID))) == 0 }, func() string { return "what was to stop runs on" })
	if left, found, err := p.KillRun(within(t, time.Minute), web1, lostID, lost.PID(), false); err != nil || found != 1 || left != nil || processtest.Alive(lost.PID()) {
		t.Errorf("end what is left: %v of %d, %v", left, found, err)
	}
	var want strings.Builder
	want.WriteString("ready\n")
	for i := range 20000 {
		fmt.Fprintln(&want, i+1)
	}
	if e := processtest.Wait(t, kept); e.Code == nil || *e.Code != 7 || out.String() != want.String() {
		t.Errorf("kept: got %+v and %d bytes, want %d", e, len(out.String()), want.Len())
	}
}

// Ensure each kind of host key that Dropbear has is known again, and refused when
// it is another.
func TestDropbear_HostKeys(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := remotetest.Start(t, remotetest.Config{Dropbear: true, HostKeys: []string{kind}})
			p := poolFor(t, s)
			if err := p.Connect(within(t, time.Minute), web1); err != nil {
				t.Fatal(err)
			}
			if st := p.State(web1); !strings.Contains(st.HostKey, kind) || !strings.Contains(st.Server, "dropbear") {
				t.Errorf("got %+v", st)
			}
			other := remotetest.Keygen(t, t.TempDir()+"/other", kind)
			public, err := os.ReadFile(other + ".pub")
			if err != nil {
				t.Fatal(err)
			}
			known := t.TempDir() + "/known_hosts"
			if err := os.WriteFile(known, []byte(remotetest.KnownHost(s.Addr)+" "+string(public)), 0o600); err != nil {
				t.Fatal(err)
			}
			p = poolFor(t, s, "UserKnownHostsFile "+known)
			if err := p.Connect(within(t, time.Minute), web1); err == nil || p.State(web1).Status != StatusHostKey || !strings.Contains(err.Error(), known+":1") {
				t.Errorf("another key: got %v", err)
			}
		})
	}
}
