package target

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/corpus/*.golden anew")

// Every project of the corpus is read by us and by the real make. The golden
// file lists what we offer, and by name each difference from make that is
// meant: a new one fails the test until somebody has looked at it.
func TestCorpus_AgainstMake(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(filepath.Join("testdata", "corpus"))
	if err != nil {
		t.Fatal(err)
	}
	projects := 0
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		projects++
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("testdata", "corpus", e.Name())
			m, err := ParseDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			out := runDatabase(t, dir)
			checkGolden(t, dir+".golden", report(t, dir, m, out))
			unsure(t, m, out)
		})
	}
	if projects < 25 {
		t.Errorf("the corpus has %d projects, want at least 25", projects)
	}
}

// The sample project ships with the program and is its first impression.
func TestSample_AgainstMake(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "build", "sample")
	m, err := ParseDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	checkGolden(t, filepath.Join("testdata", "sample.golden"), report(t, dir, m, runDatabase(t, dir)))
	if m.Unsure {
		t.Error("the sample asks for trust that it does not need")
	}
}

// unsure fails when make knows targets that reading did not find, and reading was
// sure that there are none.
func unsure(t *testing.T, m Makefile, out []byte) {
	t.Helper()
	database, err := ParseDatabase(out)
	if err != nil {
		t.Fatal(err)
	}
	if more := Merge(m, database).Targets; len(more) > len(m.Targets) && !m.Unsure {
		t.Errorf("make knows more, and reading was sure that it does not: %s", describe(more))
	}
}

func report(t *testing.T, dir string, m Makefile, out []byte) string {
	t.Helper()
	truth := readTruth(string(out))
	database, err := ParseDatabase(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, tg := range database {
		if e, ok := truth[tg.Name]; !ok || e.phony != tg.Phony {
			t.Errorf("ParseDatabase has %+v, make has %+v", tg, e)
		}
	}
	var b strings.Builder
	static := map[string]bool{}
	section := ""
	for _, tg := range m.Targets {
		static[tg.Name] = true
		if tg.Section != section {
			section = tg.Section
			fmt.Fprintf(&b, "[%s]\n", section)
		}
		fmt.Fprintf(&b, "%s  %s:%d", tg.Name, tg.File, tg.Line)
		for _, mark := range []struct {
			on   bool
			text string
		}{{tg.Phony, "  phony"}, {tg.Interactive, "  terminal: " + tg.Why}, {len(tg.Params) > 0, "  " + paramNames(tg.Params)}, {tg.Help != "", "  -- " + tg.Help}} {
			if mark.on {
				b.WriteString(mark.text)
			}
		}
		b.WriteByte('\n')
		if e, ok := truth[tg.Name]; ok && e.phony != tg.Phony {
			fmt.Fprintf(&b, "  make says phony=%v\n", e.phony)
		}
	}
	for _, p := range m.Params {
		fmt.Fprintf(&b, "param %s=%s -- %s\n", p.Name, p.Default, p.Help)
	}
	for _, p := range m.Problems {
		fmt.Fprintf(&b, "problem %s:%d %s\n", p.File, p.Line, p.Text)
	}
	var notInMake, withheld, added []string
	for name := range static {
		if _, ok := truth[name]; !ok {
			notInMake = append(notInMake, name)
		}
	}
	for _, tg := range Merge(m, database).Targets {
		if tg.Computed {
			added = append(added, tg.Name)
		}
	}
	for name, e := range truth {
		if (e.recipe || e.phony) && !static[name] && !slices.Contains(added, name) {
			withheld = append(withheld, name)
		}
	}
	list(&b, "offered, but not in make's database", notInMake)
	list(&b, "only make knows", added)
	list(&b, "not offered", withheld)
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), filepath.ToSlash(abs), "DIR")
}

func list(b *strings.Builder, title string, names []string) {
	slices.Sort(names)
	if len(names) > 0 {
		fmt.Fprintf(b, "%s: %s\n", title, strings.Join(names, " | "))
	}
}

type truthEntry struct{ recipe, phony bool }

// readTruth is a second, cruder reader of make's database, so that the test
// does not trust ParseDatabase: every name of the last block that make itself
// calls a target, unfiltered.
func readTruth(out string) map[string]truthEntry {
	_, block := cutLast(out, "\n# Files\n")
	block, _, _ = strings.Cut(block, "\n# files hash-table stats:")
	truth := map[string]truthEntry{}
	for paragraph := range strings.SplitSeq(block, "\n\n") {
		if strings.Contains(paragraph, "# Not a target:") {
			continue
		}
		for line := range strings.SplitSeq(strings.Trim(paragraph, "\n"), "\n") {
			name, rest, ok := strings.Cut(line, ": ")
			if !ok {
				name, ok = strings.CutSuffix(line, ":")
			}
			if !ok || strings.HasPrefix(line, "#") || strings.Contains(rest, "= ") || strings.HasPrefix(line, "\t") {
				continue
			}
			if name = strings.TrimSuffix(name, ":"); name == "" {
				break // the goal ":" that we asked for, when a rule matches anything
			}
			e := truth[name]
			e.recipe = e.recipe || strings.Contains(paragraph, "\n#  recipe to execute") || strings.Contains(paragraph, "\n#  commands to execute")
			e.phony = e.phony || strings.Contains(paragraph, "\n#  Phony target")
			truth[name] = e
			break
		}
	}
	return truth
}

func cutLast(s, sep string) (before, after string) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+len(sep):]
}

func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; make it with: go test ./internal/target -update, and read it", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if that is meant: go test ./internal/target -update\ngot\n%s\nwant\n%s", file, got, want)
	}
}
