package target

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse_Help(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"trailing", "a: b ## Do it\n\tx\n", "Do it"},
		{"trailing after another comment", "a: b # TODO ## Do it\n\tx\n", "Do it"},
		{"trailing on an inline recipe", "a: ; x ## Do it\n", "Do it"},
		{"trailing on a continued line", "a: b \\\n  c ## Do it\n\tx\n", "Do it"},
		{"above", "## Do it\na: ; x\n", "Do it"},
		{"several lines above", "## Do it\n##   well\n##\na: ; x\n", "Do it well"},
		{"above .PHONY", "## Do it\n.PHONY: a\na: ; x\n", "Do it"},
		{"above with the name", "## a: Do it\n.PHONY: a\na: ; x\n", "Do it"},
		{"above with plain comments between", "## Do it\n# details\na: ; x\n", "Do it"},
		{"on the .PHONY line", ".PHONY: a ## Do it\na: ; x\n", "Do it"},
		{"trailing before above", "## Long story\na: ; x ## Do it\n", "Long story"},
		{"blank line between", "## Chapter\n\na: ; x\n", ""},
		{"assignment between", "## X\nX = 1\na: ; x\n", ""},
		{"plain comment", "# Do it\na: b # do\n\tx\n", ""},
		{"ruler", "## -------\n## Do it\n## =======\na: ; x\n", "Do it"},
		{"banner", "### Do it ###\na: ; x\n", ""},
		{"later line", "a: b\na: c ## Do it\na:\n\tx\n", "Do it"},
		{"first of two", "a: b ## First\na: c ## Second\n", "First"},
		{"hash in a reference", "a: $(subst #,x,y) ## Do it\n\tx\n", "Do it"},
		{"control characters", "a: ; x ## Do\x1b[31m it\x07\tnow\u202e\u2066\n", "Do [31m it now"},
		{"not UTF-8", "a: ; x ## D\xff it\n", "D\uFFFD it"},
		{"long", "a: ; x ## " + strings.Repeat("é", 300) + "\n", strings.Repeat("é", 250) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := parseText(t, tt.text)
			if len(m.Targets) != 1 || m.Targets[0].Help != tt.want {
				t.Errorf("targets %+v, want one with help %q", m.Targets, tt.want)
			}
		})
	}
}

func TestParse_Marks(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"a: ; x ## @tty Ask me\n", "true marked @tty|Ask me"},
		{"a: ; x ## Ask me @tty\n", "true marked @tty|Ask me"},
		{"a: ; x ## @tty\n", "true marked @tty|"},
		{"## @tty\na: ; x ## Ask me\n", "true marked @tty|Ask me"},
		{"## Ask me\na: ; x ## @tty\n", "true marked @tty|Ask me"},
		{"## a: @tty Ask me\na: ; x\n", "true marked @tty|Ask me"},
		{".PHONY: a ## @tty Ask me\na: ; x\n", "true marked @tty|Ask me"},
		{"a: ; x ## Mail admin@tty or use @tty here\n", "false |Mail admin@tty or use @tty here"},
		{"db-shell: ; x ## Look inside\n", "true name|Look inside"},
		{"db-shell: ; x ## @stream Look inside\n", "false |Look inside"},
		{"a: ; x ## @tty @stream Both\n", "false |Both"},
		{"a: ; x ## @other Text\n", "false |@other Text"},
	}
	for _, tt := range tests {
		m := parseText(t, tt.text)
		if len(m.Targets) != 1 {
			t.Errorf("%q: targets %+v, want one", tt.text, m.Targets)
			continue
		}
		tg := m.Targets[0]
		if got := fmt.Sprintf("%v %s|%s", tg.Interactive, tg.Why, tg.Help); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestParse_Sections(t *testing.T) {
	t.Parallel()
	m := parse(t, files{
		"Makefile": "a: ; x\n##@ Build\nb: ; x\ninclude k.mk\nc: ; x\n##@ Test\nd: ; x\n##@Build\ne: ; x\n##@\nf: ; x\n",
		"k.mk":     "g: ; x\n##@ Test\nh: ; x\n",
	})
	var got []string
	for _, tg := range m.Targets {
		got = append(got, tg.Name+"="+tg.Section)
	}
	want := "a= g= f= b=Build c=Build e=Build h=Test d=Test"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestInteractive(t *testing.T) {
	t.Parallel()
	for _, name := range strings.Fields(`shell ssh db-shell docker.login docker/exec web_console psql ssh-web1 redis-cli
		db-redis-cli nix-shell run-bash Login dev:repl top htop menuconfig mysql-prod attach k9s console-prod tui`) {
		if !Interactive(name) {
			t.Errorf("Interactive(%q) = false, want true", name)
		}
	}
	for _, name := range strings.Fields(`build test show-shell-version lint-shell bash-completion test-login ssh-keygen
		top-level shellcheck marshal executable watch logs redis-logs cli deploy-console install-psql exec-plan my-shell-tool
		stop-console db-cleanup config-lint screenshot publish @ - .`) {
		if Interactive(name) {
			t.Errorf("Interactive(%q) = true, want false", name)
		}
	}
	if Interactive("") {
		t.Error(`Interactive("") = true, want false`)
	}
}
