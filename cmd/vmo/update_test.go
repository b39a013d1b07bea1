//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/update/updatetest"
)

// Ensure the check does, from the terminal, what it promises: off at first, nothing
// sent, told as text whatever it is, forbidden by a policy. SSL_CERT_FILE, which is
// how Go is told of an authority on Linux, makes the test's own known.
func TestUpdate(t *testing.T) {
	t.Parallel()
	h, p := newHouse(t), updatetest.New(t)
	p.Publish(updatetest.Manifest("v99.0.0", map[string]any{
		"notes": "Tunnels:\x1b]0;owned\x07\n\t\u202enew\n", "archive_schema": 9,
		"files": []any{map[string]any{"name": "vmo-99.0.0-linux-amd64", "size": 9, "sha256": strings.Repeat("a", 64)}, map[string]any{"name": "vmo-99.0.0-linux-arm64", "size": 9, "sha256": strings.Repeat("b", 64)}},
	}))
	vmo := func(args ...string) (stdout, stderr string, code int) {
		t.Helper()
		cmd := h.command("vmo", args...)
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+p.CAFile)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run() // the code says how it went
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	if out, _, code := vmo("update"); code != 0 || !strings.Contains(out, "Off: nothing is asked") {
		t.Errorf("at first: %d, %s", code, out)
	}
	if _, errs, code := vmo("update", "check"); code != exitUsage || !strings.Contains(errs, "vmo update on") {
		t.Errorf("check without on: %d, %s", code, errs)
	}
	if _, errs, code := vmo("update", "on"); code != exitUsage || !strings.Contains(errs, "not known where") {
		t.Errorf("on without an address: %d, %s", code, errs)
	}
	if _, errs, code := vmo("update", "on", p.URL); code != exitUsage || !strings.Contains(errs, "knows no key") {
		t.Errorf("on without a key: %d, %s", code, errs)
	}
	line := strings.Split(p.Key, "\n")[1]
	write(t, filepath.Join(h.dir, "policy.json"), `{"updates": {"key": "`+line+`"}}`)
	if _, errs, code := vmo("update", "on", p.URL); code != 0 {
		t.Fatalf("on: %d, %s", code, errs)
	}
	if n := len(p.Asked()); n != 0 {
		t.Errorf("asked %d times before anybody wanted it", n)
	}
	// A program that cannot say which version it is does not know what is newer.
	if out, errs, code := vmo("update", "check"); code != 0 || !strings.Contains(out, "v99.0.0") || !strings.Contains(out, "cannot be compared") {
		t.Errorf("check: %d, %s%s", code, out, errs)
	}
	out, _, code := vmo("update")
	if code != 0 || strings.ContainsAny(out, "\x1b\x07\u202e") {
		t.Errorf("%d, %q", code, out)
	}
	for _, want := range []string{`Tunnels:\x1b]0;owned\a`, `\u202enew`, "vmo db migrate", strings.TrimSuffix(p.URL, "/release.json"), "in the place of vmo"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
	var s engine.UpdateStatus
	if out, _, _ := vmo("update", "--json"); json.Unmarshal([]byte(out), &s) != nil || s.Release == nil || !s.Release.Migrate || len(s.Release.Files) != 1 {
		t.Errorf("as JSON: %s", out)
	}
	p.Publish(updatetest.Manifest("v98.0.0", nil))
	if _, errs, code := vmo("update", "check"); code != exitFailed || !strings.Contains(errs, "older than one") || !strings.Contains(errs, "Install nothing") {
		t.Errorf("an older one: %d, %s", code, errs)
	}
	if out, _, code := vmo("doctor"); code != 0 || !strings.Contains(out, "updates") {
		t.Errorf("doctor: %d, %s", code, out)
	}
	write(t, filepath.Join(h.dir, "policy.json"), "{\n\"updates\": \"forbidden\"}")
	if out, _, code := vmo("update"); code != 0 || !strings.Contains(out, "Forbidden on this machine by "+h.dir) {
		t.Errorf("forbidden: %d, %s", code, out)
	}
	n := len(p.Asked())
	if _, errs, code := vmo("update", "check"); code != exitUsage || !strings.Contains(errs, "policy.json") || len(p.Asked()) != n {
		t.Errorf("forbidden: %d, %s, asked %d times", code, errs, len(p.Asked())-n)
	}
	if _, errs, code := vmo("update", "off"); code != 0 {
		t.Errorf("off: %d, %s", code, errs)
	}
}
