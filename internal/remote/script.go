package remote

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"vmorchestrator/internal/job"
)

// launch is a command as the host's login shell is to be given it.
type launch struct {
	ID         job.ID            // exported as VMO_RUN; part of the header
	Argv       []string          // empty: the operator's login shell
	Dir        string            // empty: where the login shell starts; ~ and ~/x are understood
	Env        map[string]string // exported
	LoginShell bool              // read the profile first, as a login does
	Link       job.Link
	Limit      int64 // of what is kept with LinkKeep; zero means keepLimit
	TTY        bool
	Input      bool // the session's input is the command's; a terminal's always is

	// EnvByInput keeps Env out of the line, which everybody on the host can see for
	// a moment in its list of processes. The command waits for what [launch.input]
	// returns as the first of its input. A terminal must not get it before the header
	// has come; with LinkKeep there is no header before it.
	EnvByInput bool
}

// maxLaunch is what every login shell takes as one command: csh gives up at 100 kB,
// and Linux at 128 KiB for one argument.
const maxLaunch = 96 << 10

// launchLine is the line that runs a command in any login shell. What it runs
// announces itself by one line on its output, see [headerFilter], and then becomes
// the command: it has the number that was announced, and its exit status is the
// command's. A directory that cannot be entered is exit status 125.
//
// With LinkStop something stays behind that ends the run when the connection has
// gone; with LinkKeep the output is kept on the host, see [readLine], and the line
// itself is done as soon as the command runs.
func launchLine(l launch) (string, error) {
	if err := l.validate(); err != nil {
		return "", err
	}
	line := octal(l.script())
	if l.LoginShell && len(l.Argv) > 0 {
		// Its noise is before the header. The csh family has no option for this.
		line = octal("case $SHELL in\n" +
			"*csh) exec \"$SHELL\" -c " + word("if ( -r ~/.login ) source ~/.login\n"+line) + ";;\n" +
			"*) exec \"${SHELL:-/bin/sh}\" -lc " + word(line) + ";;\nesac")
	}
	if len(line) > maxLaunch {
		return "", fmt.Errorf("%w: the command is too long for the login shell of a host: %d bytes with its environment, as they are sent, of at most %d",
			job.ErrInvalid, len(line), maxLaunch)
	}
	return line, nil
}

