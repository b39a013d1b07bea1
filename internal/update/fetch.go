package update

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"vmorchestrator/internal/job"
)

const (
	askLimit      = 30 * time.Second // for both files
	mostSignature = 4 << 10
	mostRedirects = 5
)

var errNotHTTPS = errors.New("the server sends on to an address without https")

// Ask fetches the manifest and its signature, and believes them or says why not.
func (s Source) Ask(ctx context.Context) (Signed, Manifest, error) {
	u, err := s.address()
	if err != nil {
		return Signed{}, Manifest{}, err
	}
	if _, err := s.key(); err != nil {
		return Signed{}, Manifest{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, fmt.Errorf("it did not answer within %v", askLimit))
	defer cancel()
	transport := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS12},
		// So that the limits are of what comes, not of what it grows into.
		DisableCompression: true, DisableKeepAlives: false, ForceAttemptHTTP2: true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		switch {
		case next.URL.Scheme != "https":
			return errNotHTTPS
		case len(via) >= mostRedirects:
			return fmt.Errorf("the server sends on more than %d times", mostRedirects)
		}
		next.Header.Del("Referer")
		return nil
	}}
	var out Signed
	if out.Manifest, err = get(ctx, client, u, mostManifest); err != nil {
		return out, Manifest{}, err
	}
	beside := *u
	beside.Path, beside.RawPath = u.Path+".minisig", ""
	if out.Signature, err = get(ctx, client, &beside, mostSignature); err != nil {
		return out, Manifest{}, err
	}
	m, err := s.Open(out)
	if errors.Is(err, ErrSignature) {
		err = job.WithHint(fmt.Errorf("what %s says about a release is not believed: %w", u.Host, err),
			"Install nothing because of it. Ask whoever publishes the releases whether their key has changed.")
	}
	return out, m, err
}

// get fetches one file. It tells the server nothing but that.
func get(ctx context.Context, client *http.Client, u *url.URL, most int64) ([]byte, error) {
	fail := func(err error) ([]byte, error) {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, job.WithHint(fmt.Errorf("ask %s for releases: %w", u.Host, err), "Look whether it can be reached from here, through a proxy where one is needed (HTTPS_PROXY). Nothing else depends on it.")
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fail(err)
	}
	q.Header.Set("User-Agent", "vm-orchestrator") // without it Go names itself and its version
	answer, err := client.Do(q)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return fail(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fail(fmt.Errorf("it answers %d for %.200q", answer.StatusCode, u.Path))
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err != nil {
		return fail(err)
	}
	if int64(len(data)) > most {
		return fail(fmt.Errorf("%.200q has more than %d bytes", u.Path, most))
	}
	return data, nil
}
