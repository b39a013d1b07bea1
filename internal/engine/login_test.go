//go:build unix

package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process"
)

// loginHome is the home of somebody with these files, as an environment.
func loginHome(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	home := t.TempDir()
	for name, text := range files {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "ZDOTDIR": home, "SSH_AUTH_SOCK": "/of/the/desktop"}
}

// shellPath finds a shell that the tests cannot do without.
func shellPath(t *testing.T, name string) string {
	t.Helper()
	path, err := process.LookPath(name)
	if err != nil {
		t.Fatalf("%v (on Debian: apt-get install bash zsh fish tcsh dash ksh)", err)
	}
	return path
}

const (
	// noisy files print before and after, to both outputs, more than is kept, and
	// what looks like an answer.
	shNoise = "echo Welcome back; echo 'begin:x' >&2; printf 'PATH=/from/noise\\0'; i=0; while [ $i -lt 2000 ]; do echo a line of noise that nobody reads; i=$((i+1)); done\n"
	shSets  = "export PATH=\"/from/the rc:$PATH\"\nexport SSH_AUTH_SOCK='/a socket/with \"quotes\", $x and ü'\nexport VMO_DATA_DIR='two\nlines'\ntrap 'echo bye' EXIT\n"
)

func TestAskLogin_RealShells(t *testing.T) {
	t.Parallel()
	for shell, files := range map[string]map[string]string{
		"bash": {".bash_profile": shNoise + ". ~/.bashrc\n", ".bashrc": "case $- in *i*) ;; *) return ;; esac\n" + shNoise + shSets},
		"zsh":  {".zprofile": shNoise, ".zshrc": shNoise + shSets + "preexec() { print -r -- \"$1\"; }\nsetopt xtrace\n"},
		"dash": {".profile": shNoise + shSets + "set -x\n"},
		"ksh":  {".profile": shNoise + shSets},
		"fish": {".config/fish/config.fish": "echo Welcome to fish\nif status is-interactive\nset -gx PATH '/from/the rc' $PATH\nset -gx SSH_AUTH_SOCK '/a socket/with \"quotes\", $x and ü'\nset -gx VMO_DATA_DIR 'two\nlines'\nend\nfunction fish_greeting\n echo hello\nend\n"},
		"tcsh": {
			".tcshrc": "echo noise\nset path = ( '/from/the rc' $path )\n",
			".login":  "echo more noise\nsetenv SSH_AUTH_SOCK '/a socket/with \"quotes\", $x and ü'\nsetenv VMO_DATA_DIR 'two\\\nlines'\n",
		},
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			got, err := askLogin(ctx, shellPath(t, shell), loginHome(t, files))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(got["PATH"], "/from/the rc:") {
				t.Errorf("PATH is %q", got["PATH"])
			}
			if want := `/a socket/with "quotes", $x and ü`; got["SSH_AUTH_SOCK"] != want {
				t.Errorf("SSH_AUTH_SOCK is %q, want %q", got["SSH_AUTH_SOCK"], want)
			}
			if want := "two\nlines"; got["VMO_DATA_DIR"] != want {
				t.Errorf("VMO_DATA_DIR is %q, want %q", got["VMO_DATA_DIR"], want)
			}
			if _, set := got["PGSERVICE"]; set {
				t.Errorf("PGSERVICE is not set there, and has a value: %q", got)
			}
			if _, asked := got["HOME"]; asked {
				t.Errorf("HOME was not asked for: %q", got)
			}
		})
	}
}

// Somebody's .bashrc becomes another shell, or tmux, for people: those who log in
// without a terminal still have a PATH.
func TestAskLogin_FilesThatBecomeSomethingElse(t *testing.T) {
	t.Parallel()
	home := loginHome(t, map[string]string{
		".bash_profile": "export PATH=/from/profile:$PATH\n. ~/.bashrc\n",
		".bashrc":       "case $- in *i*) exec cat ;; esac\n",
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, err := askLogin(ctx, shellPath(t, "bash"), home)
	if err != nil || !strings.HasPrefix(got["PATH"], "/from/profile:") {
		t.Errorf("got %q, %v", got, err)
	}
}

// What somebody's files start stays, and keeps nobody waiting: an agent, for one.
func TestAskLogin_LeavesDaemonsAlone(t *testing.T) {
	t.Parallel()
	home := loginHome(t, map[string]string{".bash_profile": "export SSH_AUTH_SOCK=/of/the/profile\nsleep 1000 &\necho $! >~/daemon\n"})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, err := askLogin(ctx, shellPath(t, "bash"), home)
	if err != nil || got["SSH_AUTH_SOCK"] != "/of/the/profile" {
		t.Errorf("got %q, %v", got, err)
	}
	text, err := os.ReadFile(filepath.Join(home["HOME"], "daemon"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the daemon was ended: %v", err)
	}
}

// An error is for the Diagnostics page and for bug reports: what the files print is
// not in it.
func TestAskLogin_Errors(t *testing.T) {
	t.Parallel()
	bash := shellPath(t, "bash")
	for name, test := range map[string]struct{ shell, profile, want string }{
		"ends at once":     {bash, "echo my-secret; echo my-secret >&2; exit 3\n", "ended without an answer (exit code 3)"},
		"something else":   {bash, "exec echo my-secret\n", "ended without an answer"},
		"no such shell":    {"/no/such/shell", "", "no such file"},
		"no shell at all":  {shellPath(t, "false"), "", "ended without an answer"},
		"only half of it":  {bash, "printf() { builtin printf my-secret; }; exec true\n", "ended without an answer"},
		"answers too late": {bash, "echo my-secret; while :; do sleep 1; done\n", "too late"},
		"floods":           {bash, "exec yes my-secret\n", "too late"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := 20 * time.Second
			if test.want == "too late" {
				limit = 500 * time.Millisecond
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), limit, errors.New("too late"))
			defer cancel()
			got, err := askLogin(ctx, test.shell, loginHome(t, map[string]string{".bash_profile": test.profile}))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "my-secret") {
				t.Errorf("got %q, %v; want an error with %q", got, err, test.want)
			}
		})
	}
}

