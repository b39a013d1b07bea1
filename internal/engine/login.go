package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/adrg/xdg"

	"vmorchestrator/internal/job"
	"vmorchestrator/internal/process"
)

// A program that a desktop starts has the environment of the desktop: on macOS
// without Homebrew in PATH, elsewhere often without the agent that ~/.profile
// names. What a terminal would have is known to the login shell alone.

// loginVariables are the only ones that are asked for: what decides which programs
// and which agent are used, and where the journal, the settings and the database
// are. true: the shell's value counts even when the desktop has one.
var loginVariables = []struct {
	name string
	wins bool
}{
	{"PATH", true}, {"SSH_AUTH_SOCK", true}, {"SSH_AGENT_PID", true},
	{"LANG", false}, {"LC_ALL", false}, {"LC_CTYPE", false},
	{"XDG_CONFIG_HOME", false}, {"XDG_DATA_HOME", false},
	{"VMO_DATA_DIR", false}, {"VMO_SSH_CONFIG", false}, {"VMO_DATABASE_URL", false}, {"VMO_KEYCHAIN", false},
	{"PGHOST", false}, {"PGPORT", false}, {"PGUSER", false}, {"PGDATABASE", false},
	{"PGSERVICE", false}, {"PGSERVICEFILE", false}, {"PGPASSFILE", false}, {"PGSSLMODE", false}, {"PGSSLROOTCERT", false},
}

// loginLimit is how long the start of the window may wait for the shell.
const loginLimit = 3 * time.Second

// login is how asking the login shell went.
type login struct {
	shell string
	taken map[string]bool // variables that are as the shell has them
	err   error           // why it did not say
}

// loginAsked is of this process, as its environment is; nil: nobody was asked.
var loginAsked atomic.Pointer[login]

// AdoptLogin gives this process the environment of the operator's login shell, as
// far as it matters, if it was not started from a terminal. It waits for the shell
// for some seconds at most, and changes nothing when that does not answer. To be
// called before there are other threads that read the environment, such as GTK's.
func AdoptLogin(ctx context.Context) {
	if runtime.GOOS == "windows" || !fromDesktop(os.Getenv) {
		return
	}
	l := &login{shell: process.LoginShell(), taken: map[string]bool{}}
	defer loginAsked.Store(l)
	ctx, cancel := context.WithTimeoutCause(ctx, loginLimit, fmt.Errorf("it did not answer within %v", loginLimit))
	defer cancel()
	var values map[string]string
	if values, l.err = askLogin(ctx, l.shell, nil); l.err != nil {
		return
	}
	for _, v := range loginVariables {
		value, set := values[v.name]
		_, own := os.LookupEnv(v.name)
		if !set || value == "" && v.wins || own && !v.wins {
			continue
		}
		if err := os.Setenv(v.name, value); err == nil {
			l.taken[v.name] = true
		}
	}
	xdg.Reload() // it has read the environment before
}

// fromDesktop reports whether a desktop started this process: there is no terminal
// that it could have been started from.
func fromDesktop(getenv func(string) string) bool {
	term := getenv("TERM")
	return (term == "" || term == "dumb") && getenv("VMO_LOGIN_SHELL") != "off" && getenv("VMO_JOB") == ""
}

// origin says from where this process has a variable.
func origin(name string) string {
	l := loginAsked.Load()
	switch {
	case l == nil:
		return "own environment"
	case l.err != nil:
		return fmt.Sprintf("own environment; %s was asked in vain: %v", l.shell, l.err)
	case l.taken[name]:
		return "login shell " + l.shell
	}
	return "own environment; " + l.shell + " has none of its own"
}

// askLogin asks a shell for the variables that it sets for those who log in. What
// its files print besides is dropped. env is added to our environment.
func askLogin(ctx context.Context, shell string, env map[string]string) (map[string]string, error) {
	mark := string(job.NewID())
	command := "exec /bin/sh -c '" + loginScript(mark) + "'"
	given := map[string]string{"TERM": "dumb", "VMO_LOGIN_SHELL": "asked"}
	for name, value := range env {
		given[name] = value
	}
	attempts := []process.Config{
		// Interactive first: PATH is often set where only such a shell looks.
		{Argv: []string{shell, "-l", "-i", "-c", command}},
		// And not, for those whose files start something else then.
		{Argv: []string{shell, "-l", "-c", command}},
	}
	if name := filepath.Base(shell); name == "csh" || name == "tcsh" {
		attempts = []process.Config{{Argv: []string{shell, "-l"}, Stdin: strings.NewReader(command + "\n")}} // knows -l only alone
	}
	var ended error
	for _, c := range attempts {
		var out lastOutput
		c.Env, c.Stdout, c.Drain = given, &out, 100*time.Millisecond
		exit, err := runBriefly(ctx, c)
		if values := loginAnswer(out.kept, mark); values != nil {
			return values, nil
		}
		var s *process.StartError
		switch {
		case errors.As(err, &s):
			return nil, s.Err
		case err != nil:
			return nil, err
		}
		ended = fmt.Errorf("it ended without an answer (%s)", exit.Detail)
	}
	return nil, ended
}

// loginScript prints the variables, each ended by a NUL, between two marks. There
// is nothing in it that any shell would touch between single quotes. The marks are
// put together by printf: a shell that prints the command does not print them.
func loginScript(mark string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `printf "%%s:%%s\0" begin %s; printf "%%s\0"`, mark)
	for _, v := range loginVariables {
		fmt.Fprintf(&b, ` "${%[1]s+%[1]s=$%[1]s}"`, v.name)
	}
	fmt.Fprintf(&b, `; printf "%%s:%%s\0" end %s`, mark)
	return b.String()
}

// loginAnswer finds the variables in what a shell printed; nil: they are not there.
func loginAnswer(out []byte, mark string) map[string]string {
	_, rest, begun := bytes.Cut(out, []byte("begin:"+mark+"\x00"))
	block, _, ended := bytes.Cut(rest, []byte("end:"+mark+"\x00"))
	if !begun || !ended {
		return nil
	}
	values := map[string]string{}
	for entry := range strings.SplitSeq(string(block), "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok {
			values[name] = value
		}
	}
	return values
}

// lastOutput keeps the end of what a program prints, where the answer is.
type lastOutput struct{ kept []byte }

const lastOutputKept = 256 << 10

func (l *lastOutput) Write(p []byte) (int, error) {
	l.kept = append(l.kept, p...)
	if extra := len(l.kept) - lastOutputKept; extra > lastOutputKept {
		l.kept = append(l.kept[:0], l.kept[extra:]...)
	}
	return len(p), nil
}
