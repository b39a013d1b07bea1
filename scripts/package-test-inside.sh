#!/usr/bin/env bash
# The part of scripts/package-test.sh that installs. It runs in mounts of its own:
# a copy of this machine in which everything written goes to memory. That needs root;
# whoever is not asks sudo, without a password. Ends at the first thing that fails.
#
#   scripts/package-test-inside.sh BEFORE NOW RESULTS   folders with packages; for pictures
set -euo pipefail

case ${VMO_INSIDE:-} in
'')
	unshare=(unshare --mount --propagation private env VMO_INSIDE=mounts "$0" "$@")
	[ "$(id -u)" != 0 ] || exec "${unshare[@]}"
	if ! sudo -n true 2>/dev/null; then
		echo "FAILED  a copy of this machine needs root: run sudo -v first, or this as root"
		exit 1
	fi
	exec sudo -n "${unshare[@]}"
	;;
mounts)
	base=$(mktemp -d)
	mount -t tmpfs none "$base"
	mkdir "$base/changes" "$base/work" "$base/root"
	if ! mount -t overlay overlay -o "lowerdir=/,upperdir=$base/changes,workdir=$base/work" "$base/root"; then
		echo "FAILED  a copy of this machine: this system mounts no overlay, as in a container without the right to"
		exit 1
	fi
	for folder in proc sys dev; do mount --rbind "/$folder" "$base/root/$folder"; done
	mount -t tmpfs none "$base/root/run"
	mount -t tmpfs -o mode=1777 none "$base/root/tmp"
	here=$base/root/tmp/vmo-packages
	mkdir -p "$here/before" "$here/now"
	trap 'rm -rf "$here"' EXIT
	cp "$1"/*_amd64.deb "$here/before/"
	cp "$2"/*_amd64.deb "$2"/*x86_64.rpm "$2"/*x86_64.pkg.tar.zst "$here/now/"
	cp "$3"/release.url "$3"/release.pem "$3"/test.pub "$here/"
	cp "$0" "$here/inside.sh"
	code=0
	# Everything that belongs to whoever runs this stays outside.
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/tmp/vmo-packages/home TERM=dumb VMO_INSIDE=copy VMO_KEYCHAIN=off \
		dbus-run-session -- chroot "$base/root" /bin/bash /tmp/vmo-packages/inside.sh || code=$?
	cp "$here"/*.png "$3" 2>/dev/null || true
	if [ $code = 0 ]; then
		# Whatever has a name of ours, in all that was written.
		left=$(cd "$base/changes" && find . \( -name '*vmo*' -o -name '*vm-orchestrator*' -o -name '*VMOrchestrator*' \) -type f | sort)
		if [ -z "$left" ]; then
			echo "ok      removed without rests"
		else
			printf 'FAILED  removed without rests\n%s\n' "$left"
		fi
	fi
	exit $code
	;;
esac

here=/tmp/vmo-packages
step() { printf 'ok      %s\n' "$*"; }
fail() {
	printf 'FAILED  %s\n' "$*"
	exit 1
}
# Images of containers leave manual pages out.
apt() { apt-get -qq -y -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 -o 'Dpkg::Options::=--path-include=/usr/share/man/*' --no-install-recommends "$@" >$here/apt.log 2>&1 || { cat $here/apt.log; fail "apt-get $*"; }; }

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

apt install $here/before/*.deb
step "apt installs the packages with what they need: $(dpkg-query -W -f '${Package} ${Version}, ' vmo vm-orchestrator | sed 's/, $//')"
[ "$(vmo version)" = "vmo v0.0.0-1-gbef0e" ] || fail "vmo says $(vmo version)"
vmo run -C project hello | grep -qx 'hello from the package' || fail "a job"
job=$(vmo jobs --json -n 1 | sed 's/.*"id":"\([^"]*\)".*/\1/')
step "a job runs and is recorded"
grep -q 'vm-orchestrator' <(man -w vmo-run vm-orchestrator) || fail "man finds no page"
step "man finds the pages"

# --- the window

coproc X { exec Xvfb -screen 0 1280x800x24 -nolisten tcp -displayfd 1 2>$here/xvfb.log; }
read -r -t 30 number <&"${X[0]}" || fail "Xvfb: $(cat $here/xvfb.log)"
trap 'kill "$X_PID"' EXIT
export DISPLAY=:$number
# drawn PICTURE: the page is there, and not only the words that stand in its place.
drawn() { import -window root "$here/$1.png" 2>/dev/null && [ "$(identify -format %k "$here/$1.png")" -gt 600 ]; }
window() { # PICTURE
	gio launch /usr/share/applications/vm-orchestrator.desktop >$here/window.log 2>&1 || return # as a menu starts it
	until_ 60 xdotool search --class '^vm-orchestrator$' >$here/ids 2>/dev/null || return
	until_ 60 drawn "$1"
}
windows() { xdotool search --class '^vm-orchestrator$' | wc -l; }
# shade PICTURE: how light it is; a dialog darkens what is behind it.
shade() { identify -format '%[fx:int(1000*mean)]' "$here/$1.png"; }
darker() { import -window root "$here/$1.png" && [ "$(shade $1)" -lt $(($(shade $2) * 8 / 10)) ]; }
not_darker() { ! darker "$1" "$2"; }
close_window() {
	local pid
	pid=$(xdotool getwindowpid "$(tail -1 $here/ids)")
	kill -TERM "$pid"
	until_ 20 bash -c "! kill -0 $pid 2>/dev/null" || fail "the window does not end"
}
window installed || fail "the window: $(cat $here/window.log)"
step "the desktop entry opens the window, and it draws $(identify -format %k $here/installed.png) colours"
close_window

