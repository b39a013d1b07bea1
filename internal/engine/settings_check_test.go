//go:build unix

package engine

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vmorchestrator/internal/schematest"
)

var golden = flag.Bool("update", false, "write docs/schemas/settings.schema.json anew")

func TestSettingsSchema_IsThatOfTheType(t *testing.T) {
	t.Parallel()
	schematest.Check(t, *golden, schematest.Schema{File: "settings.schema.json", Title: "settings.json of VM Orchestrator", Strict: true}, settings{})
}

// Ensure what a newer program has written is still there after an older one has
// changed something else. It was dropped: only what the struct knows was written.
func TestSettings_KeepWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	c := config(t)
	e := open(t, c)
	path := filepath.Join(c.ConfigDir, "settings.json")
	put(t, path, `{"folders": [], "colour": {"of": ["the", "future"]}}`)
	if _, err := e.AddProject(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(data)), ""), `"colour":{"of":["the","future"]}`) {
		t.Errorf("the settings are now %s, %v", data, err)
	}
}

// Ensure what stands in the settings and has no effect is said, with its line.
func TestDoctor_NamesWhatIsWrongInTheSettings(t *testing.T) {
	t.Parallel()
	c := config(t)
	e := open(t, c)
	path := filepath.Join(c.ConfigDir, "settings.json")
	check := func() Check { return e.settingsCheck(t.Context()) }
	put(t, path, `{
  "folders": ["/srv/web"],
  "folder": ["/srv/api"],
  "modes": {"/srv/web": {
    "shell": "sideways",
    "logs": "stream"
  }},
  "engines": {"web1": "built-in",
    "web2": "putty"},
  "database": "postgres://anna:secret@db.example/vmo?sslmode=verify-full"
}`)
	got := check()
	for _, want := range []string{
		path + `:3: "folder" is not a setting`,
		path + `:5: "sideways" is not a mode: auto, stream or terminal`,
		path + `:9: "putty" is not an engine: auto, built-in or openssh`,
		path + `:10: `,
	} {
		if !strings.Contains(got.Found, want) {
			t.Errorf("%q is not in %q", want, got.Found)
		}
	}
	if got.OK || !got.Optional || got.Next == "" || strings.Contains(got.Found, "secret") {
		t.Errorf("the look at the settings is %+v", got)
	}
	put(t, path, `{"folders": ["/srv/web"], "engines": {"web1": "openssh"}, "updates": {"check": true}}`)
	if got := check(); !got.OK || got.Found != path {
		t.Errorf("good settings: %+v", got)
	}
}
