#!/usr/bin/env bash
# The part of scripts/package-test.sh that installs. It runs in mounts of its own:
# a copy of this machine in which everything written goes to memory. Ends at the
# first thing that fails.
#
#   scripts/package-test-inside.sh BEFORE NOW RESULTS   folders with packages; for pictures
set -euo pipefail

if [ -z "${VMO_INSIDE:-}" ]; then
	base=$(mktemp -d)
	mount -t tmpfs none "$base"
	mkdir "$base/changes" "$base/work" "$base/root"
	mount -t overlay overlay -o "lowerdir=/,upperdir=$base/changes,workdir=$base/work" "$base/root" || {
		echo "FAILED  a copy of this machine; mounting overlay needs root, or user namespaces that may" >&2
		exit 1
	}
	for folder in proc sys dev; do mount --rbind "/$folder" "$base/root/$folder"; done
	mount -t tmpfs none "$base/root/run"
	mount -t tmpfs -o mode=1777 none "$base/root/tmp"
	mkdir -p "$base/root/tmp/before" "$base/root/tmp/now"
	cp "$1"/*_amd64.deb "$base/root/tmp/before/"
	cp "$2"/*_amd64.deb "$base/root/tmp/now/"
	cp "$0" "$base/root/tmp/inside.sh"
	code=0
	# Everything that belongs to whoever runs this stays outside.
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/tmp/home TERM=dumb VMO_INSIDE=1 VMO_KEYCHAIN=off \
		dbus-run-session -- chroot "$base/root" /bin/bash /tmp/inside.sh || code=$?
	cp "$base/root/tmp"/*.png "$3" 2>/dev/null || true
	if [ $code = 0 ]; then
		# What has a name of ours, and what is in no package's list any more. Lists and
		# caches of the system that name nothing of ours are its own.
		left=$(cd "$base/changes" && find . \( -name '*vmo*' -o -name '*vm-orchestrator*' -o -name '*VMOrchestrator*' \) -type f | sort)
		if [ -z "$left" ]; then
			echo "ok      removed without rests"
		else
			printf 'FAILED  removed without rests\n%s\n' "$left"
		fi
	fi
	exit $code
fi

step() { printf 'ok      %s\n' "$*"; }
fail() {
	printf 'FAILED  %s\n' "$*"
	exit 1
}
apt() { apt-get -qq -y -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 --no-install-recommends "$@" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; fail "apt-get $*"; }; }

# until SECONDS COMMAND...: tries again until it succeeds.
until_() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.2
	done
}

mkdir -p "$HOME/project"
cd "$HOME"
printf 'hello: ## greet\n\t@echo "hello from the package"\n' >project/Makefile

# --- the one before

apt install /tmp/before/*.deb
step "apt installs the packages with what they need: $(dpkg-query -W -f '${Package} ${Version}, ' vmo vm-orchestrator | sed 's/, $//')"
[ "$(vmo version)" = "vmo v0.0.0-1-gbef0e" ] || fail "vmo says $(vmo version)"
vmo run -C project hello | grep -qx 'hello from the package' || fail "a job"
job=$(vmo jobs --json -n 1 | sed 's/.*"id":"\([^"]*\)".*/\1/')
step "a job runs and is recorded"
grep -q 'vm-orchestrator' <(man -w vmo-run vm-orchestrator) || fail "man finds no page"
step "man finds the pages"

# --- the window

coproc X { exec Xvfb -screen 0 1280x800x24 -nolisten tcp -displayfd 1 2>/tmp/xvfb.log; }
read -r -t 30 number <&"${X[0]}" || fail "Xvfb: $(cat /tmp/xvfb.log)"
trap 'kill "$X_PID"' EXIT
export DISPLAY=:$number
# drawn PICTURE: the page is there, and not only the words that stand in its place.
drawn() { import -window root "/tmp/$1.png" 2>/dev/null && [ "$(identify -format %k "/tmp/$1.png")" -gt 600 ]; }
window() { # PICTURE
	gio launch /usr/share/applications/vm-orchestrator.desktop >/tmp/window.log 2>&1 || return # as a menu starts it
	until_ 60 xdotool search --class '^vm-orchestrator$' >/tmp/ids 2>/dev/null || return
	until_ 60 drawn "$1"
}
close_window() {
	local pid
	pid=$(xdotool getwindowpid "$(tail -1 /tmp/ids)")
	kill -TERM "$pid"
	until_ 20 bash -c "! kill -0 $pid 2>/dev/null" || fail "the window does not end"
}
window installed || fail "the window: $(cat /tmp/window.log)"
step "the desktop entry opens the window, and it draws $(identify -format %k /tmp/installed.png) colours"
close_window

# --- the one now

apt install /tmp/now/*.deb
version=$(dpkg-query -W -f '${Version}' vmo)
[ "$version" = "$(dpkg-query -W -f '${Version}' vm-orchestrator)" ] || fail "two versions"
[ "$(vmo version)" != "vmo v0.0.0-1-gbef0e" ] || fail "vmo is still the one before"
vmo show "$job" | grep -qx 'hello from the package' || fail "the record of the one before"
vmo verify "$job" >/dev/null 2>&1 || fail "the record is not what it was"
step "apt updates to $version, and the record is there"
vmo run -C project hello >/dev/null || fail "a job after the update"
[ "$(vmo jobs --json | wc -l)" = 2 ] || fail "both jobs are in the list"
window updated || fail "the window after the update: $(cat /tmp/window.log)"
step "the window opens after the update"
close_window

# --- none

apt purge vmo vm-orchestrator
[ ! -e /usr/bin/vmo ] && [ ! -e /usr/bin/vm-orchestrator ] || fail "a program is still there"
[ -e "$HOME/.local/share/vm-orchestrator/journal.json" ] || fail "the journal went with the package"
step "apt removes them; the journal stays"
