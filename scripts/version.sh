#!/usr/bin/env bash
# The version, from git, in the words of those who compare versions. They sort as
# they were made: 0.2.0~rc.1 before 0.2.0 before 0.2.0+3.gabc.
#
#   scripts/version.sh            as it is built in: v0.2.0-3-gabc
#   scripts/version.sh package    deb, rpm, Arch:    0.2.0+3.gabc
#   scripts/version.sh apk        Alpine:            0.2.0_git3
#   scripts/version.sh windows    four numbers:      0.2.0.3
#   scripts/version.sh epoch      when it was made, in seconds
#   scripts/version.sh ldflags    for Go's linker: what is built into the programs
#
# VERSION is taken instead of what git says.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = epoch ]; then
	echo "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
	exit
fi

described=${VERSION:-$(git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null ||
	echo "v0.0.0-$(git rev-list --count HEAD)-g$(git describe --always --dirty)")}
[[ $described =~ ^v?([0-9]+\.[0-9]+\.[0-9]+)(-((alpha|beta|rc)\.?([0-9]+)))?(-([0-9]+)-(g[0-9a-f]+))?(-dirty)?$ ]] || {
	echo "version: \"$described\" is no version such as v1.2.3, v1.2.3-rc.1 or what git describe makes of one" >&2
	exit 1
}
number=${BASH_REMATCH[1]} stage=${BASH_REMATCH[4]} nth=${BASH_REMATCH[5]}
since=${BASH_REMATCH[7]} commit=${BASH_REMATCH[8]} dirty=${BASH_REMATCH[9]}

# Version, and where newer ones are published and who signs them.
ldflags() {
	. build/release.conf
	local update=vmorchestrator/internal/update
	[[ $UPDATE_URL =~ ^https://[A-Za-z0-9./_~:-]+$ && $UPDATE_KEY =~ ^[A-Za-z0-9+/=]*$ ]] || {
		echo "version: UPDATE_URL is no address with https://, or UPDATE_KEY no key in one line: see build/release.conf" >&2
		return 1
	}
	echo "-X main.version=$described -X $update.builtinURL=$UPDATE_URL -X $update.builtinKey=$UPDATE_KEY"
}

case ${1:-} in
'') echo "$described" ;;
ldflags) ldflags ;;
package)
	more=${since:+$since.$commit}
	[ -z "$dirty" ] || more=${more:+$more.}dirty
	echo "$number${stage:+~$stage.$nth}${more:++$more}"
	;;
apk) echo "$number${stage:+_$stage$nth}${since:+_git$since}" ;;
windows) echo "$number.${since:-0}" ;;
*)
	echo "version: there is no $1" >&2
	exit 2
	;;
esac
