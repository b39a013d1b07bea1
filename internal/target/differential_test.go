package target

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// Random makefiles from the parts that are easy to get wrong, read by us and by
// make. Where make can read all of it, both must agree on every callable name.
// This is how the rule was found that an assignment after `override` is void.
func TestParse_AgreesWithMakeOnRandomMakefiles(t *testing.T) {
	t.Parallel()
	const want = 100
	agreed := 0
	for seed := uint64(1); agreed < want; seed++ {
		if seed > 10*want {
			t.Fatalf("only %d of %d makefiles were ones that make can read", agreed, seed)
		}
		dir, text := t.TempDir(), randomMakefile(rand.New(rand.NewPCG(seed, 0)))
		write(t, filepath.Join(dir, "Makefile"), text)
		write(t, filepath.Join(dir, "inc.mk"), "W := inc\nincluded: ; x\n")
		// The last rule is there only if make has read that far.
		out := runDatabase(t, dir)
		truth := readTruth(string(out))
		if !truth["the-end"].recipe {
			continue
		}
		agreed++
		m, err := ParseDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		static := map[string]bool{}
		for _, tg := range m.Targets {
			static[tg.Name] = true
			if e, ok := truth[tg.Name]; !ok || e.phony != tg.Phony {
				t.Errorf("seed %d: offered %q phony=%v, make has %v %+v\n%s", seed, tg.Name, tg.Phony, ok, e, text)
			}
		}
		for name, e := range truth {
			if e.recipe && !static[name] && callable(name) && (e.phony || !looksLikeFile(name)) {
				t.Errorf("seed %d: missed %q\n%s", seed, name, text)
			}
		}
		unsure(t, m, out)
		if len(m.Problems) > 0 {
			t.Errorf("seed %d: make can read it, but:\n%s\n%s", seed, problemTexts(m), text)
		}
	}
}

func randomMakefile(rnd *rand.Rand) string {
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	name := func() string {
		return pick("a", "b", "cc", "d-e", "f.g", "x/y", "m.o", "$(V)", "$(W)x", "${P}", "j k", `q\ r`,
			"$(addprefix p-,$(W))", "$(V:%=%-z)", "_u", ".t")
	}
	lines := []string{"V := v0", "W := w0", "P := p0"}
	for range 3 + rnd.IntN(12) {
		var line string
		switch k := rnd.IntN(100); {
		case k < 25:
			line = pick("V := v1", "V = $(W)", "W = w1 w2", "W := w", "P := pp # c", "W += more", "V += $(P)", "P = q\\\n  r",
				"  P:=s", "export V := e", "override W = o", "define V\ntext more\nendef", "V ?= cond",
				"define  X =\ndefine Y\nendef\nz: ; z\nendef")
		case k < 32:
			line = ".PHONY: " + name() + " " + name()
		case k < 40:
			line = pick("# c \\\n  zz: ; no", "## help", "", "   ", "\t", "\t# tab comment", "unexport V", "vpath %.c src",
				"export", "##@ S", ".SUFFIXES:", "-include none.mk", "include inc.mk", "$(info x)", "$(EMPTY)")
		case k < 46:
			line = name() + ": " + pick("X = 1", "X := a:b", "export X += $(V)", "private X ?= ; y")
		case k < 50:
			line = "p-w p-x: p-%: d-%\n\techo $*\n%.q: ; no"
		default:
			line = name() + pick(":", ": ", " : ", "::", " &: ", ":\\\n ") + name() + pick("", "\n\techo", "\n\techo \\\nzz: ; no",
				"; echo", " ; echo # zz:", "\n# c\n\n\techo: $(X)\n\n\tb: c", " # c: d\n\tx", "\n\t\n", " ## help: me\n\techo")
		}
		lines = append(lines, line)
	}
	return fmt.Sprintf("%s\nthe-end: ; x%s", strings.Join(lines, "\n"), pick("\n", "", "\n\n"))
}
