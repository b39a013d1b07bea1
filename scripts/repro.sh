#!/usr/bin/env bash
# Builds everything twice from the last commit, in two folders, and compares. Says
# what differs; nothing may. The second time nothing is taken from the first: its
# cache of compiled packages is its own.
#
#   scripts/repro.sh          all of it
#   scripts/repro.sh linux    only what is for Linux on amd64
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
export MINISIGN_KEY= # whoever signs adds to what is built
VERSION=$(scripts/version.sh)
VERSION=${VERSION%-dirty}
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export VERSION SOURCE_DATE_EPOCH

for nth in first/here second/elsewhere/deeper; do
	git clone -q --no-hardlinks . "$work/$nth"
	mkdir "$work/$nth/bin"
	cp bin/nfpm bin/cyclonedx-gomod "$work/$nth/bin/"
	(
		cd "$work/$nth"
		[ "$nth" = first/here ] || export GOCACHE=$work/cache TZ=Asia/Tokyo LANG=tr_TR.UTF-8
		npm --prefix frontend ci --no-audit --no-fund --loglevel=error
		npm --prefix frontend run --silent build -- --logLevel warn
		DIST=$work/${nth%%/*}.dist scripts/package.sh "${1:-all}"
	)
done

echo
if diff "$work/first.dist/SHA256SUMS" "$work/second.dist/SHA256SUMS" >"$work/diff" && cmp "$work/first.dist/release.json" "$work/second.dist/release.json"; then
	echo "the same bytes twice: $(wc -l <"$work/first.dist/SHA256SUMS") files of $VERSION"
	exit
fi
echo "these differ between two builds of $VERSION:"
sed -n 's/^< [0-9a-f]*  /  /p' "$work/diff"
for file in $(sed -n 's/^< [0-9a-f]*  //p' "$work/diff"); do
	printf '  %s: the first differences, as byte, octal, octal\n' "$file"
	cmp -l "$work/first.dist/$file" "$work/second.dist/$file" 2>&1 | sed -n '1,5s/^/    /p' || true
done
exit 1
