//go:build unix

package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"vmorchestrator/internal/inventory"
	"vmorchestrator/internal/job"
)

// A hostile server that wants a password gets none, whatever it is that is wrong
// with its key; and what went wrong is said by name.
func TestHostKey_NoPasswordForAServerThatIsNotTheKnownOne(t *testing.T) {
	t.Parallel()
	host, other := newHostKey(t, "ed25519"), newHostKey(t, "ed25519")
	for _, c := range []struct {
		name, strict, file string
		accept             bool // what the operator says of an unknown key
		want               Status
		attempts           int32
	}{
		{"changed", "ask", "{name} " + keyText(other) + "\n", true, StatusHostKey, 0},
		{"changed, not strict", "no", "{name} " + keyText(other) + "\n", true, StatusRefused, 0},
		{"revoked, not strict", "no", "@revoked * " + keyText(host) + "\n", true, StatusHostKey, 0},
		{"unknown, strict", "yes", "", true, StatusHostKey, 0},
		{"unknown, not accepted", "ask", "", false, StatusHostKey, 0},
		{"unknown, accepted", "ask", "", true, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newKeyServer(t, &keyServer{}, host)
			file := knownHosts(t, strings.ReplaceAll(c.file, "{name}", fmt.Sprintf("[127.0.0.1]:%d", s.port)))
			var secrets atomic.Int32
			p := New(Config{
				Resolve: func(_ context.Context, d inventory.Destination) (*inventory.Options, error) {
					return inventory.New(d, "127.0.0.1", "me", s.port, keyOptions(file, "stricthostkeychecking", c.strict,
						"preferredauthentications", "password", "identityagent", "none")), nil
				},
				Spawn: func(context.Context, Spawn) (Spawned, error) { return nil, net.ErrClosed },
				Prompts: always(Prompts{
					HostKey: func(context.Context, HostKeyQuestion) (bool, error) { return c.accept, nil },
					Secret:  func(context.Context, SecretQuestion) (string, error) { secrets.Add(1); return "secret", nil },
				}),
			})
			defer p.Close()
			err := p.Connect(t.Context(), web1)
			var failed *ConnectError
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v", err)
			case c.want != "" && (!errors.As(err, &failed) || failed.Status != c.want || job.HintOf(err) == ""):
				t.Errorf("got %v with the hint %q, want %s", err, job.HintOf(err), c.want)
			}
			if got := s.attempts.Load(); got != c.attempts || secrets.Load() != c.attempts {
				t.Errorf("the operator was asked for %d passwords and the server got %d, want %d", secrets.Load(), got, c.attempts)
			}
		})
	}
}
