package update_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/update"
	"vmorchestrator/internal/update/updatetest"
)

func source(p *updatetest.Publisher) update.Source {
	return update.Source{URL: p.URL, Key: p.Key, Roots: p.Roots}
}

func TestAsk_BelievesWhatTheKeySigned(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t)
	p.Publish(updatetest.Manifest("v0.8.0", map[string]any{"archive_schema": 2, "added_later": "is no reason to refuse it"}))
	s := source(p)
	signed, m, err := s.Ask(t.Context())
	if err != nil || m.Version != "v0.8.0" || m.Schema != 2 {
		t.Fatalf("got %+v, %v", m, err)
	}
	if again, err := s.Open(signed); err != nil || again.Version != m.Version {
		t.Errorf("the same, later: %+v, %v", again, err)
	}
	s.Key = strings.Split(strings.TrimSpace(p.Key), "\n")[1]
	if _, err := s.Open(signed); err != nil {
		t.Errorf("the key as one line: %v", err)
	}
	s.Key = p.NewKey("other")
	if _, err := s.Open(signed); !errors.Is(err, update.ErrSignature) {
		t.Errorf("with another key: %v", err)
	}
}

// Nothing about the machine goes out: no version, no cookie, nothing but the paths.
func TestAsk_TellsNothing(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t)
	p.Publish(updatetest.Manifest("v0.8.0", nil))
	if _, _, err := source(p).Ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked := p.Asked()
	if len(asked) != 2 || asked[0].URL.String() != "/stable/release.json" || asked[1].URL.String() != "/stable/release.json.minisig" {
		t.Fatalf("asked for %v", asked)
	}
	for _, q := range asked {
		if len(q.Header) != 1 || q.Header.Get("User-Agent") != "vm-orchestrator" {
			t.Errorf("it was told %v", q.Header)
		}
	}
}

func TestAsk_RefusesWhatIsNotSigned(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t)
	p.NewKey("other")
	good := []byte(`{"format":1,"program":"vm-orchestrator","version":"v0.8.0","date":"2026-01-01T00:00:00Z","expires":"2099-01-01T00:00:00Z","files":[]}`)
	signature := p.Sign(good, "test")
	lines := bytes.SplitAfter(signature, []byte("\n"))
	comment := bytes.Join([][]byte{lines[0], lines[1], []byte("trusted comment: another\n"), lines[3]}, nil)
	for name, each := range map[string]struct{ manifest, signature []byte }{
		"changed":                         {bytes.Replace(good, []byte("0.8.0"), []byte("0.9.0"), 1), signature},
		"signed by somebody else":         {good, p.Sign(good, "other")},
		"another comment":                 {good, comment},
		"no signature":                    {good, []byte("untrusted comment: x\n")},
		"a signature of something else":   {good, p.Sign([]byte("0000  vmo\n"), "test")},
		"an empty signature and manifest": {nil, nil},
	} {
		p.Put(each.manifest, each.signature)
		_, m, err := source(p).Ask(t.Context())
		if !errors.Is(err, update.ErrSignature) && each.manifest != nil || err == nil || m.Version != "" {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

// What is signed is still only data.
func TestAsk_RefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t)
	file := func(name string) []any {
		return []any{map[string]any{"name": name, "size": 1, "sha256": strings.Repeat("0", 64)}}
	}
	for want, changes := range map[string]map[string]any{
		"another program":     {"program": "age"},
		"format 2":            {"format": 2},
		"no version":          {"version": "1.0; rm -rf ~"},
		"its times":           {"expires": "2020-01-01T00:00:00Z"},
		"its notes":           {"notes": strings.Repeat("x", 70_000)},
		"its formats":         {"archive_schema": -1},
		"its file \"../vmo\"": {"files": file("../vmo")},
		"its file \"$(id)\"":  {"files": file("$(id)")},
		"too many":            {"files": slices.Repeat(file("vmo"), 201)},
		"cannot unmarshal":    {"files": "all"},
	} {
		p.Publish(updatetest.Manifest("v0.8.0", changes))
		if _, m, err := source(p).Ask(t.Context()); err == nil || !strings.Contains(err.Error(), want) || m.Version != "" {
			t.Errorf("%s: %+v, %v", want, m, err)
		}
	}
}