// At the limit everything ends that the shell has started, in the background and in
// a session of its own, too.
func TestAskLogin_LeavesNothingRunning(t *testing.T) {
	t.Parallel()
	shellPath(t, "setsid")
	home := loginHome(t, map[string]string{".bash_profile": "sleep 1000 &\necho $! >~/1\nsetsid sleep 1000 &\necho $! >~/2\ntrap '' TERM INT\necho $$ >~/3\nmkfifo ~/fifo; read x <~/fifo\n"})
	ctx, stop := context.WithCancelCause(t.Context())
	go func() { // the files are all there: it hangs
		defer stop(errors.New("too late"))
		for t.Context().Err() == nil {
			if _, err := os.Stat(filepath.Join(home["HOME"], "fifo")); err == nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	if _, err := askLogin(ctx, shellPath(t, "bash"), home); err == nil || err.Error() != "too late" {
		t.Fatal(err)
	}
	for _, name := range []string{"1", "2", "3"} {
		text, err := os.ReadFile(filepath.Join(home["HOME"], name))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil && strings.Contains(string(stat), ") Z ") {
			continue // ended; whoever adopted it has not noticed
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d still runs", pid)
		}
	}
}

// The shell decides about programs and the agent; what somebody gave to this
// program on purpose stays; what is not on the list is not taken.
func TestAdoptLogin(t *testing.T) {
	home := loginHome(t, map[string]string{".bash_profile": "export PATH=/from/profile:$PATH SSH_AUTH_SOCK=/of/the/shell VMO_DATA_DIR=/of/the/shell PGSERVICE=team MAKEFLAGS=-n\n"})
	for name, value := range home {
		t.Setenv(name, value)
	}
	for name, value := range map[string]string{"SHELL": shellPath(t, "bash"), "VMO_DATA_DIR": "/mine", "PGSERVICE": "", "MAKEFLAGS": "", "TERM": "xterm", "VMO_JOB": ""} {
		t.Setenv(name, value)
	}
	os.Unsetenv("PGSERVICE")
	os.Unsetenv("MAKEFLAGS")
	t.Cleanup(func() { loginAsked.Store(nil) })

	before := os.Getenv("PATH")
	AdoptLogin(t.Context())
	if os.Getenv("PATH") != before || origin("PATH") != "own environment" {
		t.Errorf("started from a terminal, PATH became %q (%s)", os.Getenv("PATH"), origin("PATH"))
	}
	os.Unsetenv("TERM")
	AdoptLogin(t.Context())
	for name, want := range map[string]string{"SSH_AUTH_SOCK": "/of/the/shell", "VMO_DATA_DIR": "/mine", "PGSERVICE": "team", "MAKEFLAGS": "", "TERM": ""} {
		if got := os.Getenv(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := os.Getenv("PATH"); !strings.HasPrefix(got, "/from/profile:") || !strings.HasPrefix(origin("PATH"), "login shell /") {
		t.Errorf("PATH is %q (%s)", got, origin("PATH"))
	}
	if got := origin("VMO_DATA_DIR"); !strings.HasPrefix(got, "own environment") {
		t.Errorf("VMO_DATA_DIR is said to come from: %s", got)
	}
}

func TestFromDesktop(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{}, true},
		{map[string]string{"TERM": "dumb", "SHLVL": "0"}, true}, // some sessions are started by a shell
		{map[string]string{"TERM": "xterm-256color"}, false},
		{map[string]string{"VMO_LOGIN_SHELL": "off"}, false},
		{map[string]string{"VMO_JOB": string(job.NewID())}, false}, // from a job of ours
	} {
		if got := fromDesktop(func(name string) string { return test.env[name] }); got != test.want {
			t.Errorf("with %v: %v", test.env, got)
		}
	}
}
