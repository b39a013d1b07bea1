package job

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

const someJob = "019ab4b2-7f5c-7aaa-8bbb-0123456789ab"

// Ensure a link says where a record is or what to fill into a form, and that what
// was read is written as it was.
func TestParseAddress_OK(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Address{
		"vmo://job/" + someJob:                 {Job: someJob},
		"vmo://job/" + someJob + "#120":        {Job: someJob, Line: 120},
		"vmo://run?project=shop&target=deploy": {Run: &Wish{Project: "shop", Target: "deploy"}},
		"vmo://run?dir=%2Fhome%2Fann%2Fmy%20shop&target=release%2Ftag&var.VERSION=1.4.2&var.NOTE=f%C3%BCr%20alle": {Run: &Wish{
			Dir: "/home/ann/my shop", Target: "release/tag", Vars: []Variable{{"VERSION", "1.4.2"}, {"NOTE", "für alle"}},
		}},
		"vmo://run?dir=C%3A%5Csrc%5Cshop&target=test":                          {Run: &Wish{Dir: `C:\src\shop`, Target: "test"}},
		"vmo://run?dir=~%2Fshop&target=restart&host=web-1&host=ann%40db1%3A22": {Run: &Wish{Dir: "~/shop", Target: "restart", Hosts: []string{"web-1", "ann@db1:22"}}},
		"vmo://run?project=shop&target=deploy&var.EMPTY=":                      {Run: &Wish{Project: "shop", Target: "deploy", Vars: []Variable{{"EMPTY", ""}}}},
	} {
		got, err := ParseAddress(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
		if got.String() != text {
			t.Errorf("%s is written %s", text, got)
		}
	}
	// As programs pass it on.
	for _, text := range []string{"VMO://JOB/" + someJob, "vmo://run/?target=a&project=b"} {
		if _, err := ParseAddress(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Ensure nothing that could do, hide or become something else gets past.
func TestParseAddress_RefusesWhatIsHostile(t *testing.T) {
	t.Parallel()
	run := func(more string) string { return "vmo://run?project=shop&target=deploy&" + more }
	for name, text := range map[string]string{
		"nothing":                        "",
		"another scheme":                 "https://job/" + someJob,
		"no authority":                   "vmo:job/" + someJob,
		"another kind":                   "vmo://exec?line=reboot",
		"a user":                         "vmo://ann@job/" + someJob,
		"a port":                         "vmo://job:22/" + someJob,
		"a beginning of an id":           "vmo://job/019ab4b2",
		"an id in another form":          "vmo://job/" + strings.ToUpper(someJob),
		"a path behind an id":            "vmo://job/" + someJob + "/../x",
		"parameters of a job":            "vmo://job/" + someJob + "?x=1",
		"line 0":                         "vmo://job/" + someJob + "#0",
		"a negative line":                "vmo://job/" + someJob + "#-1",
		"a line that is no number":       "vmo://job/" + someJob + "#L1",
		"a line beyond all":              "vmo://job/" + someJob + "#99999999999999999999",
		"too long":                       run("var.A=" + strings.Repeat("a", 3000)),
		"a long value":                   run("var.A=" + strings.Repeat("a", 600)),
		"no target":                      "vmo://run?project=shop",
		"no folder":                      "vmo://run?target=deploy",
		"two folders":                    run("dir=/srv/shop"),
		"two targets":                    run("target=clean"),
		"something unknown":              run("confirm=no"),
		"nothing behind &":               run(""),
		"a semicolon instead of &":       run("var.A=1;host=web-1"),
		"a fragment":                     run("var.A=1#2"),
		"a path":                         "vmo://run/now?project=shop&target=deploy",
		"an option as target":            "vmo://run?project=shop&target=--eval",
		"a variable as target":           "vmo://run?project=shop&target=A%3Db",
		"an option as host":              "vmo://run?dir=~/a&target=x&host=-oProxyCommand%3Dx",
		"hosts and a project":            run("host=web-1"),
		"a host twice":                   "vmo://run?dir=~/a&target=x&host=a&host=a",
		"many hosts":                     "vmo://run?dir=~/a&target=x&host=h" + strings.Join(strings.Split("abcdefghijklmnopqrstuvwxyz", ""), "&host=h"),
		"a folder of a server":           `vmo://run?target=x&dir=%5C%5Cevil%5Cshare`,
		"and as others write it":         `vmo://run?target=x&dir=//evil/share`,
		"a folder that is relative":      "vmo://run?target=x&dir=shop",
		"a folder of another user":       "vmo://run?target=x&host=a&dir=~root/shop",
		"a folder below home, here":      "vmo://run?target=x&dir=~/shop",
		"a folder by way of another":     "vmo://run?target=x&dir=/home/ann/../eve",
		"a name that is none":            run("var.=1"),
		"an option as a name":            run("var.-f=1"),
		"the same variable twice":        run("var.A=1&var.A=2"),
		"what make takes for flags":      run("var.MAKEFLAGS=--eval"),
		"the shell":                      run("var.SHELL=/bin/evil"),
		"what is loaded":                 run("var.LD_PRELOAD=/tmp/x.so"),
		"a secret":                       run("var.DB_PASSWORD=hunter2"),
		"another":                        run("var.githubToken=abc"),
		"a function of make":             run("var.A=%24%28shell%20id%29"),
		"a command of a shell":           run("var.A=1%3Breboot"),
		"another way":                    run("var.A=%60id%60"),
		"another file":                   run("var.A=1%20%3E%20/etc/passwd"),
		"quotes":                         run("var.A=%27"),
		"a comment":                      run("var.A=1%20%23"),
		"an option as value":             run("var.A=--upload-pack%3Dx"),
		"an option behind a value":       run("var.A=main%20--force"),
		"an option, encoded once more":   run("var.A=+-x"),
		"a line break":                   run("var.A=a%0Ab"),
		"a NUL":                          run("var.A=a%00b"),
		"an escape":                      run("var.A=%1B%5B2J"),
		"text that reads backwards":      run("var.A=a%E2%80%AEb"),
		"a character of no width":        run("var.A=a%E2%80%8Bb"),
		"bytes that are no text":         run("var.A=%FF"),
		"characters on top of others":    run("var.A=a%CC%81%CC%81"),
		"a folder that reads backwards":  "vmo://run?target=x&dir=/home/%E2%80%AEnna",
		"a percent that encodes nothing": run("var.A=%zz"),
	} {
		a, err := ParseAddress(text)
		switch {
		case err == nil:
			t.Errorf("%s: %s is %+v", name, text, a)
		case !errors.Is(err, ErrInvalid) || HintOf(err) == "":
			t.Errorf("%s: %v, hint %q", name, err, HintOf(err))
		}
	}
}

// Ensure what is read has the promised form whatever the text is, and means the
// same when it is written and read again.
func FuzzParseAddress(f *testing.F) {
	for _, text := range []string{
		"vmo://job/" + someJob + "#7", "vmo://run?dir=~/a%20b&target=x&host=web-1&var.A=1", "vmo://run?project=a&target=b&var.A=%24(shell id)",
		"vmo://run?project=%E2%80%AE&target=--x", "vmo:run", "VMO://run/?target=t&dir=C:\\x",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			if strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("the error of %q has control characters: %q", text, err)
			}
			return
		}
		if (a.Job == "") == (a.Run == nil) {
			t.Fatalf("%q is %+v", text, a)
		}
		if w := a.Run; w != nil {
			for _, part := range append([]string{w.Project, w.Dir, w.Target}, w.Hosts...) {
				if strings.HasPrefix(part, "-") || !plain(part) {
					t.Errorf("%q has %q", text, part)
				}
			}
			for _, v := range w.Vars {
				if strings.ContainsAny(v.Value, "$`;&|<>(){}[]*?!#'\"\\~^\n") || strings.HasPrefix(v.Value, "-") || !plain(v.Value) {
					t.Errorf("%q has %s=%q", text, v.Name, v.Value)
				}
			}
		}
		if len(a.String()) > maxAddress {
			return // what was written without % is longer with it
		}
		again, err := ParseAddress(a.String())
		if err != nil {
			t.Fatalf("%q is written %s: %v", text, a, err)
		}
		if diff := cmp.Diff(a, again); diff != "" {
			t.Errorf("%q is written %s:\n%s", text, a, diff)
		}
	})
}
