// Package updatetest publishes releases for tests: a real server with TLS and an
// authority of its own, and what the real minisign signs.
package updatetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Publisher is who publishes releases, until the test ends.
type Publisher struct {
	URL    string         // of the manifest
	Key    string         // public
	Roots  *x509.CertPool // its authority
	CAFile string         // the same, for SSL_CERT_FILE

	t   testing.TB
	dir string

	mu     sync.Mutex
	files  map[string][]byte
	before http.HandlerFunc // instead of what is published
	asked  []*http.Request
}

// New makes a publisher with a key of its own. Nothing is published yet.
func New(t testing.TB) *Publisher {
	t.Helper()
	p := &Publisher{t: t, dir: t.TempDir(), files: map[string][]byte{}}
	p.Key = p.NewKey("test")
	s := httptest.NewUnstartedServer(p)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{p.certificate()}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it is refused on purpose, too
	s.StartTLS()
	t.Cleanup(s.Close)
	p.URL = s.URL + "/stable/release.json"
	return p
}

// NewKey makes a key of a name and returns its public half.
func (p *Publisher) NewKey(name string) string {
	p.t.Helper()
	p.minisign("-G", "-f", "-W", "-p", name+".pub", "-s", name+".key")
	text, err := os.ReadFile(filepath.Join(p.dir, name+".pub"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p *Publisher) minisign(args ...string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "minisign", args...)
	cmd.Dir = p.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("minisign %q: %v: %s (on Debian: apt-get install minisign)", args, err, out)
	}
}

// Sign signs data with the key of a name.
func (p *Publisher) Sign(data []byte, key string) []byte {
	p.t.Helper()
	path := filepath.Join(p.dir, "signed")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.minisign("-S", "-s", key+".key", "-m", "signed", "-t", "a test")
	signature, err := os.ReadFile(path + ".minisig")
	if err != nil {
		p.t.Fatal(err)
	}
	return signature
}

// Manifest is one that is as it should be, with changes.
func Manifest(version string, changes map[string]any) map[string]any {
	m := map[string]any{
		"format": 1, "program": "vm-orchestrator", "version": version, "notes": "What is new.\n", "archive_schema": 1, "journal_format": 1,
		"date": time.Now().Add(-time.Hour).UTC(), "expires": time.Now().Add(24 * time.Hour).UTC(), "files": []any{},
	}
	for name, value := range changes {
		m[name] = value
	}
	return m
}

// Publish signs a manifest and puts both in place.
func (p *Publisher) Publish(manifest map[string]any) {
	p.t.Helper()
	data, err := json.Marshal(manifest)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Put(data, p.Sign(data, "test"))
}

// Put puts a manifest and a signature in place as they are.
func (p *Publisher) Put(manifest, signature []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files["/stable/release.json"], p.files["/stable/release.json.minisig"] = manifest, signature
}

// Answer lets a handler answer instead; nil ends that.
func (p *Publisher) Answer(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = h
}

// Asked are the requests that came.
func (p *Publisher) Asked() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*http.Request{}, p.asked...)
}

func (p *Publisher) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, q)
	before, data := p.before, p.files[q.URL.Path]
	p.mu.Unlock()
	switch {
	case before != nil:
		before(w, q)
	case data == nil:
		http.NotFound(w, q)
	default:
		_, _ = w.Write(data) // whoever asked may have gone
	}
}

// certificate is one for the loopback, of an authority that nobody else knows.
func (p *Publisher) certificate() tls.Certificate {
	p.t.Helper()
	must := func(err error) {
		if err != nil {
			p.t.Helper()
			p.t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	must(err)
	ca, err = x509.ParseCertificate(der)
	must(err)
	p.Roots = x509.NewCertPool()
	p.Roots.AddCert(ca)
	p.CAFile = filepath.Join(p.dir, "ca.pem")
	must(os.WriteFile(p.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "releases"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err = x509.CreateCertificate(rand.Reader, server, ca, &key.PublicKey, caKey)
	must(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