var (
	shellName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	tildeName = regexp.MustCompile(`^~[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
)

// readOnly are variables that some /bin/sh will not have set, and exits when asked.
var readOnly = []string{"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"}

func (l launch) validate() error {
	if _, err := job.ParseID(string(l.ID)); err != nil {
		return err
	}
	spec := job.Spec{Argv: l.Argv, Env: l.Env, Link: l.Link}
	if len(spec.Argv) == 0 {
		spec.Argv = []string{"login shell"}
	}
	if err := spec.Validate(); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(spec.Argv[0], "-"):
		return fmt.Errorf("%w: %q is an option, not a command", job.ErrInvalid, spec.Argv[0])
	case strings.IndexByte(l.Dir, 0) >= 0:
		return fmt.Errorf("%w: the working directory contains a NUL byte", job.ErrInvalid)
	case l.Link == job.LinkKeep && (l.TTY || l.Input || len(l.Argv) == 0):
		return fmt.Errorf("%w: a command with a terminal or with input cannot be kept when the connection is lost", job.ErrInvalid)
	}
	for name := range l.Env {
		if !shellName.MatchString(name) || slices.Contains(readOnly, name) {
			return fmt.Errorf("%w: a shell on a host cannot set the environment variable %q", job.ErrInvalid, name)
		}
	}
	return nil
}

func (l launch) limit() int64 {
	if l.Limit > 0 {
		return l.Limit
	}
	return keepLimit
}

// script is what /bin/sh runs. Its variables begin with vmo_, so that none of them
// changes one that the command inherits.
func (l launch) script() string {
	var b strings.Builder
	// csh leaves duplicates of its outputs open, by which sshd would wait for all
	// that the command leaves behind.
	b.WriteString("exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-\n")
	fmt.Fprintf(&b, "VMO_RUN=%s; export VMO_RUN\n%s", l.ID, headerFunc)
	if l.Link == job.LinkKeep {
		b.WriteString(keepBegin)
	}
	if l.EnvByInput && len(l.Env) > 0 {
		b.WriteString(readEnv(l.TTY, l.Link != job.LinkKeep))
	} else if l.Link != job.LinkKeep {
		b.WriteString("vmo_header\n")
	}
	b.WriteString(changeDir(l.Dir))
	if !l.EnvByInput {
		b.WriteString(exports(l.Env))
	}
	switch {
	case l.Link == job.LinkKeep:
		b.WriteString(keep(l.Argv, l.limit()))
	case len(l.Argv) == 0:
		b.WriteString(l.watch() + `exec "${SHELL:-/bin/sh}" -l`)
	default:
		b.WriteString(l.watch() + "exec " + words(l.Argv))
	}
	return b.String()
}

// headerFunc defines the function that prints the header: the run, and what the
// process is called: its number, group, session and start. Without /proc there is
// ps, and not on every system does it know a session.
const headerFunc = `vmo_header() {
{ read -r vmo_x </proc/$$/stat; } 2>/dev/null && set -- ${vmo_x##*\) } || set -- - - $(ps -o pgid= -o sess= -p $$ 2>/dev/null)
printf '\036vmo %s %s %s %s %s\n' "$VMO_RUN" $$ "${3:-0}" "${4:-0}" "${20:-0}"
}
`

// changeDir goes to a directory. Anything relative begins with a dot: then it is
// neither an option nor looked for in CDPATH.
func changeDir(dir string) string {
	if dir == "" {
		return ""
	}
	var to string
	home, rest, _ := strings.Cut(dir, "/")
	switch {
	case home == "~":
		to = `"$HOME"/` + word(rest)
	case tildeName.MatchString(home):
		to = home + "/" + word(rest)
	case strings.HasPrefix(dir, "/"):
		to = word(dir)
	default:
		to = word("./" + dir)
	}
	return "vmo_d=" + to + `
cd "$vmo_d" >/dev/null 2>&1 || {
if [ -d "$vmo_d" ]; then vmo_x='may not be entered'; elif [ -e "$vmo_d" ]; then vmo_x='is not a directory'; else vmo_x='does not exist'; fi
printf 'vmo: the working directory %s %s\n' ` + word(dir) + ` "$vmo_x" >&2
exit 125; }
`
}

// exports sets variables for the command alone: nothing but its exec follows.
func exports(env map[string]string) string {
	var b strings.Builder
	for _, name := range sortedNames(env) {
		fmt.Fprintf(&b, "%s=%s; export %s\n", name, word(env[name]), name)
	}
	return b.String()
}

func sortedNames(env map[string]string) []string {
	names := make([]string, 0, len(env))
	for name := range env {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// readEnv takes the variables from the input, up to a line with a dot; without that
// line the connection has gone, and a command without its variables might be
// another one. A terminal must not show them, and says so by the header.
func readEnv(tty, header bool) string {
	const read = `vmo_e=
while :; do IFS= read -r vmo_x || exit 125; [ "$vmo_x" != . ] || break; vmo_e=$vmo_e$vmo_x; done
`
	const set = `eval "$(printf %b "$vmo_e")"; unset vmo_e
`
	switch {
	case tty:
		return "stty -echo\nvmo_header\n" + read + "stty echo\n" + set
	case header:
		return "vmo_header\n" + read + set
	default:
		return read + set
	}
}

// input is what EnvByInput waits for; it is empty without variables. The lines
// are short enough for a terminal, which takes at most 4095 bytes in one.
func (l launch) input() []byte {
	if !l.EnvByInput || len(l.Env) == 0 {
		return nil
	}
	const width = 500 * 5
	var b strings.Builder
	text := exports(l.Env)
	for i := range len(text) {
		if fmt.Fprintf(&b, `\0%03o`, text[i]); (i+1)%(width/5) == 0 {
			b.WriteByte('\n')
		}
	}
	return []byte(b.String() + "\n.\n")
}

// octal is a line that every login shell understands in the same way, and which
// makes /bin/sh run a script. No way of quoting has that property: fish and csh
// differ from POSIX in what a backslash and an exclamation mark mean within
// single quotes, and csh ends a string with its line. It is in several words
// because the csh of the BSDs takes no word of more than 8 KiB.
func octal(script string) string {
	const width = 4000
	var b strings.Builder
	b.WriteString(`exec /bin/sh -c 'eval "$(printf %b "$@")"' sh '`)
	begun := b.Len()
	for i := range len(script) {
		if b.Len()-begun > width {
			b.WriteString("' '")
			begun = b.Len()
		}
		if c := script[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(" ./:=,_-", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\0%03o`, c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// word quotes one word for a POSIX shell.
func word(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func words(argv []string) string {
	quoted := make([]string, len(argv))
	for i, arg := range argv {
		quoted[i] = word(arg)
	}
	return strings.Join(quoted, " ")
}

// call is a line that runs a script with arguments; $1 is the first.
func call(script string, args ...any) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case int:
			quoted[i] = strconv.Itoa(v)
		default:
			quoted[i] = word(fmt.Sprint(v))
		}
	}
	return octal("set -- " + strings.Join(quoted, " ") + "\n" + script)
}