# --- the one now: heard of, then installed as it says

export SSL_CERT_FILE=$here/release.pem
mkdir -p /etc/vm-orchestrator
printf '{"updates": {"url": "%s", "key": "%s"}}\n' "$(cat $here/release.url)" "$(sed -n 2p $here/test.pub)" >/etc/vm-orchestrator/policy.json
! vmo update check 2>/dev/null || fail "it asked without being told to"
vmo update on
vmo update check >$here/update.txt || fail "vmo update check"
install=$(sed -n 's/^  sudo apt install //p' $here/update.txt)
[ -n "$install" ] || fail "it does not say how to install: $(cat $here/update.txt)"
step "the one before hears of the newer one: apt install $install"
cd $here/now
# shellcheck disable=SC2086 # the words are those of a command line
apt install $install
cd "$HOME"
vmo update | grep -q '^Nothing newer' || fail "after the update: $(vmo update)"
version=$(dpkg-query -W -f '${Version}' vmo)
[ "$version" = "$(dpkg-query -W -f '${Version}' vm-orchestrator)" ] || fail "two versions"
[ "$(vmo version)" != "vmo v0.0.0-1-gbef0e" ] || fail "vmo is still the one before"
vmo show "$job" | grep -qx 'hello from the package' || fail "the record of the one before"
vmo verify "$job" >/dev/null 2>&1 || fail "the record is not what it was"
step "apt updates to $version, and the record is there"
vmo run -C project hello >/dev/null || fail "a job after the update"
[ "$(vmo jobs --json | wc -l)" = 2 ] || fail "both jobs are in the list"
window updated || fail "the window after the update: $(cat $here/window.log)"
step "the window opens after the update"
[ "$(xdg-mime query default x-scheme-handler/vmo)" = vm-orchestrator.desktop ] || fail "vmo:// links go to $(xdg-mime query default x-scheme-handler/vmo)"
there=$(windows)
for opener in 'gio open' xdg-open; do
	$opener "vmo://run?dir=$HOME/project&target=hello" >$here/link.log 2>&1 || fail "$opener: $(cat $here/link.log)"
	until_ 30 darker link updated || fail "$opener with a link: no form in the window"
	[ "$(windows)" = "$there" ] || fail "$opener with a link opens a window of its own"
	[ "$(vmo jobs --json | wc -l)" = 2 ] || fail "$opener with a link has started a job"
	xdotool key Escape
	until_ 30 not_darker closed updated || fail "the form of a link does not close"
done
step "gio open and xdg-open give a link to the window, where a form opens and nothing starts"
close_window

# --- rpm and Arch, in roots of their own: here their dependencies have other names

rpm --root $here/rpm --nosignature --nodeps -i $here/now/*.rpm 2>$here/rpm.log || fail "rpm: $(cat $here/rpm.log)"
[ "$($here/rpm/usr/bin/vmo version)" = "$(vmo version)" ] || fail "vmo from the rpm"
rpm --root $here/rpm --nodeps -V vmo vm-orchestrator 2>/dev/null || fail "rpm -V"
rpm --root $here/rpm -e vm-orchestrator vmo 2>/dev/null || fail "rpm -e"
[ -z "$(find $here/rpm/usr ! -type d 2>/dev/null)" ] || fail "rests of the rpm: $(find $here/rpm/usr ! -type d)"
step "rpm installs, verifies and removes them"
if ! command -v pacman >/dev/null; then
	echo "        this system has no pacman: the packages for Arch are only looked into"
else
	mkdir -p $here/arch/var/lib/pacman
	pacman="pacman --noconfirm --root $here/arch --dbpath $here/arch/var/lib/pacman --logfile $here/pacman.log"
	$pacman -dd -U $here/now/*.pkg.tar.zst >$here/arch.log 2>&1 || fail "pacman: $(cat $here/arch.log)"
	[ "$($here/arch/usr/bin/vmo version)" = "$(vmo version)" ] || fail "vmo from the package for Arch"
	$pacman -Qkk vmo vm-orchestrator >$here/arch.log 2>&1 || fail "pacman -Qkk: $(cat $here/arch.log)"
	$pacman -R vm-orchestrator vmo >$here/arch.log 2>&1 || fail "pacman -R: $(cat $here/arch.log)"
	[ -z "$(find $here/arch/usr ! -type d 2>/dev/null)" ] || fail "rests of the package for Arch"
	step "pacman installs, verifies and removes them"
fi

# --- none

rm -r /etc/vm-orchestrator # the policy of this test
owned=$(dpkg -L vmo vm-orchestrator | sort -u | while read -r file; do [ -d "$file" ] || echo "$file"; done)
apt purge vmo vm-orchestrator
for file in $owned; do [ ! -e "$file" ] || fail "$file is still there"; done
grep -q '^/usr/bin/vmo$' <<<"$owned" && ! dpkg -s vmo vm-orchestrator >/dev/null 2>&1 || fail "the packages are still there"
[ -e "$HOME/.local/share/vm-orchestrator/journal.json" ] || fail "the journal went with the package"
step "apt removes them; the journal stays"
