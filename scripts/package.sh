#!/usr/bin/env bash
# Builds everything that is given to others, into dist/ or the folder in DIST:
# programs, packages, installer, lists of what is in them, sums and signature.
# The same commit gives the same bytes: scripts/repro.sh proves it.
#
#   scripts/package.sh          all of it
#   scripts/package.sh linux    only the programs and packages for Linux on amd64
#   scripts/package.sh tested   these, and the installer for Windows: what package-test looks at
#
# FORMATS are the kinds of packages; VERSION is taken instead of what git says; MINISIGN_KEY is the file of the
# secret key to sign with. Everything that is the publisher's is in build/release.conf.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-all}
formats=${FORMATS:-deb rpm archlinux apk}
dist=${DIST:-dist}
umask 022
export LC_ALL=C TZ=UTC
VERSION=$(scripts/version.sh)
SOURCE_DATE_EPOCH=$(scripts/version.sh epoch)
PACKAGE_VERSION=$(scripts/version.sh package)
. build/release.conf
LDFLAGS=$(scripts/version.sh ldflags)
export VERSION SOURCE_DATE_EPOCH PACKAGE_VERSION APP_ID VENDOR MAINTAINER HOMEPAGE UPDATE_DAYS
day=$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)

rm -rf "$dist"
mkdir -p "$dist"
dist=$(cd "$dist" && pwd)
work=$(mktemp -d)
clean() {
	rm -rf "$work"
	rm -f package_windows_*.syso cmd/vmo/package_windows_*.syso
}
trap clean EXIT

say() { printf 'package: %s\n' "$*"; }
stamp() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

# build OUTPUT FOLDER TAGS [LDFLAGS [MODE]]: a program without a trace of this machine.
build() { go build -trimpath -buildvcs=false -buildmode "${5:-default}" -tags "$3" -ldflags "-s -w -buildid= $LDFLAGS ${4:-}" -o "$1" "$2"; }

# vmo GOOS GOARCH: static, without C. Position-independent it could not be both: Go then asks for the loader of
# glibc, which is what a static program does without.
vmo() {
	local name="vmo-$PACKAGE_VERSION-$1-$2"
	[ "$1" != windows ] || name+=.exe
	say "$name"
	GOOS=$1 GOARCH=$2 CGO_ENABLED=0 build "$dist/$name" ./cmd/vmo ""
}

# --- the parts that have no architecture

icons() {
	local size
	mkdir -p "$work/icons"
	cp build/icon.svg "$work/icons/scalable.svg"
	for size in 16 22 24 32 48 64 128 256 512; do
		rsvg-convert -w $size -h $size build/icon.svg -o "$work/icons/$size.png"
	done
}

