//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

const repository = "../.."

// TestDocs_LeadSomewhere follows every relative link of every page, to its heading.
func TestDocs_LeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"`)
	for _, page := range pages(t) {
		for n, line := range strings.Split(page.prose, "\n") {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				if err := page.leads(m[1] + m[2]); err != nil {
					t.Errorf("%s:%d: %v", page.path, n+1, err)
				}
			}
		}
	}
}

// A command line begins a line, or follows a prompt or another one.
var (
	aMake = regexp.MustCompile(`(?m)(?:^|[;&|(]|\$ )\s*(?:[A-Z_]+=\S* )*make ([a-z][a-z-]*)`)
	aVmo  = regexp.MustCompile(`(?m)(?:^|[;&|(]|\$ )\s*(?:[A-Z_]+=\S* )*(?:\S+/)?vmo ([^|;&)#\n]+)`)
)

// TestDocs_NameWhatIsThere looks up every command, flag and make target that a page
// names as code.
func TestDocs_NameWhatIsThere(t *testing.T) {
	t.Parallel()
	targets := makeTargets(t, "Makefile", "build/sample/Makefile")
	for _, page := range pages(t) {
		if filepath.Base(page.path) == "cli.md" {
			continue // is made from the commands
		}
		for n, line := range strings.Split(page.code, "\n") {
			for _, m := range aMake.FindAllStringSubmatch(line, -1) {
				if !slices.Contains(targets, m[1]) {
					t.Errorf("%s:%d: there is no make %s", page.path, n+1, m[1])
				}
			}
			for _, m := range aVmo.FindAllStringSubmatch(line, -1) {
				if err := known(strings.Fields(m[1])); err != nil {
					t.Errorf("%s:%d: %v", page.path, n+1, err)
				}
			}
		}
	}
}

// TestDocs_MistakesAreSeen makes sure that the tests above look at something.
func TestDocs_MistakesAreSeen(t *testing.T) {
	t.Parallel()
	page := takeApart("README.md", "Run `vmo rnu x` or\n\n    $ FOO=1 bin/vmo run --nothing x  # make trouble\n    make trouble\n\nsee [it](nowhere.md) and [its part](#no-such-heading)\n")
	var got []string
	for _, m := range aVmo.FindAllStringSubmatch(page.code, -1) {
		got = append(got, fmt.Sprint(known(strings.Fields(m[1]))))
	}
	for line := range strings.SplitSeq(page.code, "\n") {
		for _, m := range aMake.FindAllStringSubmatch(line, -1) {
			got = append(got, "make "+m[1])
		}
	}
	want := []string{"there is no vmo rnu", "vmo run has no flag --nothing", "make trouble"}
	if !slices.Equal(got, want) {
		t.Errorf("mistakes in code: got %q, want %q", got, want)
	}
	page.path = filepath.Join(repository, page.path)
	for _, to := range []string{"nowhere.md", "#no-such-heading"} {
		if page.leads(to) == nil {
			t.Errorf("the link %s is taken for a good one", to)
		}
	}
}

// known follows the words of a command line as far as they are commands, and looks
// for its flags.
func known(words []string) error {
	root := (&cli{}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	cmd := root
	for i, word := range words {
		switch {
		case word == "--" || strings.HasPrefix(word, "'"):
			return nil // what follows is not ours
		case strings.HasPrefix(word, "--"):
			name, _, _ := strings.Cut(strings.TrimPrefix(word, "--"), "=")
			name = strings.TrimRight(name, ".,:]…")
			if cmd.Flag(name) == nil && name != "help" && !(cmd == root && name == "version") {
				return fmt.Errorf("%s has no flag --%s", cmd.CommandPath(), name)
			}
		case cmd == root || cmd.HasSubCommands() && !strings.HasPrefix(word, "-") && word == strings.ToLower(word):
			sub := subCommand(cmd, word)
			if sub != nil {
				cmd = sub
			} else if i == 0 && regexp.MustCompile(`^[a-z][a-z-]*$`).MatchString(word) || cmd != root && !cmd.Runnable() {
				return fmt.Errorf("there is no %s %s", cmd.CommandPath(), word)
			} else {
				return nil // prose, or a placeholder
			}
		}
	}
	return nil
}

func subCommand(cmd *cobra.Command, name string) *cobra.Command {
	for _, sub := range cmd.Commands() {
		if sub.Name() == name {
			return sub
		}
	}
	return nil
}

func makeTargets(t *testing.T, files ...string) (targets []string) {
	t.Helper()
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(repository, file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`(?m)^([a-z][a-z-]*):`).FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Fatalf("no targets in %s", file)
		}
		for _, m := range found {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// page is a page of documentation: its text, taken apart with every line in its place.
type docPage struct{ path, prose, code string }

// pages are those of the whole repository.
func pages(t *testing.T) (all []docPage) {
	t.Helper()
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "dist" || d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "test-results"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		all = append(all, takeApart(path, string(text)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("found only %d pages", len(all))
	}
	return all
}

func takeApart(path, text string) docPage {
	var prose, code []string
	span := regexp.MustCompile("`[^`]+`")
	comment := regexp.MustCompile(`(^|\s)#.*`)
	fenced, inCode, blank := false, false, true
	for line := range strings.SplitSeq(text, "\n") {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fence {
			fenced = !fenced
		}
		inCode = !fence && (fenced || strings.HasPrefix(line, "    ") && (blank || inCode))
		blank = strings.TrimSpace(line) == ""
		if inCode {
			prose, code = append(prose, ""), append(code, comment.ReplaceAllString(line, ""))
			continue
		}
		prose = append(prose, span.ReplaceAllString(line, "``"))
		code = append(code, strings.ReplaceAll(strings.Join(span.FindAllString(line, -1), ";"), "`", ""))
	}
	return docPage{path, strings.Join(prose, "\n"), strings.Join(code, "\n")}
}

// leads tells what is wrong with a link of the page.
func (p docPage) leads(to string) error {
	u, err := url.Parse(to)
	if err != nil {
		return fmt.Errorf("the link %s cannot be read: %w", to, err)
	}
	if u.Scheme != "" {
		return nil // another's; that is not asked here
	}
	file := p.path
	if u.Path != "" {
		file = filepath.Join(filepath.Dir(p.path), filepath.FromSlash(u.Path))
	}
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("the link %s leads nowhere: %w", to, err)
	}
	if u.Fragment == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if title := strings.TrimLeft(line, "#"); title != line && slug(title) == u.Fragment {
			return nil
		}
	}
	return fmt.Errorf("the link %s leads to no heading of %s", to, file)
}

// slug is the name that a heading has in links, as GitHub makes it.
func slug(title string) string {
	title = strings.ToLower(strings.TrimSpace(title))
	title = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(title, "")
	return strings.ReplaceAll(title, " ", "-")
}
