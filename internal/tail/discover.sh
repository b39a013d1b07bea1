# Lists the logs of a host, one in a line: a letter, and fields between tabs. No
# part waits long or costs another.
set -uf
me=$(id -un 2>/dev/null)
problem() { printf 'P\t%s\n' "$*"; }
limited() { if command -v timeout >/dev/null 2>&1; then timeout 5 "$@"; else "$@"; fi; }

containers() {
	names='{{.Names}}\t{{.Image}}\t{{.Status}}' label=com.docker.compose
	all="$names"'\t{{.Label "'$label'.project"}}\t{{.Label "'$label'.service"}}\t{{.Label "'$label'.project.working_dir"}}'
	found= why=
	for e in docker podman 'sudo -n docker' 'sudo -n podman'; do
		program=${e##* }
		command -v "${e%% *}" >/dev/null 2>&1 && command -v "$program" >/dev/null 2>&1 || continue
		case $e in sudo*) [ "$(id -u)" != 0 ] || continue ;; esac
		case " $found " in *" docker "*) [ "$e" != 'sudo -n docker' ] || continue ;; esac
		if out=$(limited $e ps -a --format "$all" 2>/dev/null </dev/null) || out=$(limited $e ps -a --format "$names" 2>&1 </dev/null); then
			found="$found $program"
			[ -z "$out" ] || printf '%s\n' "$out" | head -n 500 | sed "s/^/C	$e	/"
		elif [ "$e" = "$program" ]; then
			why="$why$program cannot be asked: $(printf %s "$out" | head -n 1). "
		fi
	done
	[ -z "$found" ] && [ -n "$why" ] || return 0
	case $why in
	*[Pp]ermission?denied*) problem "${why}Put $me into the group docker (sudo usermod -aG docker $me) and log in again, or allow docker with sudo without a password." ;;
	*) problem "$why" ;;
	esac
}

units() {
	command -v systemctl >/dev/null 2>&1 || return 0
	if ! out=$(limited systemctl list-units --type=service --state=running,failed --plain --no-legend --no-pager 2>&1 </dev/null); then
		problem "systemd cannot be asked: $(printf %s "$out" | head -n 1)"
		return 0
	fi
	printf '%s\n' "$out" | head -n 500 | sed -n 's/^[^A-Za-z0-9_]*\([^ ][^ ]*\)  *[^ ]*  *[^ ]*  *\([^ ]*\)  *\(.*\)$/U	\1	\2	\3/p'
	limited journalctl -q --since=-1d -n 3000 -o json --output-fields=_SYSTEMD_UNIT 2>/dev/null </dev/null |
		sed -n 's/.*"_SYSTEMD_UNIT" *: *"\([^"]*\)".*/R	\1/p' | sort -u
	case " $(id -u) $(id -Gn) " in
	" 0 "* | *" systemd-journal "* | *" adm "* | *" wheel "*) ;;
	*) sudo -n true 2>/dev/null || problem "$me may see only messages of its own in the journal. Put $me into the group systemd-journal (sudo usermod -aG systemd-journal $me) and log in again." ;;
	esac
}

files() {
	limited find /var/log "$HOME" -maxdepth 3 \( -path "$HOME/.*" -o -path /var/log/journal -o -path '*/node_modules' \) -prune -o \
		-type f \( -name '*.log' -o -path '/var/log/syslog' -o -path '/var/log/messages' -o -path '/var/log/secure' -o -path '/var/log/maillog' -o -path '/var/log/cron' \) \
		-mtime -30 -print 2>/dev/null | sort | head -n 300 | {
		closed=0
		while IFS= read -r f; do
			if [ -r "$f" ]; then printf 'F\t%s\n' "$f"; else closed=$((closed + 1)); fi
		done
		[ "$closed" = 0 ] || problem "$closed log files in /var/log may not be read by $me; on many systems the group adm may."
	}
}

containers
units
files
