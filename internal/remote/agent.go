package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"vmorchestrator/internal/inventory"
)

// agentAnswer bounds what an agent does by itself. A signature may wait for a
// person, who confirms it or touches a key, and is bounded by the log-in alone.
const agentAnswer = 5 * time.Second

// errNoAgent means that there is no agent to be asked, which is no failure.
var errNoAgent = errors.New("no agent")

// agentClient is the agent of one host. It is dialled for each use, so that one
// that was restarted or unlocked is found as it is now.
type agentClient struct {
	address string // a socket or a pipe; empty: there is none
	why     string // how it was found, or why there is none
}

// newAgent finds the agent that IdentityAgent names, else that of SSH_AUTH_SOCK.
func newAgent(o *inventory.Options) *agentClient {
	return agentAt(o.Get("IdentityAgent"), "IdentityAgent")
}

func agentAt(value, keyword string) *agentClient {
	switch {
	case value == "" || value == "SSH_AUTH_SOCK":
		if s := os.Getenv("SSH_AUTH_SOCK"); s != "" {
			return &agentClient{s, "SSH_AUTH_SOCK"}
		}
		if defaultAgent != "" {
			return &agentClient{defaultAgent, "the default of this system"}
		}
		return &agentClient{"", "SSH_AUTH_SOCK is not set"}
	case value == "none":
		return &agentClient{"", keyword + " none"}
	case strings.HasPrefix(value, "$"):
		name := strings.Trim(value[1:], "{}")
		if s := os.Getenv(name); s != "" {
			return &agentClient{s, keyword + " " + value}
		}
		return &agentClient{"", fmt.Sprintf("%s %s, which is not set", keyword, value)}
	default:
		return &agentClient{atHome(value), keyword}
	}
}

// atHome is a path with its leading ~/ replaced.
func atHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}

func (c *agentClient) dial(ctx context.Context) (net.Conn, error) {
	if c.address == "" {
		return nil, fmt.Errorf("%w: %s", errNoAgent, c.why)
	}
	ctx, cancel := context.WithTimeout(ctx, agentAnswer)
	defer cancel()
	conn, err := dialAgent(ctx, c.address)
	if errors.Is(err, fs.ErrNotExist) && c.address == defaultAgent {
		return nil, fmt.Errorf("%w: %s is not there", errNoAgent, c.address) // nobody asked for one
	}
	if err != nil {
		return nil, fmt.Errorf("reach the agent (%s): %w", c.why, err)
	}
	return conn, nil
}

// use calls f with a connection to the agent, which the end of ctx closes.
func (c *agentClient) use(ctx context.Context, f func(agent.ExtendedAgent) error) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := f(agent.NewClient(conn)); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}

// agentKey is a key that the agent holds, or a certificate for one.
type agentKey struct {
	pub     ssh.PublicKey
	comment string
}

// list is what the agent holds, in its order, without what x/crypto cannot offer.
// A locked agent holds nothing.
func (c *agentClient) list(ctx context.Context) ([]agentKey, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, agentAnswer, fmt.Errorf("the agent (%s) does not answer", c.why))
	defer cancel()
	var keys []agentKey
	err := c.use(ctx, func(a agent.ExtendedAgent) error {
		held, err := a.List()
		if err != nil {
			return fmt.Errorf("list the keys of the agent (%s): %w", c.why, err)
		}
		for _, k := range held {
			if pub, err := ssh.ParsePublicKey(k.Blob); err == nil {
				keys = append(keys, agentKey{pub, oneLine(k.Comment)})
			}
		}
		return nil
	})
	return keys, err
}

// sign has the agent sign with a key that it listed.
func (c *agentClient) sign(ctx context.Context, pub ssh.PublicKey, data []byte, algorithm string) (*ssh.Signature, error) {
	var flags agent.SignatureFlags
	switch algorithm {
	case ssh.KeyAlgoRSASHA256:
		flags = agent.SignatureFlagRsaSha256
	case ssh.KeyAlgoRSASHA512:
		flags = agent.SignatureFlagRsaSha512
	}
	var signature *ssh.Signature
	err := c.use(ctx, func(a agent.ExtendedAgent) error {
		s, err := a.SignWithFlags(pub, data, flags)
		if err != nil {
			return fmt.Errorf("the agent does not sign: %w", err)
		}
		signature = s
		return nil
	})
	return signature, err
}

// add gives the agent a private key.
func (c *agentClient) add(ctx context.Context, key agent.AddedKey) error {
	ctx, cancel := context.WithTimeoutCause(ctx, agentAnswer, fmt.Errorf("the agent (%s) does not answer", c.why))
	defer cancel()
	return c.use(ctx, func(a agent.ExtendedAgent) error { return a.Add(key) })
}
