package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/inventory"
)

// maxForwarded bounds how many connections to the agent one host may have open.
const maxForwarded = 32

// requester is a session: an *ssh.Session, or the channel of one.
type requester interface {
	SendRequest(name string, wantReply bool, payload []byte) (bool, error)
}

// agentForwarder lets the programs of a host use the operator's agent, as
// ForwardAgent says. It belongs to one connection, and only to that of the host
// itself: no jump host gets it. Until a session asks for it the host's requests
// are refused; then every session of the connection may have it, since OpenSSH makes
// no difference between them. Its goroutines end with the connection; wait waits for them.
type agentForwarder struct {
	client *ssh.Client
	agent  *agentClient // nil: not wanted

	once  sync.Once
	taken atomic.Bool // the host has agreed once
	busy  sync.WaitGroup
}

func newAgentForwarder(client *ssh.Client, o *inventory.Options) *agentForwarder {
	f := &agentForwarder{client: client}
	switch value := o.Get("ForwardAgent"); value {
	case "", "no", "false", "none":
	case "yes", "true":
		f.agent = newAgent(o)
	default:
		f.agent = agentAt(value, "ForwardAgent")
	}
	return f
}

// wanted reports whether the configuration forwards an agent.
func (f *agentForwarder) wanted() bool { return f.agent != nil }

// forward asks for the agent to be forwarded to a session. A session without it
// is still a session: the error is for its record.
func (f *agentForwarder) forward(session requester) error {
	if !f.wanted() {
		return nil
	}
	if f.agent.address == "" {
		return fmt.Errorf("forward the agent: %w: %s", errNoAgent, f.agent.why)
	}
	f.once.Do(func() {
		if channels := f.client.HandleChannelOpen("auth-agent@openssh.com"); channels != nil {
			f.busy.Go(func() { f.serve(channels) })
		}
	})
	// OpenSSH agrees once for each connection, and then gives the agent to all of its
	// sessions; others want to be asked for each.
	ok, err := session.SendRequest("auth-agent-req@openssh.com", true, nil)
	switch {
	case ok:
		f.taken.Store(true)
	case err != nil:
		return fmt.Errorf("forward the agent: %w", err)
	case !f.taken.Load():
		return errors.New("forward the agent: the server refused it")
	}
	return nil
}

// wait returns when the connection has ended and nothing of it uses the agent.
func (f *agentForwarder) wait() { f.busy.Wait() }

func (f *agentForwarder) serve(channels <-chan ssh.NewChannel) {
	places := make(chan struct{}, maxForwarded)
	for asked := range channels { // closed with the connection
		select {
		case places <- struct{}{}:
		default:
			_ = asked.Reject(ssh.ResourceShortage, "too many connections to the agent")
			continue
		}
		f.busy.Go(func() {
			defer func() { <-places }()
			f.connect(asked)
		})
	}
}

// connect joins one channel with a connection of its own, so that an agent that
// was restarted is found again.
func (f *agentForwarder) connect(asked ssh.NewChannel) {
	conn, err := f.agent.dial(context.Background()) // bounded by agentAnswer
	if err != nil {
		_ = asked.Reject(ssh.ConnectionFailed, "there is no agent")
		return
	}
	defer conn.Close()
	channel, requests, err := asked.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	var copies sync.WaitGroup
	defer copies.Wait()
	copies.Go(func() {
		ssh.DiscardRequests(requests) // until the channel or the connection is closed
		_ = conn.Close()
	})
	copies.Go(func() {
		_, _ = io.Copy(channel, conn)
		_ = channel.Close()
	})
	_, _ = io.Copy(conn, channel)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // an answer may still be on its way
	}
}
