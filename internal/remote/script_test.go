//go:build linux

package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/remote/remotetest"
)

// testShells are the login shells that a test is done with.
func testShells() []string {
	if testing.Short() {
		return []string{"bash", "fish", "csh"}
	}
	return remotetest.AllShells
}

// answer is what came of a line.
type answer struct {
	out, errs string
	code      int
	header    header
	announced bool
}

// asks runs a line on a host and takes the header off its output.
func asks(t *testing.T, c *ssh.Client, id job.ID, line, input string) answer {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out, errs bytes.Buffer
	f := newHeaderFilter(id, &out, 0)
	s.Stdin, s.Stdout, s.Stderr = strings.NewReader(input), f, &errs
	ended := make(chan error, 1)
	go func() { ended <- s.Run(line) }()
	select {
	case err = <-ended:
	case <-time.After(time.Minute):
		t.Fatalf("%.200s does not end", line)
	}
	f.end()
	a := answer{out: out.String(), errs: errs.String()}
	a.header, a.announced = f.result()
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		a.code = exit.ExitStatus()
	} else if err != nil {
		t.Fatalf("%.200s: %v", line, err)
	}
	return a
}

func line(t *testing.T, l launch) string {
	t.Helper()
	s, err := launchLine(l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// hostile are words that some shell or other reads as something else.
func hostile() []string {
	all := []string{
		"", " ", "  two  blanks ", "\t", "a\nb", "\n", "trailing\n", "\n\n", "\r", "a\r\nb", "'", "''", "'\\''", "\"", "\"\"", "`id`", "$(id)", "${HOME}", "$HOME", "$", "$$", "$0",
		"\\", "\\\\", "a\\", "\\n", "\\0101", "\\x41", "\\'", "!", "!!", "a!b", "!$", "^a^b", "#", "# c", "a#b", "*", "?", "[a-z]", "{a,b}", "~", "~root", "~/x", "a=b", "-n", "-", "--", "-e", "%s", "%b", "%", "%%",
		"&", "&&", "|", "||", ";", ";;", "<", ">", ">>x", "<<E", "<(id)", "(", ")", "()", "{", "}", "[", "]", "[[ ]]", "if", "then", "end", "@", "@a", "=", "==", ",", ".", "..", "/", ":", "+", "^",
		"\x01", "\x07\x08", "\x1b[31m", "\x7f", "\x80", "\xff\xfe", "\xc3\x28", "ü", "日本", "\u202e", "\u2028", "a\x1evmo b", "'$(touch /tmp/x)'", "\");id;(\"", "'; exit 3; '", strings.Repeat("x", 5000), strings.Repeat("'\\!\n", 100),
	}
	random := rand.New(rand.NewSource(time.Now().UnixNano()))
	for range 40 {
		b := make([]byte, 1+random.Intn(40))
		for i := range b {
			b[i] = byte(1 + random.Intn(255))
		}
		all = append(all, string(b))
	}
	return all
}

func TestLaunchLine_PassesEveryWordUnchangedThroughEveryShell(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{Shells: testShells()})
	for _, shell := range testShells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			c := s.Client(t, "vmo-"+shell)
			for _, login := range []bool{false, true} {
				id, words := job.NewID(), hostile()
				if login {
					words = words[:40] // twice encoded
				}
				a := asks(t, c, id, line(t, launch{ID: id, Argv: append([]string{"printf", `%s\0`}, words...), LoginShell: login}), "")
				got := strings.Split(strings.TrimSuffix(a.out, "\x00"), "\x00")
				if !a.announced || a.code != 0 || a.errs != "" || len(got) != len(words) {
					t.Fatalf("login %t: got %d words of %d, header %t, exit %d, stderr %q", login, len(got), len(words), a.announced, a.code, a.errs)
				}
				for i := range words {
					if got[i] != words[i] {
						t.Errorf("login %t: got %q, want %q", login, got[i], words[i])
					}
				}
			}
		})
	}
}

