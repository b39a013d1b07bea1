package target

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// files is a project in memory; a name that ends in "/" is a directory.
type files map[string]string

func (p files) open(name string) ([]byte, error) {
	if !strings.HasSuffix(name, "/") {
		if data, ok := p[name]; ok {
			return []byte(data), nil
		}
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	dir := strings.TrimPrefix(name, "./")
	found := map[string]bool{}
	for file := range p {
		if rest, ok := strings.CutPrefix(file, dir); ok {
			entry, _, _ := strings.Cut(rest, "/")
			found[entry] = true
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	var out strings.Builder
	for entry := range found {
		out.WriteString(entry + "\n")
	}
	return []byte(out.String()), nil
}

func parse(t *testing.T, p files) Makefile {
	t.Helper()
	m, err := Parse(p.open)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return m
}

func parseText(t *testing.T, text string) Makefile {
	t.Helper()
	return parse(t, files{"Makefile": text})
}

func targetNames(m Makefile) string {
	var names []string
	for _, t := range m.Targets {
		names = append(names, t.Name)
	}
	return strings.Join(names, " ")
}

func problemTexts(m Makefile) string {
	var out []string
	for _, p := range m.Problems {
		out = append(out, fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text))
	}
	return strings.Join(out, "\n")
}

func TestParse_Offers(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"explicit", "build:\n\tgo build\n", "build"},
		{"several in one rule", "a b\tc: ; echo\n", "a b c"},
		{"double colon", "a:: x\n\techo\na::\n\techo\n", "a"},
		{"grouped", "a b &: x\n\techo\nc d&: ; echo\n", "a b c d"},
		{"inline recipe", "a: ; cmd\nb:;cmd\n", "a b"},
		{"blank before colon", "a : ; cmd\n", "a"},
		{"only prerequisites", "all: build test\nbuild test: ; go $@\n", "all build test"},
		{"order-only prerequisites", "all: | build\nbuild: ; x\n", "all build"},
		{"no recipe and no prerequisites", "FORCE:\nall: FORCE\n.PHONY: FORCE\n", "all"},
		{"empty rule with help", "noop: ## does nothing\n", "noop"},
		{"empty recipe counts", "noop: ;\n", "noop"},
		{"target-specific variable", "a: X = 1\nb: X := 2\nc: export X ?= 3\nd: override X += x\ne: private X = 1\n", ""},
		{"target-specific variable of a target", "a: X = 1\nz: ; cmd\na: ; echo $(X)\n", "z a"},
		{"assignments", "A = b: c\nB := x\nC ::= x\nD :::= x\nE ?= x\nF += x\nG != x\nH:=x\n", ""},
		{"assignment with modifiers", "export A := b\noverride B = c: d\nexport override C=1\nprivate D = x\nundefine A\noverride undefine B\n", ""},
		{"directives", "export A B\nexport\nunexport A\nvpath %.c src:lib\nvpath\nload x.so\n-load y.so\n", ""},
		{"targets named like directives", "export: ; x\ninclude: ; x\ndefine: ; x\nload: ; x\nifdef: ; x\nelse: ; x\n", "export include define load ifdef else"},
		{"variables named like directives", "ifdef = 1\ndefine = 2\nexport = 3\ninclude = x.mk\na: ; x\n", "a"},
		{"colon in a reference", "a: $(X:.c=.o) ; x\nB = $(Y:a=b)\n", "a"},
		{"escaped colon", "a\\:b: ; x\n", "a:b"},
		{"escaped blank", "a\\ b: ; x\n", "a b"},
		{"escaped hash", "a\\#b: ; x\n", "a#b"},
		{"dollar", "a$$b: ; x\n", "a$b"},
		{"dotted and slashed", ".PHONY: docker/build\ndb.migrate: ; x\ndocker/build: ; x\n", "db.migrate docker/build"},
		{"files", "main.o: main.c\n\tcc\nbin/app: main.o\n\tcc\nlibz.so.1.3: ; x\nl.a(m.o): ; x\nout.JSON: ; x\n", ""},
		{"phony files", ".PHONY: bin/app app.exe\nbin/app: ; x\napp.exe: ; x\n", "bin/app app.exe"},
		{"documented files", "bin/app: main.o ## Build it\n\tcc\n", "bin/app"},
		{"phony in several lines", ".PHONY: a.o \\\n  b.o\n.PHONY: c.o\na.o b.o c.o d.o: ; x\n", "a.o b.o c.o"},
		{"phony by variables", "T := a.o b.o\nU = $(T) c.o\n.PHONY: $(U) $(UNKNOWN) d.o\na.o b.o c.o d.o e.o: ; x\n", "a.o b.o c.o d.o"},
		{"phony without a rule", ".PHONY: ghost real\nreal: ; x\n", "real"},
		{"special", ".SUFFIXES: .c\n.DEFAULT: ; x\n.DEFAULT_GOAL := all\n.ONESHELL:\n.POSIX:\n.EXPORT_ALL_VARIABLES:\n.NOTPARALLEL: a\n", ""},
		{"pattern", "%.o: %.c\n\tcc\nbuild-%: ; x\n%: ; x\n", ""},
		{"escaped percent is no pattern", "a\\%b: ; x\n", ""},
		{"static pattern", "a.o b.o: %.o: %.c\n\tcc\n.PHONY: build-x build-y\nbuild-x build-y other: build-%: src-%\n\tx\n", "build-x build-y"},
		{"suffix rules", ".c.o:\n\tcc\n.c:\n\tcc\n", ""},
		{"wildcard targets", "*.x: ; x\na?: ; x\n", ""},
		{"helpers", "_x: ; x\n.hidden: ; x\nb: ; x ## @hidden\n## @hidden\nc: ; x\n", ""},
		{"names that make would misread", "-k: ; x\nE := =\nX$(E)1: ; x\n", ""},
		{"leading dot-slash", "./a: ; x\n.//b: ; x\n", "a b"},
		{"the makefile itself", "Makefile: ; x\na: ; x\n", "a"},
		{"literal names", "P := db\nN = migrate\n$(P)-$(N) ${P}-x: ; x\n", "db-migrate db-x"},
		{"computed names", "a-$(shell date): ; x\n$(UNDEF)-b: ; x\n$(call f,x): ; x\nc: ; x\n", "c"},
		{"late value", "N = $(M)\nM = one\n$(N): ; x\nM = two\n", "one"},
		{"immediate value", "M = one\nN := $(M)\nM = two\n$(N): ; x\n", "one"},
		{"functions", "S := api web\n$(addprefix build-,$(S)) $(S:%=test-%) $(foreach s,$(S),run-$(s)) $(patsubst %,x-%,$(S)): ; x\n",
			"build-api build-web test-api test-web run-api run-web x-api x-web"},
		{"append", "S = a\nS += b\nT := c\nT += $(S)\n$(T): ; x\n", "c a b"},
		{"rule in a variable", "R := a: b\n$(R)\n\techo\n", "a"},
		{"branches that disagree", "ifdef W\nN := w\nelse\nN := u\nendif\nrun-$(N): ; x\nall: ; x\n", "all"},
		{"branches that agree", "ifndef N\nN := u\nendif\nrun-$(N): ; x\n", "run-u"},
		{"blanks at the end of a value", "A := a # comment\n$(A)-b: ; x\nB := b  \n$(B)c: ; x\n", "a b c"},
		{"override stays", "override A = a\nA = b\nA += c\n$(A): ; x\n", "a"},
		{"escaped hash in a value", "A := a\\#b\n$(A): ; x\n", "a#b"},
		{"recursive variable", "A = $(B)\nB = $(A)\n$(A): ; x\nc: ; x\n", "c"},
		{"all branches, once", "ifdef X\na: ; x\nelse ifeq ($(Y),1)\na: ; y\nb: ; y\n  else\n\tifneq (a,b)\nc: ; z\n\tendif\nendif\nd: ; x\n", "a b c d"},
		{"condition inside a recipe", "a:\nifdef X\n\tx\nFOO := 1\nelse\n\ty: z\nendif\n\tz: z\nb: ; x\n", "a b"},
		{"recipes are not read", "a:\n\tb: c\n\n\t# comment\n# comment\n\tinclude x\n  \n\tifdef\nb: ; x\n", "a b"},
		{"recipe with continuation", "a:\n\techo \\\nb: c\n\techo \\\\\nc: ; x\n", "a c"},
		{"comment with continuation", "# comment \\\na: ; x\nb: ; x # \\\nc: ; x\n", "b"},
		{"continued names", "a \\\n  b \\\n\tc: \\\n d\n\techo\n", "a b c"},
		{"even backslashes end a line", "X = a\\\\\na: ; x\n", "a"},
		{"define", "define X\na: ; x\nendef\ndefine Y =\ndefine Z\nb: ; x\nendef # done\nc: ; x\nendef\noverride define W :=\nd: ; x\n\tendef\nendef\ne: ; x\n", "e"},
		{"recipe prefix", ".RECIPEPREFIX = >\na:\n> b: c\n\td: ; x\n.RECIPEPREFIX =\ne:\n\tf: ; x\n", "a d e"},
		{"CRLF", "a: b\r\n\techo\r\nb: \\\r\n c\r\n\techo\r\n", "a b"},
		{"byte order mark", "\uFEFFa: ; x\n", "a"},
		{"no newline at the end", "a: ; x\nb: c\n\techo", "a b"},
		{"tab-indented lines before any rule", "\tX = 1\n\t# comment\n\ta: ; x\n", ""},
		{"assignment ends a rule", "a: ; x\nX = 1\n\tY = 2\nb: ; x\n", "a b"},
		{"hash in a reference", "X := $(subst \\#,x,a)\na: $(X) # b: c\n\techo\n", "a"},
		{"rule without targets", ": a\n\techo\n$(EMPTY): b\n\techo\nc: ; x\n", "c"},
		{"calls that define rules", "$(eval a: ; x)\n$(foreach x,a b,$(eval $(call t,$(x))))\n$(info x: y)\nb: ; x\n", "b"},
		{"semicolon in a reference", "a: $(subst ;,x,y) ; x\n", "a"},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := parseText(t, tt.text)
			if got := targetNames(m); got != tt.want {
				t.Errorf("offered %q, want %q; problems:\n%s", got, tt.want, problemTexts(m))
			}
		})
	}
}

