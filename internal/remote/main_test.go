//go:build unix

package remote

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process"
	"vmorchestrator/internal/process/processtest"
	"vmorchestrator/internal/remote/remotetest"
)

// The test binary plays the commands that run on the host.
func TestMain(m *testing.M) {
	if code, asked := Askpass(); asked {
		os.Exit(code)
	}
	processtest.Play(nil)
	os.Exit(m.Run())
}

// always are prompts that are there from the beginning.
func always(p Prompts) func() Prompts { return func() Prompts { return p } }

// newTestPool makes a Pool for which every destination has the options that
// resolve gives.
func newTestPool(t testing.TB, resolve func(inventory.Destination) *inventory.Options) *Pool {
	t.Helper()
	p := New(Config{
		Resolve: func(_ context.Context, d inventory.Destination) (*inventory.Options, error) {
			if o := resolve(d); o != nil {
				return o, nil
			}
			return nil, fmt.Errorf("there is no host %s", d)
		},
		Spawn: spawnForTest,
	})
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() { p.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(time.Minute):
			t.Error("Close waits for something that does not end")
		}
	})
	return p
}

// poolFor is a Pool for the hosts of a server.
func poolFor(t testing.TB, s *remotetest.Server, extra ...string) *Pool {
	return newTestPool(t, func(d inventory.Destination) *inventory.Options { return s.Options(d.Alias, extra...) })
}

var web1 = inventory.Destination{Alias: "web1"}

type spawnedForTest struct {
	p   *process.Process
	out *io.PipeReader
}

func spawnForTest(_ context.Context, s Spawn) (Spawned, error) {
	r, w := io.Pipe()
	p, err := process.Start(process.Config{ID: job.NewID(), Argv: s.Argv, Env: s.Env, Input: true, Stdout: w, Stderr: s.Stderr})
	if err != nil {
		return nil, err
	}
	go func() { p.Wait(); w.Close() }()
	return &spawnedForTest{p, r}, nil
}

func (s *spawnedForTest) Read(b []byte) (int, error)  { return s.out.Read(b) }
func (s *spawnedForTest) Write(b []byte) (int, error) { return s.p.Write(b) }
func (s *spawnedForTest) Close() error                { s.out.Close(); s.p.Kill(); s.p.Wait(); return nil }
func (s *spawnedForTest) Wait() error                 { s.p.Wait(); return nil }
