#!/usr/bin/env bash
# The window with hot reload, and the same page in a browser.
#
#   scripts/dev.sh start FOLDER    until Ctrl-C, or until somebody calls
#   scripts/dev.sh stop
#
# Without a display the window opens on a virtual one. The page is served on the
# loopback only, and to pages of its own origin (app/origin_dev.go).
set -euo pipefail
cd "$(dirname "$0")/.."

address=${DEV_ADDRESS:-127.0.0.1:34115}
state=bin/dev.pid # two lines: the process of `wails dev`, and when it started

# started PID: when a process started, so that a number that was given to
# another process meanwhile is not taken for ours.
started() {
	if [ -r "/proc/$1/stat" ]; then
		sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20
	else
		ps -o lstart= -p "$1" 2>/dev/null
	fi
}

# running prints the process that start has left behind, if it is still there.
running() {
	local pid since
	{ read -r pid && IFS= read -r since; } 2>/dev/null <"$state" || return 1
	[ -n "$pid" ] && [ "$(started "$pid")" = "$since" ] && echo "$pid"
}

stop() {
	local pid i
	if ! pid=$(running); then
		echo "make dev is not running"
		rm -f "$state"
		return
	fi
	kill -INT "$pid" # wails ends Vite and the window, and then itself
	for ((i = 0; i < 150; i++)); do
		running >/dev/null || break
		sleep 0.1
	done
	if pid=$(running); then
		echo "it does not answer: killing it with all it started" >&2
		kill -KILL -- "-$pid"
	fi
	rm -f "$state"
	echo "stopped"
}

answers() { (exec 3<>"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null; }

start() {
	case $address in
	127.0.0.1:* | localhost:*) ;;
	*)
		echo "dev: $address is not on the loopback: the page can start jobs on this machine" >&2
		exit 2
		;;
	esac
	if running >/dev/null; then
		echo "dev: it is running already, see http://$address; stop it with: make stop" >&2
		exit 1
	fi
	if answers; then
		echo "dev: something else listens on $address; choose another port with: make dev DEV_PORT=34116" >&2
		exit 1
	fi
	mkdir -p bin frontend/dist
	touch frontend/dist/.keep # go:embed wants the folder; the page itself comes from Vite

	local display=()
	if [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && [ "$(uname -s)" = Linux ]; then
		display=(xvfb-run -a -s '-screen 0 1280x900x24 -nolisten tcp')
		echo "dev: no display, so the window opens on a virtual one"
	fi
	local args=() folder=${1/#\~\//$HOME/}
	[ -z "$folder" ] || args=(-appargs "'$(cd "$folder" && pwd)'")
	# A process group of its own: Ctrl-C must reach wails alone, which then ends
	# the others in order.
	set -m
	"${display[@]+"${display[@]}"}" bash -c '
		echo $$ >"$1.new"
		shift
		exec "$@"' dev "$state" bin/wails dev -tags webkit2_41 -nocolour -m -nosyncgomod -s \
		-devserver "$address" -viteservertimeout 60 -loglevel Error "${args[@]+"${args[@]}"}" </dev/null &
	local child=$! pid
	set +m
	trap 'trap "" INT TERM; echo; echo "dev: stopping"; stop >/dev/null' INT TERM HUP
	while [ ! -s "$state.new" ] && kill -0 "$child" 2>/dev/null; do sleep 0.05; done
	pid=$(cat "$state.new") || exit 1
	rm -f "$state.new"
	printf '%s\n%s\n' "$pid" "$(started "$pid")" >"$state"

	while ! answers; do
		kill -0 "$child" 2>/dev/null || break
		sleep 0.2
	done
	if kill -0 "$child" 2>/dev/null; then
		echo
		echo "  In a browser:  http://$address"
		echo "  Stop with:     Ctrl-C, or make stop"
		echo
	fi
	local code=0
	while kill -0 "$child" 2>/dev/null; do # wait returns early when a signal is trapped
		code=0
		wait "$child" || code=$?
	done
	rm -f "$state"
	# Wails generates the bindings with other modes here than by itself, which git
	# would take for a change.
	find frontend/wailsjs -type f -exec chmod 755 {} +
	[ "$code" = 130 ] && code=0 # it was told to stop
	exit "$code"
}

case ${1:-} in
start) start "${2:-}" ;;
stop) stop ;;
*)
	echo "usage: scripts/dev.sh start|stop" >&2
	exit 2
	;;
esac
