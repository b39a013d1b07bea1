// Package internal holds no code. Its test keeps the house in order: who may
// import whom, and which package alone knows which library.
package internal

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/imports.golden anew")

const module = "vmorchestrator"

// owners are the packages that may import a library, in code that ships. A
// library that is not here may not be imported at all: a new dependency is a
// line in this list, which a reviewer sees. A path covers those below it.
var owners = map[string][]string{
	"os/exec":                           {"internal/process", "internal/process/processtest", "internal/remote/remotetest", "internal/archive/archivetest", "internal/update/updatetest"}, // so that every command is recorded, marked and ended in one way
	"github.com/creack/pty":             {"internal/process"},
	"github.com/charmbracelet/x/conpty": {"internal/process"},
	"modernc.org/sqlite":                {"internal/journal"},                     // a cache of the segments; nobody else may take it for the truth
	"database/sql":                      {"internal/journal", "internal/archive"}, // goose wants it
	"github.com/jackc/pgx/v5":           {"internal/archive", "internal/archive/archivetest"},
	"github.com/pressly/goose/v3":       {"internal/archive"},
	"github.com/klauspost/compress":     {"internal/journal"},
	"github.com/wasilibs/go-re2":        {"internal/journal"}, // searches where the regexp package takes twenty times as long
	"golang.org/x/sync":                 {"internal/journal"},
	"github.com/fsnotify/fsnotify":      {"internal/engine"},
	"github.com/zalando/go-keyring":     {"internal/secret"},
	"github.com/adrg/xdg":               {"internal/engine"},                  // where files belong is decided once
	"github.com/google/uuid":            {"internal/job", "internal/journal"}, // ids of jobs; the journal's own id and names of its temporary files
	"github.com/wailsapp/wails/v2":      {"", "app"},
	"github.com/gorilla/websocket":      {"app"}, // development builds: the origin check of Wails' server
	"github.com/spf13/cobra":            {"cmd/vmo"},
	"golang.org/x/term":                 {"cmd/vmo"},
	"golang.org/x/crypto":               {"internal/remote", "internal/remote/knownhosts", "internal/remote/remotetest"},
	"github.com/jedisct1/go-minisign":   {"internal/update"},
	"github.com/kevinburke/ssh_config":  {"internal/inventory"}, // lists aliases of one file, behind guards
	"go.yaml.in/yaml/v4":                {"internal/inventory"},
	"github.com/Microsoft/go-winio":     {"internal/remote"},                                                                                    // the agent's pipe on Windows
	"golang.org/x/sys":                  {"internal/process", "internal/process/processtest", "internal/journal", "internal/update", "cmd/vmo"}, // what package syscall lacks on each system
}

// listed is what `go list -json` says about a package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

// builds are the ways in which the program is built. CGO_ENABLED only decides
// which files are listed; nothing is compiled here.
var builds = []struct{ goos, tags string }{
	{"linux", "desktop,production,webkit2_41"},
	{"linux", "dev,webkit2_41"},
	{"windows", "desktop,production"},
	{"windows", "dev"},
	{"darwin", "desktop,production"},
	{"darwin", "dev"},
}

// list asks the go command about our packages in every build. Imports and Deps
// are those of all builds together.
func list(t *testing.T) map[string]listed {
	t.Helper()
	all := map[string]listed{}
	for _, b := range builds {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Standard,Imports,Deps", "-tags", b.tags,
			".", "./app/...", "./build/...", "./cmd/...", "./internal/...")
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), "GOOS="+b.goos, "CGO_ENABLED=1")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list for %s: %v\n%s", b.goos, err, stderr.String())
		}
		for dec := json.NewDecoder(bytes.NewReader(out)); ; {
			var p listed
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("go list for %s: %v", b.goos, err)
			}
			before := all[p.ImportPath]
			p.Imports = append(p.Imports, before.Imports...)
			p.Deps = append(p.Deps, before.Deps...)
			all[p.ImportPath] = p
		}
	}
	return all
}

func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// short is the name of one of our packages within the module; "" is main.go.
func short(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

// A new edge between our packages is a visible line in a review, not an accident.
func TestImports_AreThoseOfTheGoldenFile(t *testing.T) {
	t.Parallel()
	edges := map[string]bool{}
	for path, p := range list(t) {
		for _, imported := range p.Imports {
			if under(imported, module) {
				edges[fmt.Sprintf("%s -> %s\n", cmpName(path), short(imported))] = true
			}
		}
	}
	got := strings.Join(slices.Sorted(maps.Keys(edges)), "")
	const golden = "testdata/imports.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("imports between our packages:\n%s\nwant:\n%s\nIf the change is meant: go test ./internal -update", got, want)
	}
}

func cmpName(path string) string {
	if path == module {
		return "main.go"
	}
	return short(path)
}

// Layers: imports go down, never sideways within a layer, never up.
func TestImports_GoDown(t *testing.T) {
	t.Parallel()
	layers := map[string]int{
		"": 5, "app": 4, "cmd/vmo": 4, "internal/engine": 3,
		"internal/archive": 2, "internal/archive/archivetest": 1,
		"internal/process": 2, "internal/process/processtest": 1, "internal/journal": 2,
		"internal/remote": 2, "internal/remote/knownhosts": 1, "internal/remote/remotetest": 1,
		"internal/update": 2, "internal/update/updatetest": 1,
		"internal/job": 0, "internal/target": 0, "internal/inventory": 0, "internal/tail": 0, "internal/secret": 0,
		"internal/proxytest": 0, "internal/schematest": 0, "build/sample": 0,
	}
	for path, p := range list(t) {
		from, known := layers[short(path)]
		if !known && short(path) != "internal" {
			t.Errorf("%s has no layer: give it one here and in docs/architecture.md", path)
		}
		for _, imported := range p.Imports {
			if to, ours := layers[short(imported)]; ours && under(imported, module) && to >= from {
				t.Errorf("%s (layer %d) imports %s (layer %d)", path, from, imported, to)
			}
		}
	}
}

func TestLibraries_HaveTheirOwners(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for path, p := range list(t) {
		for _, imported := range p.Imports {
			library := ""
			for l := range owners {
				if under(imported, l) {
					library = l
				}
			}
			first, _, _ := strings.Cut(imported, "/")
			foreign := strings.Contains(first, ".")
			switch {
			case library == "" && foreign:
				t.Errorf("%s imports %s, which has no owner: add it here if it pays its rent", path, imported)
			case library != "" && !slices.Contains(owners[library], short(path)):
				t.Errorf("%s imports %s, which is for %q only", path, imported, owners[library])
			case library != "":
				used[library+" by "+short(path)] = true
			}
		}
	}
	for library, packages := range owners {
		for _, p := range packages {
			if !used[library+" by "+p] {
				t.Errorf("%q does not import %s any more: take it off the list", p, library)
			}
		}
	}
}

// What runs and records jobs must work, and be tested, without a window.
func TestInternal_KnowsNoWindow(t *testing.T) {
	t.Parallel()
	seen := 0
	for path, p := range list(t) {
		if !under(path, module+"/internal") && !under(path, module+"/cmd") {
			continue
		}
		seen++
		for _, dep := range p.Deps {
			if strings.Contains(dep, "wailsapp") {
				t.Errorf("%s depends on %s", path, dep)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d packages were looked at", seen)
	}
}