func TestParse_Problems(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"missing separator", "a: ; x\nfoo bar\nb: ; x\n", "Makefile:2: this is neither a rule nor an assignment"},
		{"spaces instead of a tab", "a:\n        echo\n", "Makefile:2: this is neither"},
		{"ifeq without blank", "ifeq(a,b)\nendif\n", "Makefile:1: this is neither"},
		{"recipe first", "\techo\n", "Makefile:1: a recipe line stands before any target"},
		{"missing endif", "a: ; x\nifdef X\nifdef Y\nendif\n", "Makefile:2: this condition has no endif"},
		{"extra endif", "endif\n", "Makefile:1: endif without"},
		{"extra else", "else\n", "Makefile:1: else without"},
		{"missing endef", "a: ; x\ndefine X\nb: ; x\n", "Makefile:2: this define has no endef"},
		{"empty name", "a b := c\n= x\n", "Makefile:2: an assignment without a variable name"},
		{"static pattern without %", "a: b: c\n", "Makefile:1: a second colon"},
		{"NUL", "a: ; x\nb\x00c: d\n", "Makefile:2: there is a NUL byte"},
		{"name that cannot be shown", "a\x1bc: ; x\n", "Makefile:1: a target's name has characters"},
		{"name that is not UTF-8", "a\xff: ; x\n", "Makefile:1: a target's name has characters"},
		{"name that reorders", "a\u202eb: ; x\n", "Makefile:1: a target's name has characters"},
		{"missing include", "a: ; x\ninclude no.mk\n", "Makefile:2: no.mk does not exist"},
		{"missing include in a branch", "ifdef X\ninclude no.mk\nendif\n", "Makefile:2: no.mk does not exist; a condition decides"},
		{"generated include", "include gen.mk\ngen.mk:\n\tgen > $@\n", "Makefile:1: gen.mk does not exist yet: the rule at Makefile:2 makes it"},
		{"computed include", "include $(shell ls) $(UNDEFINED)\n", "Makefile:1: an included file's name is computed"},
		{"include of itself", "include Makefile\n", "Makefile:1: Makefile includes itself"},
		{"include of a directory", "include ./ mk/\n", "Makefile:1: ./ is a directory"},
		{"include with escape codes", "include a\x1b.mk\n", "Makefile:1: an included file's name has characters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := problemTexts(parseText(t, tt.text))
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("problems:\n%s\nwant a first one like\n%s", got, tt.want)
			}
		})
	}
	t.Run("a broken line costs only itself", func(t *testing.T) {
		t.Parallel()
		m := parseText(t, "a: ; x\nfoo bar\n\techo\n\techo\nb: ; x\nendif\nc: ; x\n")
		if got := targetNames(m); got != "a b c" || len(m.Problems) != 2 {
			t.Errorf("offered %q with %d problems, want a b c with 2:\n%s", got, len(m.Problems), problemTexts(m))
		}
	})
	t.Run("secrets in a line are not quoted", func(t *testing.T) {
		t.Parallel()
		m := parse(t, files{"Makefile": "-include .env\n", ".env": "hunter2 hunter2\n\thunter2\nendif hunter2\n"})
		if len(m.Problems) == 0 || strings.Contains(problemTexts(m), "hunter2") {
			t.Errorf("problems:\n%s\nwant some, without the text of the lines", problemTexts(m))
		}
	})
	t.Run("many", func(t *testing.T) {
		t.Parallel()
		m := parseText(t, strings.Repeat("foo\n", 1000))
		if want := "this and 900 more places could not be read"; len(m.Problems) != 100 || m.Problems[99].Text != want {
			t.Errorf("%d problems, the last %q; want 100 and %q", len(m.Problems), m.Problems[len(m.Problems)-1].Text, want)
		}
	})
	for _, quiet := range []string{"-include no.mk\nsinclude no.mk\n", "-include $(shell ls)\n", "$(info hello)\n", "\n \n\t\n#x\n"} {
		if m := parseText(t, quiet); len(m.Problems) != 0 {
			t.Errorf("%q has problems:\n%s", quiet, problemTexts(m))
		}
	}
}

