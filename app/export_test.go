package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vmorchestrator/internal/engine"
	"vmorchestrator/internal/job"
)

// Ensure a record is written whole, in every format, under a name that every system
// takes, and that nothing is left of one that cannot be written.
func TestExport_WholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	_, e := served(t)
	j := ran(t, e, "printf", `one\n\033[31mtwo\033[0m\n`)
	dir := t.TempDir()
	for _, format := range engine.Formats() {
		if suffixes[format] == "" {
			t.Fatalf("%s has no suffix", format)
		}
		path := filepath.Join(dir, fileName(j)+suffixes[format])
		out, err := export(t.Context(), e, j.ID, format, path)
		if err != nil || out.Path != path || out.Problem != "" {
			t.Fatalf("%s: %+v, %v", format, out, err)
		}
		data, err := os.ReadFile(path)
		if err != nil || int64(len(data)) != out.Bytes || len(data) == 0 {
			t.Errorf("%s: %d bytes, said %d, %v", format, len(data), out.Bytes, err)
		}
		if format == "text" && string(data) != "one\ntwo\n" {
			t.Errorf("text is %q", data)
		}
	}
	if _, err := export(t.Context(), e, job.NewID(), "text", filepath.Join(dir, "gone.txt")); err == nil {
		t.Error("a job that is not there was exported")
	}
	if _, err := export(t.Context(), e, j.ID, "text", filepath.Join(dir, "no", "folder")); err == nil {
		t.Error("written into a folder that is not there")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != len(engine.Formats()) {
		t.Errorf("%d files are left, %v", len(left), err)
	}
	j.Argv, j.Target = []string{"../../etc/passwd", "\x00\u202e", strings.Repeat("ö", 300)}, ""
	if name := fileName(j); strings.ContainsAny(name, "/\\\x00\u202e") || len([]rune(name)) > 60 {
		t.Errorf("the name is %q", name)
	}
}
