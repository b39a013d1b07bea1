package update_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/update"
	"vmorchestrator/internal/update/updatetest"
)

// Versions are ordered as scripts/version.sh makes them.
func TestCompare_AsTheyWereMade(t *testing.T) {
	t.Parallel()
	sorted := []string{
		"v0.0.0-1-gbef0e", "v0.0.0-400-gabc", "v0.2.0-alpha.1", "v0.2.0-beta.1", "v0.2.0-rc.1", "v0.2.0-rc.2", "v0.2.0-rc.2-5-gabc",
		"v0.2.0", "0.2.0-3-gabc-dirty", "v0.2.0-12-gabc", "v0.10.0", "v1.0.0",
	}
	for i, a := range sorted {
		for k, b := range sorted {
			order, known := update.Compare(a, b)
			if !known || (order < 0) != (i < k) || (order > 0) != (i > k) {
				t.Errorf("%s and %s: %d, %t", a, b, order, known)
			}
		}
	}
	for _, odd := range []string{"dev", "", "v1", "v1.2.3-4", "v1.2.3\n", "v99999999999999999999.0.0"} {
		if _, known := update.Compare(odd, "v1.0.0"); known {
			t.Errorf("%q is ordered", odd)
		}
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	key := strings.TrimSpace(updatetest.New(t).Key)
	key = key[strings.LastIndex(key, "\n")+1:]
	path := filepath.Join(t.TempDir(), "policy.json")
	if p := update.ReadPolicy(path); p.Forbidden || p.Err != nil || p.File != path {
		t.Errorf("without one: %+v", p)
	}
	write := func(text string) update.Policy {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return update.ReadPolicy(path)
	}
	if p := write(`{"updates": "forbidden"}`); !p.Forbidden || p.Err != nil {
		t.Errorf("forbidden: %+v", p)
	}
	if p := write(`{"updates": {"url": "https://updates.example.com/release.json", "key": "` + key + `"}}`); p.Forbidden || p.URL == "" || p.Key != key || p.Err != nil {
		t.Errorf("fixed: %+v", p)
	}
	if p := write(`{}`); p.Forbidden || p.Err != nil {
		t.Errorf("one that says nothing: %+v", p)
	}
	// Whoever wrote it meant something: what cannot be read forbids.
	for text, want := range map[string]string{
		"":                                   ":1: ",
		"{\n \"updates\": \"forbiden\"\n}":   ":2: updates are \"forbiden\"",
		"{\n\n \"update\": \"forbidden\"}":   ":3: there is nothing called \"update\"",
		"{\n \"updates\": forbidden\n}":      ":2: invalid character",
		`["updates"]`:                        ":1: it is no object",
		`{"updates": null}`:                  ":1: updates can be",
		`{"updates": {"check": true}}`:       ":1: there is nothing called \"check\"",
		"{\"updates\": {\n\"url\": 1}}":      ":2: url in updates is no text",
		`{"updates": {"url": "http://x/r"}}`: "does not begin with https",
		`{"updates": {"key": "RWQ"}}`:        "is none of minisign",
		strings.Repeat(" ", 70_000):          "more than",
	} {
		p := write(text)
		if !p.Forbidden || p.Err == nil || !strings.Contains(p.Err.Error(), want) || !strings.Contains(p.Err.Error(), path) || job.HintOf(p.Err) == "" {
			t.Errorf("%.60q: %+v, want %q", text, p, want)
		}
	}
	if p := update.ReadPolicy(t.TempDir()); !p.Forbidden || p.Err == nil {
		t.Errorf("a folder: %+v", p)
	}
}

func TestFor_TheFilesOfASystem(t *testing.T) {
	t.Parallel()
	var m update.Manifest
	for _, name := range []string{
		"THIRD_PARTY.txt", "vm-orchestrator-0.8.0-1-x86_64.pkg.tar.zst", "vm-orchestrator-0.8.0-1.x86_64.rpm", "vm-orchestrator-0.8.0-linux-amd64",
		"vm-orchestrator-0.8.0-windows-amd64-setup.exe", "vm-orchestrator-0.8.0-windows-amd64.zip", "vm-orchestrator-linux-amd64.cdx.json", "vm-orchestrator_0.8.0_amd64.deb",
		"vmo-0.8.0-1-aarch64.pkg.tar.zst", "vmo-0.8.0-1-x86_64.pkg.tar.zst", "vmo-0.8.0-1.aarch64.rpm", "vmo-0.8.0-1.x86_64.rpm", "vmo-0.8.0-darwin-arm64",
		"vmo-0.8.0-linux-amd64", "vmo-0.8.0-windows-arm64.exe", "vmo-linux-amd64.cdx.json", "vmo_0.8.0-r0_x86_64.apk", "vmo_0.8.0_amd64.deb", "vmo_0.8.0_arm64.deb",
	} {
		m.Files = append(m.Files, update.File{Name: name})
	}
	for want, s := range map[string]update.System{
		"sudo apt install ./vmo_0.8.0_amd64.deb ./vm-orchestrator_0.8.0_amd64.deb":                      {OS: "linux", Arch: "amd64", Family: "debian", Program: "/usr/bin/vmo", Window: true},
		"sudo apt install ./vmo_0.8.0_arm64.deb":                                                        {OS: "linux", Arch: "arm64", Family: "debian", Program: "/usr/bin/vmo"},
		"sudo dnf install ./vmo-0.8.0-1.x86_64.rpm ./vm-orchestrator-0.8.0-1.x86_64.rpm":                {OS: "linux", Arch: "amd64", Family: "fedora", Program: "/usr/bin/vm-orchestrator", Window: true},
		"sudo zypper install --allow-unsigned-rpm ./vmo-0.8.0-1.aarch64.rpm":                            {OS: "linux", Arch: "arm64", Family: "suse", Program: "/usr/bin/vmo"},
		"sudo pacman -U ./vmo-0.8.0-1-x86_64.pkg.tar.zst":                                               {OS: "linux", Arch: "amd64", Family: "arch", Program: "/usr/bin/vmo"},
		"sudo apk add --allow-untrusted ./vmo_0.8.0-r0_x86_64.apk":                                      {OS: "linux", Arch: "amd64", Family: "alpine", Program: "/usr/bin/vmo"},
		"End what it runs, then put vmo-0.8.0-linux-amd64 in the place of vmo.":                         {OS: "linux", Arch: "amd64", Family: "debian", Program: "/home/ann/.local/bin/vmo"},
		"End what it runs, then put vm-orchestrator-0.8.0-linux-amd64 in the place of vm-orchestrator.": {OS: "linux", Arch: "amd64", Family: "debian", Program: "/home/ann/bin/vm-orchestrator"},
		"End what it runs, then put vmo-0.8.0-darwin-arm64 in the place of vmo.":                        {OS: "darwin", Arch: "arm64", Program: "/usr/local/bin/vmo"},
		"Close the window, then run vm-orchestrator-0.8.0-windows-amd64-setup.exe.":                     {OS: "windows", Arch: "amd64", Program: `C:\vmo.exe`},
		"End what it runs, then put vmo-0.8.0-windows-arm64.exe in the place of vmo.":                   {OS: "windows", Arch: "arm64", Program: `C:\vmo.exe`},
	} {
		if files, how := m.For(s); how != want || len(files) == 0 {
			t.Errorf("%+v: %q with %v, want %q", s, how, files, want)
		}
	}
	if files, how := m.For(update.System{OS: "plan9", Arch: "mips"}); how != "" || len(files) != 0 {
		t.Errorf("a system for which there is nothing: %q, %v", how, files)
	}
}

// Whatever bytes come: no panic, and what is taken is within its limits.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"format":1,"program":"vm-orchestrator","version":"v0.8.0","date":"2026-01-01T00:00:00Z","expires":"2099-01-01T00:00:00Z","notes":"x","files":[{"name":"vmo","size":1,"sha256":"` + strings.Repeat("a", 64) + `"}]}`))
	f.Add([]byte(`{"format":1,"files":[{"name":"../../x"}]}`))
	f.Add([]byte(`{"notes":"\ud800","version":1e99}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := update.Parse(data)
		if err != nil {
			return
		}
		if m.Version == "" || strings.ContainsAny(m.Version, " \n;$`'\"\x1b") || len(m.Files) > 200 || len(m.Notes) > 64<<10 || !m.Expires.After(m.Date) {
			t.Errorf("taken: %+v", m)
		}
		for _, file := range m.Files {
			if strings.ContainsAny(file.Name, "/\\ \n;$`'\"&|<>*?\x1b") || strings.HasPrefix(file.Name, "-") || file.Size < 0 {
				t.Errorf("taken: %q", file.Name)
			}
		}
		for _, family := range []string{"debian", "suse", ""} {
			m.For(update.System{OS: "linux", Arch: "amd64", Family: family, Program: "/usr/bin/vmo", Window: true})
		}
	})
}

// Whatever stands in a policy: it is read, or it forbids and says where.
func FuzzPolicy(f *testing.F) {
	path := filepath.Join(f.TempDir(), "policy.json")
	for _, seed := range []string{`{"updates":"forbidden"}`, `{"updates":{"url":"https://x/r","key":""}}`, `{"updates":{"url":"https://x/r"},"updates":null}`, "{", "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p := update.ReadPolicy(path)
		switch {
		case p.Err != nil && (!p.Forbidden || p.URL != "" || p.Key != "" || !strings.Contains(p.Err.Error(), path)):
			t.Errorf("it cannot be read, and is %+v", p)
		case p.URL != "" && !strings.HasPrefix(strings.ToLower(p.URL), "https://"):
			t.Errorf("the address is %q", p.URL)
		}
	})
}
