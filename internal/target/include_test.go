package target

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParse_Includes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		p    files
		want string
	}{
		{"several", files{"Makefile": "include a.mk b.mk # c.mk\n-include c.mk\nsinclude d.mk\n", "a.mk": "a: ; x\n", "b.mk": "b: ; x\n", "c.mk": "c: ; x\n", "d.mk": "d: ; x\n"}, "a b c d"},
		{"relative to the project, not to the file", files{"Makefile": "include mk/a.mk\n", "mk/a.mk": "include b.mk\na: ; x\n", "mk/b.mk": "wrong: ; x\n", "b.mk": "b: ; x\n"}, "b a"},
		{"nested", files{"Makefile": "include a.mk\n", "a.mk": "include b.mk\n", "b.mk": "include c.mk\n", "c.mk": "c: ; x\n"}, "c"},
		{"wildcard", files{"Makefile": "include mk/*.mk\n", "mk/b.mk": "b: ; x\n", "mk/a.mk": "a: ; x\n", "mk/.h.mk": "h: ; x\n", "mk/c.txt": "c: ; x\n"}, "a b"},
		{"wildcard in a directory", files{"Makefile": "-include */k.mk\n", "b/k.mk": "b: ; x\n", "a/k.mk": "a: ; x\n", "c/x.mk": "c: ; x\n", "k.mk": "k: ; x\n"}, "a b"},
		{"wildcard function", files{"Makefile": "F := $(wildcard mk/*.mk local.mk gone.mk)\ninclude $(F)\n", "mk/a.mk": "a: ; x\n", "local.mk": "l: ; x\n"}, "a l"},
		{"variable", files{"Makefile": "R = $(S)/mk\nS := lib\nX ?= a\ninclude $(R)/$(X).mk\n", "lib/mk/a.mk": "a: ; x\n"}, "a"},
		{"POSIX assignment", files{"Makefile": "R ::= mk\ninclude ${R}/a.mk\n", "mk/a.mk": "a: ; x\n"}, "a"},
		{"CURDIR", files{"Makefile": "include $(CURDIR)/mk/a.mk\n", "mk/a.mk": "a: ; x\n"}, "a"},
		{"own directory", files{"Makefile": "D := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))\ninclude $(D)mk/a.mk\n",
			"mk/a.mk": "H := $(dir $(lastword $(MAKEFILE_LIST)))\ninclude $(H)b.mk\na: ; x\n", "mk/b.mk": "b: ; x\n"}, "b a"},
		{"variable from an include", files{"Makefile": "include vars.mk\ninclude $(DIR)/a.mk\n", "vars.mk": "DIR := mk\n", "mk/a.mk": "a: ; x\n"}, "a"},
		{"known words of a list", files{"Makefile": "-include $(UNKNOWN) a.mk $(shell x).mk\n", "a.mk": "a: ; x\n"}, "a"},
		{"in a branch", files{"Makefile": "ifdef X\ninclude a.mk\nelse\ninclude b.mk\nendif\n", "a.mk": "a: ; x\n", "b.mk": "b: ; x\n"}, "a b"},
		{"twice", files{"Makefile": "include a.mk ./a.mk mk/../a.mk\n", "a.mk": "a: ; x\n"}, "a"},
		{"conditions end with their file", files{"Makefile": "include a.mk\nb: ; x\n", "a.mk": "ifdef X\na: ; x\n"}, "a b"},
		{"CURDIR is no name", files{"Makefile": ".PHONY: $(CURDIR)/x\n$(CURDIR)/x: ; x\na: ; x\n"}, "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := parse(t, tt.p)
			if got := targetNames(m); got != tt.want {
				t.Errorf("offered %q, want %q; problems:\n%s", got, tt.want, problemTexts(m))
			}
		})
	}
}

func TestParse_IncludesAreBounded(t *testing.T) {
	t.Parallel()
	t.Run("depth", func(t *testing.T) {
		t.Parallel()
		m, err := Parse(func(name string) ([]byte, error) {
			return []byte("include x" + name + "\n"), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Files) != maxDepth+1 || !strings.Contains(problemTexts(m), "nested more than") {
			t.Errorf("read %d files, want %d and a problem:\n%s", len(m.Files), maxDepth+1, problemTexts(m))
		}
	})
	t.Run("number", func(t *testing.T) {
		t.Parallel()
		var text strings.Builder
		for i := range 2 * maxFiles {
			fmt.Fprintf(&text, "include f%d\n", i)
		}
		m, err := Parse(func(name string) ([]byte, error) {
			if name == "GNUmakefile" {
				return []byte(text.String()), nil
			}
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Files) != maxFiles || !strings.Contains(problemTexts(m), "more than 1000 files") {
			t.Errorf("read %d files, want %d and a problem:\n%s", len(m.Files), maxFiles, problemTexts(m))
		}
	})
	t.Run("each other", func(t *testing.T) {
		t.Parallel()
		m := parse(t, files{"Makefile": "include a.mk\nm: ; x\n", "a.mk": "include b.mk\n", "b.mk": "-include a.mk ./Makefile\nb: ; x\n"})
		if got := targetNames(m); got != "b m" || len(m.Problems) != 2 {
			t.Errorf("offered %q, problems:\n%s\nwant b m and both cycles", got, problemTexts(m))
		}
	})
	t.Run("expansion", func(t *testing.T) {
		t.Parallel()
		var text strings.Builder
		text.WriteString("V0 = aaaaaaaaaa\n")
		for i := range 60 {
			fmt.Fprintf(&text, "V%d = $(V%d)$(V%d)\n", i+1, i, i)
		}
		text.WriteString("$(V60): ; x\nb: ; x\n")
		if got := targetNames(parseText(t, text.String())); got != "b" {
			t.Errorf("offered %q, want b", cut(got, 100))
		}
	})
	t.Run("directories", func(t *testing.T) {
		t.Parallel()
		asked := 0
		var text strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&text, "X := $(wildcard d%d/*)\n", i)
		}
		_, err := Parse(func(name string) ([]byte, error) {
			if name == "GNUmakefile" {
				return []byte(text.String()), nil
			}
			asked++
			return nil, nil
		})
		if err != nil || asked != maxListings {
			t.Errorf("listed %d directories (%v), want %d", asked, err, maxListings)
		}
	})
}

func TestParse_OpenThatCannotList(t *testing.T) {
	t.Parallel()
	m, err := Parse(func(name string) ([]byte, error) {
		if name == "GNUmakefile" {
			return []byte("include mk/*.mk\n-include mk/*.mk\na: ; x\n"), nil
		}
		return nil, errors.New("cat: mk/: Is a directory")
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "GNUmakefile:1: the files that match mk/*.mk cannot be listed: cat: mk/: Is a directory"
	if got := problemTexts(m); got != want || targetNames(m) != "a" {
		t.Errorf("offered %q, problem %q; want a and %q", targetNames(m), got, want)
	}
}
