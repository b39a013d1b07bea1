# Writes the journal of a unit as JSON, one entry in a line.
# Arguments: nonce, unit, since, lines (empty: all), follow (empty: no), and the
# cursor of the last entry that was delivered before the link was lost.
set -uf
nonce=$1 unit=$2 since=$3 lines=$4 follow=$5 cursor=$6

fail() {
	printf 'vmo: %s\n' "$@" >&2
	exit 1
}
command -v journalctl >/dev/null 2>&1 || fail "there is no journalctl here; does this system use systemd?"
journal=journalctl
case " $(id -u) $(id -Gn) " in
" 0 "* | *" systemd-journal "* | *" adm "* | *" wheel "*) ;;
*)
	if sudo -n journalctl -n 0 >/dev/null 2>&1 </dev/null; then
		journal='sudo -n journalctl'
	else
		me=$(id -un)
		printf 'vmo: %s\n' "$me may see only messages of its own in the journal." \
			"Next: put $me into the group systemd-journal (sudo usermod -aG systemd-journal $me) and log in again." >&2
	fi
	;;
esac
if [ "$(systemctl show -p LoadState -- "$unit" 2>/dev/null)" = LoadState=not-found ]; then
	printf 'vmo: %s\n' "there is no unit $unit here; what it wrote before may still be in the journal" >&2
fi

set -- -u "$unit" -q --all -o json
if journalctl --help 2>/dev/null | grep -q -e --output-fields; then
	set -- "$@" --output-fields=MESSAGE,SYSLOG_IDENTIFIER,_COMM,_PID,SYSLOG_PID,_HOSTNAME
fi
if [ -z "$cursor" ] && [ "$lines" = 0 ]; then # so that there is something to resume from
	cursor=$($journal -u "$unit" -q -n 1 -o cat --show-cursor </dev/null 2>/dev/null | sed -n 's/^-- cursor: //p')
	[ -z "$cursor" ] || printf '\036vmo-tail %s cursor %s\n' "$nonce" "$cursor"
fi
if [ -n "$cursor" ]; then
	set -- "$@" --no-tail "--cursor=$cursor"
else
	[ -z "$since" ] || set -- "$@" "--since=$since"
	if [ -n "$lines" ]; then set -- "$@" -n "$lines"; else set -- "$@" --no-tail; fi
fi
[ -z "$follow" ] || set -- "$@" -f
exec $journal "$@" </dev/null