func TestParse_Place(t *testing.T) {
	t.Parallel()
	m := parse(t, files{
		"Makefile": "a: b\nX = \\\n  \\\n  y\na: c\na:\n\techo\nifdef Q\nc: ; x\nelse\nc: ; y\nendif\ninclude k.mk\nd: ; own\n",
		"k.mk":     "# k\nd: ; theirs\ne: ; x\n",
	})
	got := map[string]string{}
	for _, tg := range m.Targets {
		got[tg.Name] = fmt.Sprintf("%s:%d", tg.File, tg.Line)
	}
	for name, want := range map[string]string{
		"a": "Makefile:6",  // where the recipe is
		"c": "Makefile:9",  // of two branches, the first
		"d": "Makefile:14", // the last recipe is the one that make runs
		"e": "k.mk:3",
	} {
		if got[name] != want {
			t.Errorf("%s is at %s, want %s", name, got[name], want)
		}
	}
	if want := []string{"Makefile", "k.mk"}; !slices.Equal(m.Files, want) || m.File != "Makefile" {
		t.Errorf("File %q, Files %q, want Makefile and %q", m.File, m.Files, want)
	}
}

func TestParse_PicksTheMakefileThatMakeWould(t *testing.T) {
	t.Parallel()
	all := files{"GNUmakefile": "g: ; x\n", "makefile": "m: ; x\n", "Makefile": "M: ; x\n"}
	for _, want := range makefileNames {
		if m := parse(t, all); m.File != want {
			t.Errorf("read %s, want %s", m.File, want)
		}
		delete(all, want)
	}
	_, err := Parse(all.open)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "GNUmakefile, makefile, Makefile") {
		t.Errorf("without a makefile: %v, want fs.ErrNotExist and where it looked", err)
	}
	_, err = Parse(func(name string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "GNUmakefile") {
		t.Errorf("unreadable makefile: %v, want fs.ErrPermission and its name", err)
	}
}

