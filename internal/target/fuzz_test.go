package target

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzParse feeds arbitrary bytes as the makefile, and again as every file
// that it includes.
func FuzzParse(f *testing.F) {
	corpus, err := filepath.Glob("testdata/corpus/*/Makefile")
	if err != nil || len(corpus) == 0 {
		f.Fatalf("no corpus: %v", err)
	}
	for _, file := range corpus {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, text := range []string{
		"\x7fELF\x02\x01\x01\x00\x00", "\xff\xfe\xfd: \xff ## \xff\n", "a:\\\n\\\n\\", "define\ndefine x\nendef",
		"$($($($(${${(", "a: b: c: d\n%: %: %", "include *\ninclude [\ninclude /*/\n", "A = $(A)$(B)\nB = $(A)\n$(B): ; $(A)\n",
		"## @tty @hidden\n.PHONY: \\\n", "X:=$(foreach x,$(X) a b,$(x)$(X))\n$(X):;\n", "a ?= $(wildcard */*)\n$a: $$(a)\n\t$${a}$(call", "ifdef\nelse\nelse\nendif\nendif\n",
		"\u202e:\n\u2066: ; x\n", ".RECIPEPREFIX=\\\na:\n\\x\n", "a\\\\\\:b\\ \\#c: ; x",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := strings.Count(string(data), "\n") + 1
		open := func(name string) ([]byte, error) {
			switch {
			case name == "GNUmakefile":
				return nil, fs.ErrNotExist
			case strings.HasSuffix(name, "/"):
				return []byte("a\nb.mk\n"), nil
			case len(name) > 20:
				return nil, fmt.Errorf("open %s: %w", name, fs.ErrPermission)
			}
			return data, nil
		}
		m, err := Parse(open)
		if err != nil {
			t.Fatalf("Parse: %v", err)
		}
		if again, _ := Parse(open); !reflect.DeepEqual(m, again) {
			t.Error("two readings differ")
		}
		read := map[string]bool{}
		for _, file := range m.Files {
			if read[file] || !speakable(file) {
				t.Errorf("file %q is listed twice or cannot be shown", file)
			}
			read[file] = true
		}
		place := func(what, file string, line int) {
			if !read[file] || line < 1 || line > lines {
				t.Errorf("%s is at %s:%d, of %d lines", what, file, line, lines)
			}
		}
		names := map[string]bool{}
		section, closed := "", map[string]bool{}
		for _, tg := range m.Targets {
			if names[tg.Name] || !callable(tg.Name) || !speakable(tg.Name) || clean(tg.Help) != tg.Help || clean(tg.Section) != tg.Section {
				t.Errorf("broken target %+v", tg)
			}
			if tg.Interactive != (tg.Why != "") || tg.Computed || tg.Params == nil {
				t.Errorf("inconsistent target %+v", tg)
			}
			if tg.Section != section {
				closed[section] = true
				section = tg.Section
			}
			if closed[section] {
				t.Errorf("section %q is torn apart", section)
			}
			names[tg.Name] = true
			place("target "+tg.Name, tg.File, tg.Line)
		}
		for _, p := range m.Params {
			if !paramName.MatchString(p.Name) || clean(p.Help) != p.Help || clean(p.Default) != p.Default {
				t.Errorf("broken param %+v", p)
			}
			place("param "+p.Name, p.File, p.Line)
		}
		for _, p := range m.Problems {
			if p.Text == "" || !speakable(p.Text) {
				t.Errorf("broken problem %+v", p)
			}
			place("problem "+p.Text, p.File, p.Line)
		}
		if _, err := ParseDatabase(append([]byte("\n# Files\n"), data...)); err != nil {
			t.Errorf("ParseDatabase: %v", err)
		}
	})
}

// Inputs that make a careless reader quadratic, or worse. The test ends by the
// test's own timeout if one does.
func TestParse_HostileSizes(t *testing.T) {
	t.Parallel()
	const n = 40_000
	for name, text := range map[string]string{
		"one line":            strings.Repeat("a", 10*n),
		"words":               strings.Repeat("a ", n) + ": ; x\n",
		"open references":     strings.Repeat("$(", n) + ": x\n",
		"closed references":   strings.Repeat("$(", n) + strings.Repeat(")", n) + ": x\n",
		"references":          strings.Repeat("$(a)", n) + ": x\n",
		"backslashes":         strings.Repeat("\\", n) + ": x\n",
		"continuations":       strings.Repeat("a \\\n", n),
		"conditions":          strings.Repeat("ifdef X\n", n),
		"defines":             strings.Repeat("define X\n", n),
		"help":                strings.Repeat("## help\n", n) + "a: ; x\n",
		"appends, then uses":  "X := a\n" + strings.Repeat("X += b\n", n) + strings.Repeat("$(X): ; x\n", 100),
		"uses between":        strings.Repeat("X += b\n$(X): ; x\n", n/4),
		"chain":               "P ?= 1\n" + chain(n/4) + fmt.Sprintf("t%d: ; $(P)\n", n/4),
		"params":              params(2000) + strings.Repeat("a: ; $(P0)$(P1)\n", n/4),
		"nested foreach":      "L := " + strings.Repeat("a ", 1000) + "\n$(foreach x,$(L),$(foreach y,$(L),$(foreach z,$(L),b))): ; x\n",
		"filters":             "L := " + strings.Repeat("a% ", n) + "\nM := $(filter $(L),$(L))\n",
		"target-specific":     strings.Repeat("a: X = $(Y)\n", n/4),
		"phony":               strings.Repeat(".PHONY: a\n", n/4),
		"the same with words": strings.Repeat("a b c d e f: g h i j k\n\t$(X)\n", n/8),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parseText(t, text)
		})
	}
	t.Run("targets", func(t *testing.T) {
		t.Parallel()
		m := parseText(t, chain(maxTargets+10))
		if len(m.Targets) != maxTargets || !strings.Contains(problemTexts(m), "more than 50000 targets") {
			t.Errorf("%d targets, want %d and a problem", len(m.Targets), maxTargets)
		}
	})
}

func chain(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "t%d: t%d\n", i, i+1)
	}
	return b.String()
}

func params(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "P%d ?= $(P%d)\n", i, (i+1)%n)
	}
	return b.String()
}

func BenchmarkParse20000Targets(b *testing.B) {
	var text strings.Builder
	text.WriteString("NAME ?= world\nVERSION ?= $(shell git describe)\n")
	for i := range 20_000 {
		fmt.Fprintf(&text, ".PHONY: svc-%d.deploy\nsvc-%d.deploy: svc-%d.build lint ## Deploy service %d\n\t@./deploy --version=$(VERSION) \\\n\t\t--name=\"$(NAME)\"\n\t@echo done $$?\n\n", i, i, i, i)
	}
	p := files{"Makefile": text.String()}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		m, err := Parse(p.open)
		if err != nil || len(m.Targets) != 20_000 {
			b.Fatalf("%d targets, %v", len(m.Targets), err)
		}
	}
}