# words FILE [NAME=VALUE...]: with what stands between two @ put in.
words() {
	local file=$1 word edit=()
	shift
	for word in "VERSION=$PACKAGE_VERSION" "DATE=$day" "APP_ID=$APP_ID" "VENDOR=$VENDOR" "MAINTAINER=$MAINTAINER" "HOMEPAGE=$HOMEPAGE" "$@"; do
		edit+=(-e "s|@${word%%=*}@|$(sed 's/[&|\\]/\\&/g' <<<"${word#*=}")|g")
	done
	sed "${edit[@]}" "$file"
}

documents() {
	local shell package vmo="$dist/vmo-$PACKAGE_VERSION-linux-amd64"
	mkdir -p "$work/man" "$work/completions" "$work/desktop" "$work/doc"
	"$vmo" man "$work/man"
	words build/linux/vm-orchestrator.1 >"$work/man/vm-orchestrator.1"
	gzip -9n "$work"/man/*.1
	for shell in bash zsh fish; do "$vmo" completion $shell >"$work/completions/vmo.$shell"; done
	cp build/linux/vm-orchestrator.desktop "$work/desktop/"
	VENDOR=$(sed 's/&/\&amp;/g; s/</\&lt;/g' <<<"$VENDOR") words build/linux/vm-orchestrator.metainfo.xml >"$work/desktop/metainfo.xml"

	cp LICENSE "$work/doc/LICENSE"
	{ cat build/package-copyright && sed -e 1,4d -e 's/^$/./' -e 's/^/ /' LICENSE; } >"$work/doc/copyright"
	node scripts/third-party.mjs >"$dist/THIRD_PARTY.txt"
	gzip -9nc "$dist/THIRD_PARTY.txt" >"$work/doc/THIRD_PARTY.txt.gz"
	echo 'vmo binary: statically-linked-binary [usr/bin/vmo]' >"$work/doc/vmo.overrides"
	printf -- '- semver: %s\n  date: %s\n  packager: "%s"\n  changes:\n    - note: "What is new: CHANGELOG.md of the project."\n' \
		"$PACKAGE_VERSION-1" "$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)" "$MAINTAINER" >"$work/doc/changelog.yaml"
	for package in vmo vm-orchestrator; do
		printf '%s (%s) unstable; urgency=medium\n\n  * What is new: CHANGELOG.md of the project.\n\n -- %s  %s\n' \
			$package "$PACKAGE_VERSION" "$MAINTAINER" "$(date -u -d "@$SOURCE_DATE_EPOCH" -R)" |
			gzip -9nc >"$work/doc/$package.changelog.gz"
	done
}

# bill PROGRAM PACKAGE FILE: its parts as CycloneDX, read from the program itself.
bill() {
	bin/cyclonedx-gomod bin -json -std -noserial -notimestamp -version "$VERSION" -output "$dist/$3.cdx.json" "$1" 2>"$work/log" || {
		cat "$work/log" >&2
		return 1
	}
	gzip -9nc "$dist/$3.cdx.json" >"$work/doc/$2.cdx.json.gz"
}

bill_of_page() {
	node scripts/page-parts.mjs >"$dist/page.cdx.json"
	gzip -9nc "$dist/page.cdx.json" >"$work/doc/page.cdx.json.gz"
}

# --- packages for Linux

# pack PACKAGE ARCH FORMAT: what was put together in $work.
pack() {
	local version=$PACKAGE_VERSION release=1 doc='""' license='""'
	case $3 in
	rpm) doc=doc license=license ;; # which the others do not know
	deb) release='' ;;
	apk) version=$(scripts/version.sh apk) release=0 ;;
	esac
	words "build/nfpm-$1.yaml" "DOC=$doc" "LICENSE=$license" >"$work/nfpm.yaml"
	if [ "$1" = vmo ]; then # each by its name: nfpm takes no pattern for documents
		(cd "$work/man" && for page in vmo*.1.gz; do echo "  - {src: man/$page, dst: /usr/share/man/man1/$page, type: $doc}"; done) >>"$work/nfpm.yaml"
	fi
	[ "$3" != rpm ] || echo 'changelog: doc/changelog.yaml' >>"$work/nfpm.yaml"
	(cd "$work" && ARCH=$2 PACKAGE_VERSION=$version RELEASE=$release "$OLDPWD/bin/nfpm" package \
		--config nfpm.yaml --packager "$3" --target "$dist/" >log 2>&1) || {
		cat "$work/log" >&2
		return 1
	}
	say "$(sed -n 's/^created package: //p' "$work/log" | xargs basename)"
}

packages_of_vmo() {
	local format
	cp "$dist/vmo-$PACKAGE_VERSION-linux-$1" "$work/vmo"
	bill "$work/vmo" vmo "vmo-linux-$1"
	stamp "$work"
	for format in $formats; do pack vmo "$1" $format; done
}

packages_of_the_window() {
	local format
	say "the window"
	build "$work/vm-orchestrator" . desktop,production,webkit2_41 "-extldflags=-Wl,-z,relro,-z,now" pie
	# The oldest C library that has everything which the program asks of it.
	GLIBC=$(objdump -T "$work/vm-orchestrator" | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -1)
	export GLIBC=${GLIBC#GLIBC_}
	bill "$work/vm-orchestrator" vm-orchestrator vm-orchestrator-linux-amd64
	cp "$work/vm-orchestrator" "$dist/vm-orchestrator-$PACKAGE_VERSION-linux-amd64"
	stamp "$work"
	for format in ${formats/apk/}; do pack vm-orchestrator amd64 $format; done
}

# --- Windows

# resources PROGRAM ARCH FOLDER [-gui]: icon and version, for the linker to find.
resources() {
	local name=$1 arch=$2 folder=$3
	shift 3
	go run -C tools ./winres -version "$(scripts/version.sh windows)" -shown "$VERSION" -icons "$work/icons" \
		-name "$name" -arch "$arch" "$@" "$PWD/$folder/package_windows_$arch.syso"
}

windows() {
	local name="vm-orchestrator-$PACKAGE_VERSION-windows-amd64" files="$work/windows"
	say "the window for Windows"
	mkdir -p "$files"
	resources "VM Orchestrator" amd64 . -gui
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 build "$files/vm-orchestrator.exe" . desktop,production "-H windowsgui"
	cp "$dist/vmo-$PACKAGE_VERSION-windows-amd64.exe" "$files/vmo.exe"
	sed 's/$/\r/' LICENSE >"$files/LICENSE.txt"
	sed 's/$/\r/' "$dist/THIRD_PARTY.txt" >"$files/THIRD_PARTY.txt"
	stamp "$files"
	(cd "$files" && zip -qX9 "$dist/$name.zip" -- *)
	say "$name.zip"
	go run -C tools ./winres -icons "$work/icons" "$files/icon.ico"
	stamp "$files"
	makensis -V2 -NOCD -DFILES="$files" -DOUT="$dist/$name-setup.exe" -DSHOWN="$VERSION" -DVENDOR="$VENDOR" \
		-DNUMBER="$(scripts/version.sh windows)" build/windows/installer.nsi
	say "$name-setup.exe"
}

# --- all of it

vmo linux amd64
icons
documents
bill_of_page
packages_of_vmo amd64
packages_of_the_window
if [ "$what" = all ]; then
	vmo linux arm64
	packages_of_vmo arm64
	for arch in amd64 arm64; do vmo darwin $arch; done
	resources vmo arm64 cmd/vmo
	vmo windows arm64
fi
if [ "$what" != linux ]; then
	resources vmo amd64 cmd/vmo
	vmo windows amd64
	windows
fi
(cd "$dist" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS)
node scripts/manifest.mjs "$dist"
if [ -n "${MINISIGN_KEY:-}" ]; then
	minisign -S -s "$MINISIGN_KEY" -m "$dist/SHA256SUMS" "$dist/release.json" -t "VM Orchestrator $VERSION"
	say "signed"
else
	say "not signed: MINISIGN_KEY names no key"
fi
say "$(du -sh "$dist" | cut -f1) in $dist"
