#!/usr/bin/env bash
# Makes sure that everything a level needs is there, and installs what is not.
# When nothing is missing it says nothing and takes a fraction of a second.
#
#   scripts/setup.sh build    what building and opening the window needs
#   scripts/setup.sh display  the same, and a virtual display if there is none
#   scripts/setup.sh test     the same, and what the tests need
#   scripts/setup.sh package  what building packages needs
#   scripts/setup.sh package-test  the same, and what looks into them and installs them
#   scripts/setup.sh bench    the same as for test, and the programs that `make bench` compares with
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-build}
go_need=1.26
node_need=20.19

fail() {
	printf 'setup: %s\n' "$@" >&2
	exit 1
}

# at_least VERSION MINIMUM, compared number by number.
at_least() {
	local have need i
	IFS=. read -r -a have <<<"${1%%[!0-9.]*}"
	IFS=. read -r -a need <<<"$2"
	for i in "${!need[@]}"; do
		((10#${have[i]:-0} > 10#${need[i]})) && return 0
		((10#${have[i]:-0} < 10#${need[i]})) && return 1
	done
	return 0
}

# --- languages: never installed by us, because the system's versions are too old

command -v go >/dev/null || fail "Go is not installed." "Install Go $go_need or newer from https://go.dev/dl/ and put its bin folder on the PATH."
go_have=$(GOTOOLCHAIN=local go version | awk '{print substr($3, 3)}')
at_least "$go_have" "$go_need" || fail "Go $go_have is too old." "Install Go $go_need or newer from https://go.dev/dl/."
command -v node >/dev/null || fail "Node.js is not installed." "Install Node.js $node_need or newer from https://nodejs.org/en/download."
node_have=$(node --version)
node_have=${node_have#v}
at_least "$node_have" "$node_need" || fail "Node.js $node_have is too old." "Install Node.js $node_need or newer from https://nodejs.org/en/download."
command -v npm >/dev/null || fail "npm is not installed." "It comes with Node.js from https://nodejs.org/en/download; on Debian it is the package npm."

# --- what the system has to give

system=other
case $(uname -s) in
Linux)
	if [ -r /etc/os-release ]; then
		family=$(. /etc/os-release && echo "${ID:-} ${ID_LIKE:-}")
		case " $family " in
		*" debian "* | *" ubuntu "*) system=debian ;;
		*" fedora "* | *" rhel "*) system=fedora ;;
		*" arch "*) system=arch ;;
		*suse*) system=suse ;;
		esac
	fi
	;;
Darwin) system=macos ;;
esac

missing=() # names of packages, in Debian's words

# offered PACKAGE: whether apt knows a version of it. Not through a pipe to
# grep -q, which would end apt-cache early, and that counts as a failure here.
offered() {
	local policy
	policy=$(LC_ALL=C apt-cache policy "$1")
	[[ $policy =~ Candidate:\ [0-9] ]]
}

# needs PACKAGE COMMAND...: one of the commands has to be there.
needs() {
	local package=$1 command
	shift
	for command; do
		command -v "$command" >/dev/null && return 0
	done
	missing+=("$package")
}