func TestNewer_NothingGoesBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	before := update.Manifest{Version: "v0.8.0", Date: now.Add(-10 * day), Expires: now.Add(30 * day)}
	for name, each := range map[string]struct {
		m    update.Manifest
		want error
	}{
		"the same":                       {before, nil},
		"a newer one":                    {update.Manifest{Version: "v0.8.1", Date: now, Expires: now.Add(day)}, nil},
		"signed anew":                    {update.Manifest{Version: "v0.8.0", Date: before.Date, Expires: now.Add(90 * day)}, nil},
		"a lower version":                {update.Manifest{Version: "v0.7.9", Date: now, Expires: now.Add(day)}, update.ErrOlder},
		"made before":                    {update.Manifest{Version: "v0.8.0", Date: now.Add(-11 * day), Expires: now.Add(90 * day)}, update.ErrOlder},
		"the one before it was anew":     {update.Manifest{Version: "v0.8.0", Date: before.Date, Expires: now.Add(day)}, update.ErrOlder},
		"over":                           {update.Manifest{Version: "v0.9.0", Date: now.Add(-day), Expires: now.Add(-time.Second)}, update.ErrExpired},
		"of the day after tomorrow":      {update.Manifest{Version: "v0.9.0", Date: now.Add(2 * day), Expires: now.Add(3 * day)}, update.ErrFuture},
		"of a clock that is a bit ahead": {update.Manifest{Version: "v0.9.0", Date: now.Add(time.Hour), Expires: now.Add(day)}, nil},
	} {
		if err := each.m.Newer(before, now); !errors.Is(err, each.want) || each.want == nil && err != nil || err != nil && job.HintOf(err) == "" {
			t.Errorf("%s: %v, want %v", name, err, each.want)
		}
	}
	if err := before.Newer(update.Manifest{}, now); err != nil {
		t.Errorf("the first: %v", err)
	}
}

func TestAsk_OnlyOverHTTPS(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t)
	p.Publish(updatetest.Manifest("v0.8.0", nil))
	plain := httptest.NewServer(p) // the same files, for everybody to change
	t.Cleanup(plain.Close)
	s := source(p)
	for address, want := range map[string]string{
		plain.URL + "/stable/release.json":                "does not begin with https",
		"http://127.0.0.1/release.json":                   "does not begin with https",
		"https://releases.vm-orchestrator.invalid/r.json": "not known where",
		"":                               "not known where",
		"https://u:pw@127.0.0.1/r.json":  "has a user",
		"https://127.0.0.1/":             "does not name a file",
		"https://127.0.0.1/r.json?id=me": "does not name a file",
		"https:///r.json":                "names no server",
		"https://127.0.0.1:port/r.json":  "cannot be read",
		"file:///etc/passwd":             "does not begin with https",
	} {
		s.URL = address
		if _, _, err := s.Ask(t.Context()); err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
	s = source(p)
	s.Roots = nil
	if _, _, err := s.Ask(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that nobody vouches for: %v", err)
	}
	s = source(p)
	p.Answer(func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, plain.URL+q.URL.Path, http.StatusFound)
	})
	before := len(p.Asked())
	if _, _, err := s.Ask(t.Context()); err == nil || !strings.Contains(err.Error(), "without https") {
		t.Errorf("sent on to plain HTTP: %v", err)
	}
	if n := len(p.Asked()) - before; n != 1 {
		t.Errorf("%d requests, and the server without TLS is one of them", n)
	}
	p.Answer(func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, fmt.Sprintf("/%d", len(p.Asked())), http.StatusFound)
	})
	if _, _, err := s.Ask(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 5 times") {
		t.Errorf("sent on for ever: %v", err)
	}
}

// A server that is broken, or wants to harm, costs a message.
func TestAsk_ServersThatMisbehave(t *testing.T) {
	t.Parallel()
	p := updatetest.New(t)
	for want, answer := range map[string]http.HandlerFunc{
		"answers 500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"more than":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 300<<10)) },
		"EOF": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
		},
	} {
		p.Answer(answer)
		if _, _, err := source(p).Ask(t.Context()); err == nil || !strings.Contains(err.Error(), want) || job.HintOf(err) == "" {
			t.Errorf("%v, want %q and a hint", err, want)
		}
	}
	hangs := make(chan struct{})
	defer close(hangs)
	arrived := make(chan struct{}, 1)
	p.Answer(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-hangs })
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-arrived; cancel(errors.New("the window closes")) }()
	if _, _, err := source(p).Ask(ctx); err == nil || !strings.Contains(err.Error(), "the window closes") {
		t.Errorf("one that never answers: %v", err)
	}
}
