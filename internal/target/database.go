package target

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// DatabaseArgv is the command that makes GNU make print what it knows about
// the project in dir. Running it EXECUTES the project's $(shell …) and may
// remake included files in spite of -q: only for a folder the operator trusts,
// with [DatabaseEnv] and a timeout. Its exit code says nothing (there is no
// target ":"); its standard output goes to [ParseDatabase].
func DatabaseArgv(dir string) []string {
	return []string{"make", "-pRrq", "-C", dir, ":"}
}

// DatabaseEnv is the environment that DatabaseArgv needs on top of the
// caller's: the output must be in English, and flags that a surrounding make
// or the operator's profile exports must not change it.
func DatabaseEnv() map[string]string {
	return map[string]string{"LC_ALL": "C", "MAKEFLAGS": "", "GNUMAKEFLAGS": ""}
}

// ParseDatabase reads the targets from make's database, of GNU make 3.81 or
// later: those with a recipe, and phony ones with prerequisites. Files,
// helpers and special targets are left out as in static reading. File and Line
// are those of the recipe. The targets are sorted by place and name, as make
// prints them in no order. It fails when there is no database in out.
func ParseDatabase(out []byte) ([]Target, error) {
	text := strings.ReplaceAll("\n"+string(out), "\r\n", "\n")
	// Make starts over, and prints again, when it has remade an included file.
	start := strings.LastIndex(text, "\n# Files\n")
	if start < 0 {
		return nil, errors.New("read make's database: there is no list of files in what make printed")
	}
	d := database{found: map[string]Target{}}
	for line := range strings.Lines(text[start+1:]) {
		if strings.HasPrefix(line, "# files hash-table stats:") {
			break
		}
		d.line(strings.TrimSuffix(line, "\n"))
	}
	d.flush()
	targets := slices.AppendSeq([]Target{}, maps.Values(d.found))
	slices.SortFunc(targets, func(a, b Target) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Name, b.Name))
	})
	return targets[:min(len(targets), maxTargets)], nil
}

// database reads entries that end in an empty line: an optional remark that
// the name is not a target, "name: prerequisites", remarks, the recipe.
type database struct {
	found     map[string]Target
	cur       Target
	notTarget bool
	deps      bool
	recipe    bool // in it, or past it
}

func (d *database) line(line string) {
	switch {
	case line == "":
		d.flush()
	case d.recipe:
	case line == "# Not a target:":
		d.notTarget = true
	case strings.HasPrefix(line, "#  Phony target"):
		d.cur.Phony = true
	case strings.HasPrefix(line, "#  recipe to execute (from "), strings.HasPrefix(line, "#  commands to execute (from "):
		d.recipe = true
		_, place, _ := strings.Cut(line, "(from ")
		d.cur.File, d.cur.Line = recipePlace(place)
	case line[0] == '#' || line[0] == '\t':
	default:
		d.header(line)
	}
}

// header splits at the first colon that a name cannot go on after. Lines such
// as "name: VAR = value" list a target's own variables.
func (d *database) header(line string) {
	for i := 0; i < len(line); i++ {
		if line[i] != ':' || i+1 < len(line) && line[i+1] != ' ' && line[i+1] != ':' {
			continue
		}
		rest := strings.TrimPrefix(line[i+1:], ":")
		if _, ok := parseAssign(rest, true); !ok {
			d.cur.Name, d.deps = line[:i], strings.Trim(rest, " |") != ""
		}
		return
	}
}

func (d *database) flush() {
	t := d.cur
	wanted := !d.notTarget && (d.recipe || t.Phony && d.deps)
	if wanted && callable(t.Name) && speakable(t.Name) && (t.Phony || !looksLikeFile(t.Name)) {
		if _, ok := d.found[t.Name]; !ok { // a double-colon target has an entry for each rule
			t.Computed, t.Params = true, []Param{}
			t.Interactive, t.Why = note{}.interactive(t.Name)
			d.found[t.Name] = t
		}
	}
	*d = database{found: d.found}
}

// recipePlace reads "'Makefile', line 3):"; make 3.81 opens with a backquote.
func recipePlace(s string) (string, int) {
	i := strings.LastIndex(s, "', line ")
	if i < 1 {
		return "", 0
	}
	line, err := strconv.Atoi(strings.TrimSuffix(s[i+len("', line "):], "):"))
	if err != nil || line < 0 {
		line = 0
	}
	return clean(s[1:i]), line
}

// Merge adds the targets that only make could find, marked Computed, after the
// static ones without a section. It changes and loses none of the static ones,
// and does not bring back what static reading withheld; for that, static must
// come from Parse directly, not through JSON.
func Merge(static Makefile, database []Target) Makefile {
	have := maps.Clone(static.decided)
	if have == nil {
		have = map[string]bool{}
	}
	for _, t := range static.Targets {
		have[t.Name] = true
	}
	for _, f := range static.Files {
		have[f] = true
	}
	merged := static
	merged.Targets = slices.Clone(static.Targets)
	for _, t := range database {
		if have[t.Name] {
			continue
		}
		have[t.Name] = true
		t.Computed = true
		merged.Targets = append(merged.Targets, t)
	}
	groupBySection(merged.Targets)
	merged.decided = have
	return merged
}