has_display() { [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || [ "$system" = macos ]; }

needs_window() {
	needs gcc "${CC:-cc}" gcc clang
	if [ "$system" = macos ]; then
		return 0 # WebKit comes with the system
	fi
	needs pkg-config pkg-config pkgconf
	pkg-config --exists gtk+-3.0 2>/dev/null || missing+=(libgtk-3-dev)
	pkg-config --exists webkit2gtk-4.1 2>/dev/null || missing+=(libwebkit2gtk-4.1-dev)
	[ "$system" != debian ] || [ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
}

needs_display() {
	if [ "$system" != macos ]; then
		needs xvfb Xvfb
		needs xauth xauth
	fi
}

# needs_program PACKAGE COMMAND: also where only root has it on the PATH.
needs_program() {
	[ -x "/usr/sbin/$2" ] || [ -x "/sbin/$2" ] || needs "$1" "$2"
}

# What the tests of connections need: servers, and a user's every login shell.
needs_ssh() {
	needs openssh-client ssh
	if [ "$system" = macos ]; then
		return 0 # the server comes with the system; the shells are for the tests on Linux
	fi
	needs_program openssh-server sshd
	needs_program dropbear-bin dropbear
	needs_program iproute2 ip
	needs_program nftables nft
	needs sudo sudo
	needs dash dash
	needs zsh zsh
	needs ksh ksh
	needs fish fish
	needs tcsh tcsh
	needs csh csh
	needs busybox busybox
}

# The server of the database, which distributions keep off the PATH.
needs_postgres() {
	local found
	command -v initdb >/dev/null && return 0
	for found in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb /opt/homebrew/opt/postgresql*/bin/initdb; do
		[ -x "$found" ] && return 0
	done
	missing+=(postgresql)
}

needs_tests() {
	needs_display
	needs_ssh
	needs_postgres
	needs_program pgbouncer pgbouncer
	needs git git
	if [ "$system" != macos ]; then
		needs xdotool xdotool
		needs imagemagick import
		needs dbus dbus-run-session
		needs gnome-keyring gnome-keyring-daemon
	fi
	[ -n "${VMO_CHROMIUM:-}" ] || needs chromium chromium
}

# What `make package` uses, and what looks at the result.
needs_packaging() {
	needs git git
	needs binutils objdump
	needs librsvg2-bin rsvg-convert
	needs nsis makensis
	needs zip zip
	needs minisign minisign
}

needs_package_checks() {
	needs desktop-file-utils desktop-file-validate
	needs appstream appstreamcli
	needs lintian lintian
	needs rpm rpm
	needs rpmlint rpmlint
	needs cpio cpio
	# Older Ubuntus have none; package-test says then that it was not tried.
	[ "$system" != debian ] || command -v pacman >/dev/null || ! offered pacman-package-manager || missing+=(pacman-package-manager)
	needs libarchive-tools bsdtar
	needs mandoc mandoc
	needs osslsigncode osslsigncode
	needs openssl openssl
	needs p7zip-full 7z
	needs libglib2.0-bin gio
	needs xdg-utils xdg-open
	needs xdotool xdotool
	needs imagemagick import
	needs dbus dbus-run-session
	needs man-db man
	needs zsh zsh
	needs fish fish
}

needs make make
case $level in
build) needs_window ;;
display)
	needs_window
	has_display || needs_display
	;;
test)
	needs_window
	needs_tests
	needs_packaging
	needs_package_checks
	;;
package)
	needs_window
	needs_packaging
	;;
package-test)
	needs_window
	needs_display
	needs_packaging
	needs_package_checks
	;;
bench)
	needs_window
	needs_tests
	needs asciinema asciinema
	needs bsdutils script
	needs clustershell clush
	needs pssh parallel-ssh pssh
	;;
*) fail "there is no level $level: build, display, test, package, package-test or bench" ;;
esac

# in_words SYSTEM: the same packages under another system's names.
in_words() {
	local package
	for package in "${missing[@]}"; do
		case $1:$package in
		fedora:libgtk-3-dev) echo gtk3-devel ;;
		fedora:libwebkit2gtk-4.1-dev) echo webkit2gtk4.1-devel ;;
		fedora:pkg-config) echo pkgconf-pkg-config ;;
		fedora:xauth) echo xorg-x11-xauth ;;
		fedora:dbus) echo dbus-daemon ;;
		suse:libgtk-3-dev) echo "'pkgconfig(gtk+-3.0)'" ;;
		suse:libwebkit2gtk-4.1-dev) echo "'pkgconfig(webkit2gtk-4.1)'" ;;
		suse:dbus) echo dbus-1 ;;
		fedora:xvfb | suse:xvfb) echo xorg-x11-server-Xvfb ;;
		fedora:imagemagick | suse:imagemagick) echo ImageMagick ;;
		arch:libgtk-3-dev) echo gtk3 ;;
		arch:libwebkit2gtk-4.1-dev) echo webkit2gtk-4.1 ;;
		arch:pkg-config) echo pkgconf ;;
		arch:xvfb) echo xorg-server-xvfb ;;
		arch:xauth) echo xorg-xauth ;;
		fedora:openssh-client) echo openssh-clients ;;
		suse:openssh-client) echo openssh-clients ;;
		arch:openssh-client | arch:openssh-server) echo openssh ;;
		arch:dropbear-bin | fedora:dropbear-bin | suse:dropbear-bin) echo dropbear ;;
		fedora:librsvg2-bin) echo librsvg2-tools ;;
		suse:librsvg2-bin) echo rsvg-convert ;;
		arch:librsvg2-bin) echo librsvg ;;
		fedora:nsis | suse:nsis) echo mingw32-nsis ;;
		fedora:libarchive-tools | suse:libarchive-tools) echo bsdtar ;;
		arch:libarchive-tools) echo libarchive ;;
		fedora:p7zip-full | arch:p7zip-full | suse:p7zip-full) echo p7zip ;;
		suse:appstream) echo AppStream ;;
		fedora:iproute2) echo iproute ;;
		fedora:postgresql | suse:postgresql) echo postgresql-server ;;
		fedora:csh | suse:csh | arch:csh) echo tcsh ;;
		*:bsdutils) echo util-linux ;;
		*) echo "$package" ;;
		esac
	done | paste -sd' ' -
}

