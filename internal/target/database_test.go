package target

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// runDatabase asks the real make about a project of this repository. Tests
// without make are worth little, so CI sets VMO_TEST_REQUIRE_MAKE.
func runDatabase(t *testing.T, dir string) []byte {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		if os.Getenv("VMO_TEST_REQUIRE_MAKE") != "" {
			t.Fatal("make is not installed, and VMO_TEST_REQUIRE_MAKE is set")
		}
		t.Skip("make is not installed")
	}
	argv := DatabaseArgv(dir)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), argv[0], argv[1:]...)
	// Not the caller's environment: with CI or NAME set, make reads another makefile.
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + os.Getenv("HOME")}
	for name, value := range DatabaseEnv() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.Output() // the exit code says nothing
	if len(out) == 0 {
		t.Fatalf("%q printed nothing: %v", argv, err)
	}
	return out
}

func describe(targets []Target) string {
	var out []string
	for _, t := range targets {
		out = append(out, fmt.Sprintf("%s@%s:%d phony=%v computed=%v", t.Name, t.File, t.Line, t.Phony, t.Computed))
	}
	return strings.Join(out, "\n")
}

func TestParseDatabase_Formats(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"make-4.3.txt", "make-3.81.txt"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			out, err := os.ReadFile(filepath.Join("testdata", "database", file))
			if err != nil {
				t.Fatal(err)
			}
			targets, err := ParseDatabase(out)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Join([]string{
				"all@:0 phony=true computed=true",
				"build@Makefile:6 phony=true computed=true",
				"db-shell@Makefile:9 phony=false computed=true",
				"bin/doc@mk/it's, line 7.mk:3 phony=true computed=true",
			}, "\n")
			if got := describe(targets); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestParseDatabase_WithoutDatabase(t *testing.T) {
	t.Parallel()
	for _, out := range []string{"", "make: command not found\n", "# Make data base\n# Files"} {
		if targets, err := ParseDatabase([]byte(out)); err == nil {
			t.Errorf("%q: %v and no error, want an error", out, targets)
		}
	}
}

func TestParseDatabase_TakesTheLastBlock(t *testing.T) {
	t.Parallel()
	block := func(name string) string {
		return "\n# Files\n\n" + name + ":\n#  recipe to execute (from 'Makefile', line 2):\n\techo\n\n# files hash-table stats:\n\nafter:\n#  recipe to execute (from 'Makefile', line 9):\n\n"
	}
	targets, err := ParseDatabase([]byte(block("first") + block("last")))
	if err != nil || describe(targets) != "last@Makefile:2 phony=false computed=true" {
		t.Errorf("got %s, %v; want only last", describe(targets), err)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Makefile"), `##@ Known
known: ## Static help
	@echo
##@ Other
hidden: ; x ## @hidden
_helper: ; x
main.o: ; x
.PHONY: made-phony
$(foreach x,one two,$(eval made-$(x): ; x))
$(eval db-shell: ; x)
$(eval made.o: ; x)
$(eval _made: ; x)
$(eval made-phony: known)
`)
	static, err := ParseDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := targetNames(static); got != "known" {
		t.Fatalf("static reading offers %q, want known", got)
	}
	database, err := ParseDatabase(runDatabase(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	before := describe(static.Targets)
	merged := Merge(static, database)
	want := strings.Join([]string{
		"made-phony@:0 phony=true computed=true",
		"made-one@Makefile:9 phony=false computed=true",
		"made-two@Makefile:9 phony=false computed=true",
		"db-shell@Makefile:10 phony=false computed=true",
		"known@Makefile:2 phony=false computed=false",
	}, "\n")
	if got := describe(merged.Targets); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, tg := range merged.Targets {
		if tg.Name == "db-shell" && (!tg.Interactive || tg.Why != "name") {
			t.Errorf("db-shell: interactive %v, why %q", tg.Interactive, tg.Why)
		}
		if tg.Name == "known" && tg.Help != "Static help" {
			t.Errorf("known lost its help: %+v", tg)
		}
	}
	if describe(static.Targets) != before {
		t.Error("Merge changed its argument")
	}
	if again := Merge(merged, database); !reflect.DeepEqual(again.Targets, merged.Targets) {
		t.Errorf("merging twice gives\n%s", describe(again.Targets))
	}
}

// Discovery must not run a stranger's code. The same project does run it when
// make is asked, or this test would prove nothing.
func TestParse_NeverExecutes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	marker := filepath.Join(dir, "marker")
	touch := "touch " + filepath.ToSlash(marker)
	write(t, filepath.Join(dir, "Makefile"), strings.ReplaceAll(`SHELL = /bin/sh
A := $(shell TOUCH)
B != TOUCH
C = $(shell TOUCH)
$(shell TOUCH): ; x
$(C) t-$(C): $(C) ; x
include $(shell TOUCH) $(C)
-include gen.mk
gen.mk: ; TOUCH; touch $@
.PHONY: $(C) $(foreach x,1 2,$(shell TOUCH))
D ?= $(C)
D += $(C)
E := $(wildcard $(C))$(file >marker,x)$(eval $(shell TOUCH))
ifeq ($(C),)
endif
$(shell TOUCH)
.RECIPEPREFIX := $(shell TOUCH)
`, "TOUCH", touch))
	if _, err := ParseDir(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Fatal("reading the makefile executed it")
	}
	runDatabase(t, dir)
	if _, err := os.Stat(marker); err != nil {
		t.Fatalf("make did not execute it either, so this test proves nothing: %v", err)
	}
}
