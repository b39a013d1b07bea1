# Writes the log of a container and goes on when it is restarted or recreated.
# Arguments: nonce, engine (empty: find one), docker|compose, name, folder of the
# compose project, since, lines (empty: all), follow (empty: no), the container
# that was followed before the link was lost, and since when to repeat it.
set -uf
nonce=$1 engine=$2 kind=$3 name=$4 dir=$5 since=$6 lines=$7 follow=$8 old=$9
shift 9
again=$1

say() { printf '\036vmo-tail %s %s\n' "$nonce" "$*"; }
both() { say "$@" && say "$@" >&2; }
fail() {
	printf 'vmo: %s\n' "$@" >&2
	exit 1
}

case $dir in
'~') dir=$HOME ;;
'~/'*) dir=$HOME/${dir#??} ;;
esac
if [ -n "$dir" ]; then
	dir=$(CDPATH= cd -- "$dir" 2>/dev/null && pwd -P) || fail "there is no folder $5"
fi

# members lists the containers of the service, those that run first.
members() {
	for all in '' -a; do
		set -- "$1" ps $all --no-trunc -q --filter "label=com.docker.compose.service=$name"
		[ -z "$dir" ] || set -- "$@" --filter "label=com.docker.compose.project.working_dir=$dir"
		e=$1
		shift
		$e "$@" </dev/null 2>/dev/null
	done
}

# describe sets ID, RUN, IMG and START of a container.
describe() {
	set -- $($1 inspect --type container -f '{{.Id}} {{.State.Running}} {{.Config.Image}} {{.State.StartedAt}}' "$2" </dev/null 2>/dev/null)
	[ $# -ge 4 ] || return 1
	ID=$1 RUN=$2 IMG=$3
	shift 3
	START=$(printf '%s_' "$@")
}

locate() {
	if [ "$kind" = compose ]; then
		set -- "$1" $(members "$1")
		[ $# -ge 2 ] || return 1
	else
		set -- "$1" "$name"
	fi
	describe "$1" "$2"
}

# explain says why no engine answers, and what can be done.
explain() {
	[ -n "$why" ] || fail "neither docker nor podman is installed here (PATH=$PATH)"
	printf 'vmo: %s\n' "$why" >&2
	case $why in
	*[Pp]ermission?denied*)
		me=$(id -un)
		fail "Next: put $me into the group docker (sudo usermod -aG docker $me) and log in again," \
			"or let $me run docker with sudo without a password."
		;;
	*daemon*running*|*onnect*) fail "Next: start it (sudo systemctl start docker)." ;;
	esac
	exit 1
}

# pick finds the engine that has the container; else one that answers at all.
pick() {
	usable= why=
	for e in docker podman 'sudo -n docker' 'sudo -n podman'; do
		command -v "${e%% *}" >/dev/null 2>&1 && command -v "${e##* }" >/dev/null 2>&1 || continue
		case $e in sudo*) [ "$(id -u)" != 0 ] || continue ;; esac
		if said=$($e ps -q 2>&1 >/dev/null </dev/null); then
			[ -n "$usable" ] || usable=$e
			if locate "$e"; then
				engine=$e
				return
			fi
		else
			[ -n "$why" ] || why="$e: $(printf %s "$said" | head -n 1)"
		fi
	done
	if [ -z "$usable" ]; then
		# After the host's own restart sshd is there before docker is.
		tries=$((tries + 1))
		[ -n "$why" ] && [ -n "$old" ] && [ -n "$follow" ] && [ $tries -lt 60 ] || explain
		sleep 2
		return 1
	fi
	engine=$usable
}

# rest writes what is left of a container that was recreated while there was no
# link.
rest() {
	if describe "$engine" "$old"; then
		both container "$ID" "$IMG" "$START" "$again"
		$engine logs --timestamps --since "$again" "$old" </dev/null
	else
		say removed
	fi
	old= ID=
	locate "$engine"
}

absent() {
	[ "$kind" = docker ] || fail "$engine knows no container of the service $name${dir:+ of the project in $dir}." \
		"Next: start it, or give the folder of its project."
	fail "$engine knows no container $name." "There are: $($engine ps -a --format '{{.Names}}' </dev/null 2>/dev/null | head -n 20 | tr '\n' ' ')"
}

tries=0
until [ -n "$engine" ] || pick; do :; done
ID= RUN= IMG= START=
if ! locate "$engine"; then
	[ -n "$old" ] && [ -n "$follow" ] || absent
fi
if [ "$kind" = compose ] && [ -z "$old" ]; then
	set -- $(members "$engine" | sort -u)
	[ $# -le 1 ] || printf 'vmo: the service %s has %s containers; this is the log of one. The others can be followed by their names.\n' "$name" $# >&2
fi

say now "$(date +%s)"
bad=0 was=$old next=$again told=
if [ -n "$old" ]; then
	lines= since=
	if [ "$ID" = "$old" ]; then since=$again; elif [ -n "$ID" ]; then rest; fi
fi
while :; do
	if [ -n "$ID" ]; then
		both container "$ID" "$IMG" "$START" "${since:--}" || exit 1
		was=$ID told=
		set -- logs --timestamps
		[ -z "$follow" ] || set -- "$@" --follow
		[ -z "$since" ] || set -- "$@" --since "$since"
		[ -z "$lines" ] || set -- "$@" --tail "$lines"
		$engine "$@" "$ID" </dev/null
		code=$?
		[ -n "$follow" ] || exit $code
		if [ $code = 0 ]; then bad=0; else bad=$((bad + 1)); fi
		[ $bad -lt 5 ] || exit $code
		# What was written in the last minutes is asked for again, and what of it was
		# delivered is dropped at the other end.
		old= next=$(($(date +%s) - 300))
	fi
	since=$next lines=
	while :; do
		sleep 1
		if ! locate "$engine"; then
			[ "$told" = gone ] || say gone || exit 1
			told=gone
		elif [ "$ID" != "$was" ]; then
			[ -z "$old" ] || rest
			since= # all of its log is new
			break
		elif [ "$RUN" = true ]; then
			break
		else
			[ "$told" = stopped ] || say stopped || exit 1
			told=stopped
		fi
	done
done