func TestLaunchLine_SetsDirectoryAndEnvironmentInEveryShell(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{Shells: testShells()})
	env := map[string]string{}
	for i, value := range hostile() {
		env[fmt.Sprintf("V_%d", i)] = value
	}
	env["IFS"], env["x"], env["PATH"] = "v0", "y", "/usr/bin:/bin:/nowhere" // must not change what the launcher does
	for _, shell := range testShells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			c := s.Client(t, "vmo-"+shell)
			home := s.Home("vmo-" + shell)
			dir := "it's a \"dir\" !\n-x"
			if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil {
				t.Fatal(err)
			}
			for _, byInput := range []bool{false, true} {
				id := job.NewID()
				l := launch{ID: id, Argv: []string{"sh", "-c", "printf '%s\\0' \"$PWD\"; cat; env -0; exit 9"}, Dir: "~/" + dir, Env: env, EnvByInput: byInput}
				a := asks(t, c, id, line(t, l), string(l.input())+"rest\x00")
				fields := strings.Split(a.out, "\x00")
				if a.code != 9 || len(fields) < 2 || fields[0] != filepath.Join(home, dir) || fields[1] != "rest" {
					t.Fatalf("by input %t: exit %d, got %.300q, stderr %q", byInput, a.code, fields, a.errs)
				}
				got := map[string]string{}
				for _, f := range fields[2:] {
					name, value, _ := strings.Cut(f, "=")
					got[name] = value
				}
				for name, value := range env {
					if got[name] != value && name != "IFS" { // which the sh of the test does not import
						t.Errorf("by input %t: %s: got %q, want %q", byInput, name, got[name], value)
					}
				}
				if got["VMO_RUN"] != string(id) {
					t.Errorf("VMO_RUN: got %q", got["VMO_RUN"])
				}
				for name := range got {
					if strings.HasPrefix(name, "vmo_") {
						t.Errorf("the launcher's own %s is handed on", name)
					}
				}
			}
		})
	}
}

func TestLaunchLine_EnvironmentByInputIsNotInTheLine(t *testing.T) {
	t.Parallel()
	const secret = "correct horse"
	l := launch{ID: job.NewID(), Argv: []string{"true"}, Env: map[string]string{"TOKEN": secret}, EnvByInput: true}
	s := line(t, l)
	decoded := strings.ReplaceAll(strings.ReplaceAll(s, `\0040`, " "), `\0`, "")
	if strings.Contains(s, secret) || strings.Contains(decoded, "horse") || strings.Contains(s, "TOKEN") {
		t.Errorf("it is: %s", s)
	}
}

func TestLaunchLine_ExitStatus(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{Shells: testShells()})
	for _, shell := range testShells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			c := s.Client(t, "vmo-"+shell)
			for _, test := range []struct {
				l    launch
				code int
				errs string
			}{
				{launch{Argv: []string{"true"}}, 0, ""},
				{launch{Argv: []string{"sh", "-c", "exit 9"}}, 9, ""},
				{launch{Argv: []string{"no such command"}}, 127, "not found"},
				{launch{Argv: []string{"cd"}}, 127, "not found"}, // a command, not a shell's own
				{launch{Argv: []string{"/etc"}}, 126, ""},
				{launch{Argv: []string{"true"}, Dir: "/no/such"}, 125, "vmo: the working directory /no/such does not exist\n"},
				{launch{Argv: []string{"true"}, Dir: "/etc/passwd"}, 125, "vmo: the working directory /etc/passwd is not a directory\n"},
				{launch{Argv: []string{"true"}, Dir: "-"}, 125, "vmo: the working directory - does not exist\n"},
				{launch{Argv: []string{"true"}, Dir: "~"}, 0, ""},
				{launch{Argv: []string{"true"}, Dir: "~daemon/.."}, 0, ""},
				{launch{Argv: []string{"true"}, Dir: "/no", Link: job.LinkKeep}, 125, "does not exist"},
				{launch{Argv: []string{"sh", "-c", "exit 9"}, LoginShell: true}, 9, ""},
				{launch{Argv: []string{"sh", "-c", "exit 9"}, Link: job.LinkStop}, 9, ""},
			} {
				test.l.ID = job.NewID()
				a := asks(t, c, test.l.ID, line(t, test.l), "")
				if a.code != test.code || !strings.Contains(a.errs, test.errs) || test.errs == "" && test.code < 126 && a.errs != "" {
					t.Errorf("%v in %q: got exit %d, stderr %q, want %d, %q", test.l.Argv, test.l.Dir, a.code, a.errs, test.code, test.errs)
				}
			}
		})
	}
}

func TestLaunchLine_RefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	id := job.NewID()
	for name, l := range map[string]launch{
		"id":          {ID: "x; rm -rf /", Argv: []string{"true"}},
		"nul":         {ID: id, Argv: []string{"a\x00b"}},
		"dir":         {ID: id, Argv: []string{"true"}, Dir: "a\x00"},
		"option":      {ID: id, Argv: []string{"-x"}},
		"name":        {ID: id, Argv: []string{"true"}, Env: map[string]string{"a;b": ""}},
		"read-only":   {ID: id, Argv: []string{"true"}, Env: map[string]string{"UID": "0"}},
		"kept typing": {ID: id, Argv: []string{"true"}, Link: job.LinkKeep, Input: true},
		"long":        {ID: id, Argv: []string{"echo", strings.Repeat("\n", 20<<10)}},
	} {
		if s, err := launchLine(l); !errors.Is(err, job.ErrInvalid) {
			t.Errorf("%s: got %.100q, %v", name, s, err)
		}
	}
	if _, err := launchLine(launch{ID: id, Argv: []string{"echo", strings.Repeat("x", 90<<10)}}); err != nil {
		t.Errorf("90 KiB: %v", err)
	}
}