func TestParseDir(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "project")
	write(t, filepath.Join(root, "common.mk"), "common: ; x\n")
	write(t, filepath.Join(root, "abs.mk"), "abs: ; x\n")
	write(t, filepath.Join(dir, "mk", "b.mk"), "b: ; x\n")
	write(t, filepath.Join(dir, "mk", "a.mk"), "a: ; x\n")
	write(t, filepath.Join(dir, "mk", ".hidden.mk"), "never: ; x\n")
	write(t, filepath.Join(dir, "Makefile"), "include ../common.mk mk/*.mk "+filepath.ToSlash(filepath.Join(root, "abs.mk"))+"\ninclude mk\n")
	m, err := ParseDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := targetNames(m), "common a b abs"; got != want {
		t.Errorf("offered %q, want %q:\n%s", got, want, problemTexts(m))
	}
	if got := problemTexts(m); !strings.Contains(got, "not a regular file") {
		t.Errorf("including a directory: problems %q, want that it is not a regular file", got)
	}

	_, err = ParseDir(root)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), root) || !strings.Contains(err.Error(), "GNUmakefile") {
		t.Errorf("directory without makefile: %v, want fs.ErrNotExist, the directory and the names", err)
	}
	if _, err = ParseDir(filepath.Join(root, "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v, want fs.ErrNotExist", err)
	}
	if _, err = ParseDir(filepath.Join(root, "abs.mk")); err == nil {
		t.Error("a file as project directory: no error")
	}
	write(t, filepath.Join(root, "big", "Makefile"), strings.Repeat("#", maxFileSize+1))
	if _, err = ParseDir(filepath.Join(root, "big")); err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("a makefile of more than 16 MiB: %v, want that it is larger", err)
	}
	if runtime.GOOS != "windows" && os.Geteuid() != 0 {
		secret := filepath.Join(root, "secret")
		write(t, filepath.Join(secret, "Makefile"), "")
		if err := os.Chmod(filepath.Join(secret, "Makefile"), 0); err != nil {
			t.Fatal(err)
		}
		if _, err = ParseDir(secret); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("unreadable makefile: %v, want fs.ErrPermission", err)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
