package remotetest

import (
	"testing"

	"vmorchestrator/internal/proxytest"
)

// Proxy is a network between a client and a server.
type Proxy = proxytest.Proxy

// NewProxy begins to hand on connections to an address, until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return proxytest.New(t, target)
}
