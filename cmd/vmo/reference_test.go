//go:build unix

package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/schematest"
)

var update = flag.Bool("update", false, "write docs/cli.md and the schemas of what is printed anew")

// TestReference_IsTheHelpOfTheCommands holds docs/cli.md to what vmo itself says.
func TestReference_IsTheHelpOfTheCommands(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "cli.md")
	want := reference((&cli{}).root())
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/cli.md is not what the commands say; write it anew with: make golden\n%s", firstDifference(string(got), string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		line := func(lines []string) string {
			if i < len(lines) {
				return lines[i]
			}
			return "(the end)"
		}
		if line(g) != line(w) {
			return fmt.Sprintf("line %d there:  %s\nfrom the help: %s", i+1, line(g), line(w))
		}
	}
	return ""
}

// reference is docs/cli.md.
func reference(root *cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString("<!-- Made from the help of the commands in cmd/vmo. To change it, change that and run: make golden -->\n\n# vmo\n\n")
	fmt.Fprintf(&b, "%s\n\n", markdown(root.Long))
	b.WriteString("This page is what `vmo help` and `vmo COMMAND --help` say. How to do things with it is in the [guide](guide.md).\n\n")
	flagTable(&b, " Flags of every command ", root.PersistentFlags())
	for _, group := range root.Groups() {
		fmt.Fprintf(&b, "**%s**\n\n", strings.TrimSuffix(group.Title, ":"))
		b.WriteString("| | |\n| --- | --- |\n")
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID && !cmd.Hidden {
				fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", cmd.CommandPath(), anchor(cmd), markdown(cmd.Short))
			}
		}
		b.WriteByte('\n')
	}
	for _, group := range root.Groups() {
		fmt.Fprintf(&b, "## %s\n\n", strings.TrimSuffix(group.Title, ":"))
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID {
				everyCommand(cmd, func(cmd *cobra.Command) { section(&b, cmd) })
			}
		}
	}
	for _, cmd := range root.Commands() {
		if cmd.IsAdditionalHelpTopicCommand() {
			fmt.Fprintf(&b, "## %s\n\nAlso as `vmo help %s`.\n\n%s\n\n", markdown(cmd.Short), cmd.Name(), markdown(cmd.Long))
		}
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

func anchor(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// section is a command. Its heading is its name alone, so that links to it stay.
func section(b *bytes.Buffer, cmd *cobra.Command) {
	if cmd.Hidden {
		return
	}
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	fmt.Fprintf(b, "### %s\n\n    %s\n\n%s\n\n", cmd.CommandPath(), strings.TrimSuffix(cmd.UseLine(), " [flags]"), markdown(about))
	flagTable(b, " ", cmd.LocalNonPersistentFlags())
	if cmd.Example != "" {
		b.WriteString("For example:\n\n")
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			fmt.Fprintf(b, "  %s\n", line)
		}
		b.WriteByte('\n')
	}
}

func flagTable(b *bytes.Buffer, title string, flags *pflag.FlagSet) {
	head := "|" + title + "| |\n| --- | --- |\n"
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		b.WriteString(head)
		head = ""
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + "`, `" + name
		}
		if value != "" {
			name += " " + strings.ReplaceAll(value, "|", `\|`)
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "[]" {
			usage += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", name, markdown(usage))
	})
	if head == "" {
		b.WriteByte('\n')
	}
}

// TestSchemas_AreThoseOfWhatIsPrinted holds docs/schemas to the types.
func TestSchemas_AreThoseOfWhatIsPrinted(t *testing.T) {
	t.Parallel()
	schematest.Check(t, *update, schematest.Schema{File: "job.schema.json", Title: "A job, as vmo jobs --json prints it"}, job.Job{})
	schematest.Check(t, *update, schematest.Schema{File: "output.schema.json", Title: "A piece of output, as vmo show --json prints it"}, job.Chunk{})
}

// TestTopicJSON_NamesEveryField holds vmo help json to the types that are printed.
func TestTopicJSON_NamesEveryField(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(aboutJSON, "A job,")
	aJob, aPiece, found := strings.Cut(rest, "A piece of output,")
	if !found {
		t.Fatal("vmo help json has no longer a part about jobs and one about pieces of output")
	}
	for _, test := range []struct {
		what, text string
		want       []string
	}{
		{"a job", aJob, jsonFields(reflect.ValueOf(job.Job{}))},
		{"a piece of output", aPiece, append(jsonFields(reflect.ValueOf(job.Chunk{})), "text")},
	} {
		var got []string
		for line := range strings.SplitSeq(test.text, "\n") {
			name := strings.TrimPrefix(line, "  ")
			if name == line || strings.HasPrefix(name, " ") {
				continue // a paragraph, or the rest of a field
			}
			names, _, _ := strings.Cut(name, "  ")
			got = append(got, strings.Split(names, ", ")...)
		}
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("vmo help json: the fields of %s are %v, want those of the type: %v", test.what, got, test.want)
		}
	}
	for _, value := range append(constants(t, "state.go", "State", "Cause"), constants(t, "chunk.go", "NoteKind")...) {
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(value) + `\b`).MatchString(aboutJSON) {
			t.Errorf("vmo help json does not name %q", value)
		}
	}
}

// constants are the values of the constants of some types of package job.
func constants(t *testing.T, file string, types ...string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "internal", "job", file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if named, ok := spec.Type.(*ast.Ident); ok && slices.Contains(types, named.Name) {
				value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value)
			}
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("there are no constants of %v in %s any more", types, file)
	}
	return values
}
