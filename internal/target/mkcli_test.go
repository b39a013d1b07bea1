package target

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseRegistry(t *testing.T) {
	t.Parallel()
	env := map[string]string{"HOME": "/env/home", "WORK": "/srv/work", "REL": "x", "BAD": "/a\x1bb"}
	tests := []struct{ name, text, want string }{
		{"usual", "api=/srv/api\nweb=/srv/web\n", "1 api /srv/api|2 web /srv/web"},
		{"comments and blank lines", "# projects\n\n  \t\n  # more\napi=/srv/api\n", "5 api /srv/api"},
		{"blanks around", "  api \t=  /srv/api \t\n", "1 api /srv/api"},
		{"blanks and = inside", "my api=/srv/my api/a=b\n", "1 my api /srv/my api/a=b"},
		{"hash inside", "api=/srv/c#\n", "1 api /srv/c#"},
		{"home", "a=~\nb=~/x\nc=$HOME/x\nd=${HOME}/x\ne=$HOME\n", "1 a /home/me|2 b /home/me/x|3 c /home/me/x|4 d /home/me/x|5 e /home/me"},
		{"environment", "a=$WORK/x\nb=${WORK}x\n", "1 a /srv/work/x|2 b /srv/workx"},
		{"tilde and dollar inside", "a=/srv/~/x\nb=/srv/a$\nc=/srv/$/d\n", "1 a /srv/~/x|2 b /srv/a$|3 c /srv/$/d"},
		{"CRLF and BOM", "\uFEFFa=/x\r\nb=/y\r\n", "1 a /x|2 b /y"},
		{"no newline at the end", "a=/x\nb=/y", "1 a /x|2 b /y"},
		{"cleaned", "a=/x//y/../z/\n", "1 a /x/z"},
		{"empty", "", ""},

		{"no =", "api /srv/api\nb=/y\n", "!1 there is no =|2 b /y"},
		{"no alias", "=/x\n = /x\n", "!1 there is no alias|!2 there is no alias"},
		{"no directory", "a=\nb= \n", `!1 the alias "a" has no directory|!2 the alias "b" has no directory`},
		{"relative", "a=x/y\nb=./x\nc=$REL/y\nd=\"/x\"\n", `!1 the directory of "a" must be absolute|!2 the directory of "b" must|!3 the directory of "c" must|!4 the directory of "d" must`},
		{"duplicate", "a=/x\n\na=/y\nb=/z\n", `1 a /x|!3 the alias "a" is taken by line 1|4 b /z`},
		{"a broken line takes no alias", "a=x\na=/y\n", `!1 the directory of "a" must|2 a /y`},
		{"NUL", "a=/x\x00y\nb=/y\n", "!1 the line has control|2 b /y"},
		{"control characters", "a\x1b[2J=/x\nb=/x\ty\nc=/x\xff\nd=$BAD\ne=/\u202ex\n", `!1 the line has|!2 the line has|!3 the line has|!4 the directory of "d" has control|!5 the line has`},
		{"unset", "a=$NOPE/x\nb=${NOPE}\n", `!1 the directory of "a": $NOPE is not set|!2 the directory of "b": $NOPE is not set`},
		{"broken braces", "a=/${x\nb=/${}\nc=/${a b}\n", `!1 the directory of "a": ${ is not|!2 the directory of "b": ${ is not|!3 the directory of "c": ${ is not`},
		{"other homes", "a=~root/x\n", `!1 the directory of "a": another user's home (~root)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			projects, problems := ParseRegistry([]byte(tt.text), "registry", func(n string) string { return env[n] }, "/home/me")
			left := tt.want
			for _, want := range strings.Split(tt.want, "|") {
				if want == "" {
					continue
				}
				var ok bool
				if rest, isProblem := strings.CutPrefix(want, "!"); isProblem {
					if ok = len(problems) > 0; ok {
						ok = strings.HasPrefix(fmt.Sprintf("%d %s", problems[0].Line, problems[0].Text), rest) && problems[0].File == "registry"
						problems = problems[1:]
					}
				} else if ok = len(projects) > 0; ok {
					p := projects[0]
					ok = fmt.Sprintf("%d %s %s", p.Line, p.Alias, filepath.ToSlash(p.Dir)) == want && p.File == "registry"
					projects = projects[1:]
				}
				if !ok {
					t.Fatalf("want %s, then left: %v %v", left, projects, problems)
				}
				_, left, _ = strings.Cut(left, "|")
			}
			if len(projects)+len(problems) > 0 {
				t.Errorf("more than %s: %v %v", tt.want, projects, problems)
			}
		})
	}
}

func TestParseRegistry_WithoutHome(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	projects, problems := ParseRegistry([]byte("a=~/x\nb=$HOME/x\nc=/x\n"), "r", none, "")
	if len(projects) != 1 || projects[0].Alias != "c" || len(problems) != 2 {
		t.Errorf("got %v and %v, want c and two problems", projects, problems)
	}
	env := func(string) string { return "/env/home" }
	projects, _ = ParseRegistry([]byte("a=~/x\nb=$HOME/x\n"), "r", env, "")
	if len(projects) != 2 || filepath.ToSlash(projects[1].Dir) != "/env/home/x" {
		t.Errorf("got %v, want HOME from the environment", projects)
	}
}

func FuzzParseRegistry(f *testing.F) {
	f.Add([]byte("a=/x\nb=~/y\n# c\nd=$HOME/z=1\r\n"))
	f.Add([]byte("\uFEFF=\n=x\nx=\na=${\n\x00=\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		projects, problems := ParseRegistry(data, "r", func(string) string { return "/v" }, "/home/me")
		lines := strings.Count(string(data), "\n") + 1
		seen := map[string]bool{}
		for _, p := range projects {
			if p.Alias == "" || !filepath.IsAbs(p.Dir) && filepath.ToSlash(p.Dir)[0] != '/' || seen[p.Alias] || p.Line < 1 || p.Line > lines || !speakable(p.Alias+p.Dir) {
				t.Errorf("broken project %+v", p)
			}
			seen[p.Alias] = true
		}
		for _, p := range problems {
			if p.Text == "" || p.Line < 1 || p.Line > lines || !speakable(p.Text) {
				t.Errorf("broken problem %+v", p)
			}
		}
	})
}