install_on_debian() {
	local root=() command
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || fail "these packages are missing: ${missing[*]}" "As root, run: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
		root=(sudo)
	fi
	printf 'setup: installing %s\n' "${missing[*]}" >&2
	command=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
	"${command[@]}" update || fail "the package lists could not be fetched." "Check the network and /etc/apt/sources.list, then try again."
	local package
	for package in "${missing[@]}"; do
		case $package in
		chromium)
			# Ubuntu has it as a snap only.
			if ! offered chromium; then
				fail "this system has no package with Chromium, which the tests of the page need." \
					"Install a Chromium or Chrome, for example with: sudo snap install chromium" \
					"If it has another name than chromium, set VMO_CHROMIUM to its path."
			fi
			;;
		libwebkit2gtk-4.1-dev)
			offered "$package" ||
				fail "this system has no package $package." "The window needs Debian 12, Ubuntu 22.04 or newer. vmo needs none of it: go build ./cmd/vmo"
			;;
		esac
	done
	if [[ " ${missing[*]} " == *" openssh-server "* ]]; then
		# The tests start servers of their own on the loopback device. Debian's package
		# would start one for the whole network; this file is its way to say no.
		"${root[@]}" mkdir -p /etc/ssh
		"${root[@]}" touch /etc/ssh/sshd_not_to_be_run
		printf 'setup: the SSH server is for the tests and stays off: see /etc/ssh/sshd_not_to_be_run\n' >&2
	fi
	if [[ " ${missing[*]} " == *" postgresql "* && ! -e /etc/postgresql-common/createcluster.conf ]]; then
		# The same for Postgres, whose package would make a cluster and start it.
		"${root[@]}" mkdir -p /etc/postgresql-common
		printf 'create_main_cluster = false\n' | "${root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
		command+=(-o Dpkg::Options::=--force-confold)
		printf 'setup: Postgres is for the tests and for development; no cluster is made: see /etc/postgresql-common/createcluster.conf\n' >&2
	fi
	if [[ " ${missing[*]} " == *" pgbouncer "* && ! -e /etc/systemd/system/pgbouncer.service ]]; then
		"${root[@]}" mkdir -p /etc/systemd/system
		"${root[@]}" ln -s /dev/null /etc/systemd/system/pgbouncer.service
		printf 'setup: PgBouncer is for the tests and stays off: systemctl unmask pgbouncer\n' >&2
	fi
	"${command[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null ||
		fail "the packages could not be installed." "See what apt says: ${root[*]} apt-get install --no-install-recommends ${missing[*]}"
}

if [ ${#missing[@]} -gt 0 ]; then
	case $system in
	debian) install_on_debian ;;
	fedora) fail "these packages are missing: $(in_words fedora)" "Run: sudo dnf install $(in_words fedora)" ;;
	arch) fail "these packages are missing: $(in_words arch)" "Run: sudo pacman -S --needed $(in_words arch)" ;;
	suse) fail "these packages are missing: $(in_words suse)" "Run: sudo zypper install $(in_words suse)" ;;
	macos)
		for package in "${missing[@]}"; do
			case $package in
			gcc | make | git) echo "setup: a C compiler, make and git come with: xcode-select --install" >&2 ;;
			chromium) echo "setup: Chromium comes with: brew install --cask chromium (or set VMO_CHROMIUM to a Chrome)" >&2 ;;
			*) echo "setup: $package is missing; run: brew install $package" >&2 ;;
			esac
		done
		exit 1
		;;
	*) fail "these are missing, in the names of Debian's packages: ${missing[*]}" "Install them with the package manager of this system, then try again." ;;
	esac
fi

# --- packages of the page. npm writes the second file last, so it says that the
# installation was complete, and for which lock file.

# A link leads to somebody else's: npm ci would empty what it points to.
if [ ! -L frontend/node_modules ] && [ ! frontend/node_modules/.package-lock.json -nt frontend/package-lock.json ]; then
	printf 'setup: installing the packages of the page\n' >&2
	(cd frontend && npm ci --no-audit --no-fund --loglevel=error) ||
		fail "the packages of the page could not be installed." "Check the network, then try again: cd frontend && npm ci"
fi
