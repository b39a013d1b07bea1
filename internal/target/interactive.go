package target

import "strings"

// Interactive reports whether a target of this name probably wants a terminal.
//
// The name is split at "-", ".", "/", "_" and ":". Its last or its first word
// must be one of the list ("db-shell", "docker.login", "ssh-web1"): in the
// middle it is an object ("show-shell-version"). A word that says what is done
// to the thing, rather than with it, rules the name out ("lint-shell",
// "bash-completion", "test-login"). Some words count only as the whole name,
// because elsewhere they mean something else ("top", but not "top-level").
// "watch" and "logs" are not on the list: they print and never ask. A makefile
// overrides the guess with @tty or @stream.
func Interactive(name string) bool {
	name = strings.ToLower(name)
	if wholeInteractive[name] {
		return true
	}
	parts := strings.FieldsFunc(name, func(c rune) bool { return strings.ContainsRune("-./_:", c) })
	if len(parts) == 0 {
		return false
	}
	for _, p := range parts {
		if aboutIt[p] {
			return false
		}
	}
	first, last := parts[0], parts[len(parts)-1]
	if interactiveWord[first] || interactiveWord[last] {
		return true
	}
	return len(parts) >= 2 && last == "cli" && clients[parts[len(parts)-2]]
}

var (
	wholeInteractive = set(`top htop btop atop ctop less vi menuconfig nconfig su`)
	interactiveWord  = set(`shell sh bash zsh fish ash pwsh console terminal tty tui repl interactive
		ssh mosh telnet sftp login attach exec
		psql pgcli mysql mariadb mycli sqlite sqlite3 mongo mongosh cqlsh sqlplus dbshell dbconsole
		irb pry ipython bpython ptpython iex ghci jshell tinker
		gdb lldb dlv pdb
		vim nvim nano emacs tmux htop k9s lazydocker lazygit menuconfig
		picocom minicom passwd createsuperuser`)
	clients = set(`redis valkey mongo mysql pg psql cassandra clickhouse vault rabbitmq db`)
	aboutIt = set(`test tests check checks lint linter fmt format build builds rebuild install uninstall update upgrade
		completion completions complete doc docs help version versions config configs conf key keys keygen keyscan
		generate gen clean clear push pull publish package release deploy stop restart status log logs
		script scripts plan level image images dump backup restore export import migrate list show print copy`)
)