func TestLaunchLine_InATerminal(t *testing.T) {
	t.Parallel()
	s := remotetest.Start(t, remotetest.Config{Shells: testShells()})
	for _, shell := range testShells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			c := s.Client(t, "vmo-"+shell)
			id := job.NewID()
			l := launch{ID: id, TTY: true, Dir: "/etc", Env: map[string]string{"TOKEN": "hidden\x1f\n!"}, EnvByInput: true}
			session, err := c.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if err := session.RequestPty("dumb", 24, 200, ssh.TerminalModes{}); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			f := newHeaderFilter(id, &out, 0)
			session.Stdout = f
			in, err := session.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := session.Start(line(t, l)); err != nil {
				t.Fatal(err)
			}
			select {
			case <-f.decided:
			case <-time.After(time.Minute):
				t.Fatal("no header")
			}
			if h, ok := f.result(); !ok || h.PID == 0 || h.PID != h.SID || h.PID != h.PGID || h.Start == 0 {
				t.Errorf("header: got %+v, %t", h, ok)
			}
			// A terminal gives one line at a time, and a shell at its prompt forgets none.
			if _, err := in.Write(append(l.input(), "sh -c 'printf \"<%s>\" \"$TOKEN\" $PWD'\nexit 7\n"...)); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- session.Wait() }()
			select {
			case err = <-ended:
			case <-time.After(time.Minute):
				t.Fatal("the shell does not end")
			}
			var exit *ssh.ExitError
			if got := out.String(); !errors.As(err, &exit) || exit.ExitStatus() != 7 || !strings.Contains(got, "<hidden\x1f\r\n!></etc>") || strings.Contains(got, `\0`) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestHeaderFilter_TakesTheHeaderAndTheNoiseBefore(t *testing.T) {
	t.Parallel()
	id := job.NewID()
	for _, eol := range []string{"\n", "\r\n"} {
		text := "noise of .bashrc\n\036vmo other 1 2 3\n\036vmo " + string(id) + " 17 18 19 20" + eol + "out\036vmo " + string(id) + " 1 1 1\nput"
		for cut := range len(text) {
			var out bytes.Buffer
			f := newHeaderFilter(id, &out, time.Hour)
			for _, part := range []string{text[:cut], text[cut:]} {
				if _, err := io.WriteString(f, part); err != nil {
					t.Fatal(err)
				}
			}
			f.end()
			h, ok := f.result()
			if want := "out\036vmo " + string(id) + " 1 1 1\nput"; out.String() != want || !ok || h != (header{17, 18, 19, 20}) {
				t.Fatalf("cut at %d: got %q, %+v, %t", cut, out.String(), h, ok)
			}
		}
	}
}

func TestHeaderFilter_WithoutAHeaderHandsOnEverything(t *testing.T) {
	t.Parallel()
	t.Run("End", func(t *testing.T) {
		var out bytes.Buffer
		f := newHeaderFilter(job.NewID(), &out, time.Hour)
		io.WriteString(f, "Invalid command\n")
		f.end()
		if _, ok := f.result(); ok || out.String() != "Invalid command\n" {
			t.Errorf("got %q, %t", out.String(), ok)
		}
	})
	t.Run("TooLate", func(t *testing.T) {
		out := make(written, 10)
		f := newHeaderFilter(job.NewID(), out, time.Millisecond)
		io.WriteString(f, "login: ")
		<-f.decided
		io.WriteString(f, "more")
		if got := <-out + <-out; got != "login: more" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("TooMuch", func(t *testing.T) {
		var out bytes.Buffer
		f := newHeaderFilter(job.NewID(), &out, time.Hour)
		want := strings.Repeat("0123456789", headerNoise/10+1)
		io.WriteString(f, want)
		select {
		case <-f.decided:
		default:
			t.Error("it still waits")
		}
		if out.String() != want {
			t.Errorf("got %d bytes of %d", out.Len(), len(want))
		}
	})
}

type written chan string

func (w written) Write(b []byte) (int, error) { w <- string(b); return len(b), nil }

func FuzzHeaderFilter(f *testing.F) {
	id := job.NewID()
	f.Add([]byte("x\036vmo "+string(id)+" 1 2 3 4\nrest"), 3)
	f.Add([]byte("\036vmo "+string(id)+" 99999999999999999999 -1 \n"), 9)
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		var whole, parts bytes.Buffer
		a, b := newHeaderFilter(id, &whole, time.Hour), newHeaderFilter(id, &parts, time.Hour)
		a.Write(text)
		a.end()
		cut = max(0, min(cut, len(text)))
		b.Write(text[:cut])
		b.Write(text[cut:])
		b.end()
		ha, oka := a.result()
		hb, okb := b.result()
		if ha != hb || oka != okb || !bytes.HasSuffix(text, whole.Bytes()) || (len(text) <= headerNoise && whole.String() != parts.String()) {
			t.Errorf("%q cut at %d: %+v %+v", text, cut, ha, hb)
		}
	})
}
