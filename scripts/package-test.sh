#!/usr/bin/env bash
# Builds the packages for Linux in this and in an older version, and the installer for
# Windows, looks into all of them, and installs, uses, updates and removes Debian's in a
# copy of this machine: what is written there is gone afterwards
# (scripts/package-test-inside.sh).
#
#   scripts/package-test.sh          build them in a folder of its own first
#   scripts/package-test.sh FOLDER   look at what scripts/package.sh left there
set -uo pipefail
cd "$(dirname "$0")/.."

export LC_ALL=C NO_COLOR=1 XDG_RUNTIME_DIR=
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
passed=0 failed=0

check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		passed=$((passed + 1))
		printf 'ok      %s\n' "$name"
	else
		failed=$((failed + 1))
		printf 'FAILED  %s\n%s\n' "$name" "$out"
	fi
}

is() { [ "$1" = "$2" ] || { printf 'there is     %s\ninstead of   %s\n' "$1" "$2" && return 1; }; }

# has WORDS LINE...: each line is one of them.
has() {
	local text=$1 line code=0
	shift
	for line; do
		grep -qxF -- "$line" <<<"$text" || { printf 'missing: %s\n' "$line" && code=1; }
	done
	[ $code = 0 ] || printf 'in:\n%s\n' "$text"
	return $code
}

# --- build

dist=${1:-}
. build/release.conf
minisign -G -f -W -p "$work/test.pub" -s "$work/test.key" >/dev/null || exit
if [ -z "$dist" ]; then
	dist=$work/dist
	DIST=$dist MINISIGN_KEY=$work/test.key scripts/package.sh tested || exit
fi
dist=$(cd "$dist" && pwd)
mkdir -p "$work/before"
DIST=$work/before VERSION=v0.0.0-1-gbef0e FORMATS=deb scripts/package.sh linux || exit
version=$(scripts/version.sh package)
deb_vmo=$dist/vmo_${version}_amd64.deb deb_window=$dist/vm-orchestrator_${version}_amd64.deb
root=$work/root
fresh=$work/fresh # of which nothing is unpacked any further
for deb in "$deb_vmo" "$deb_window"; do dpkg-deb -x "$deb" "$root" && dpkg-deb -x "$deb" "$fresh" || exit; done

# --- look

small() {
	local big
	big=$(find "$dist" "$root" -type f -size +40960k)
	[ -z "$big" ] || { printf 'larger than 40 MB: %s\n' "$big" && return 1; }
}

links() { grep -qx 'MimeType=x-scheme-handler/vmo;' "$root/usr/share/applications/vm-orchestrator.desktop"; }

# What an attacker would need to know of the window's memory changes with each start, and nothing of its tables can be
# written after that.
hardened() {
	local program=$root/usr/bin/vm-orchestrator
	has "$(readelf -hW "$program" | sed -n 's/^ *Type: *\([A-Z]*\).*/\1/p')" DYN &&
		has "$(readelf -dW "$program" | grep -ow -e NOW -e PIE | sort -u)" NOW PIE &&
		has "$(readelf -lW "$program" | grep -o GNU_RELRO)" GNU_RELRO
}

static() { ! readelf -d "$root/usr/bin/vmo" | grep NEEDED; }

no_traces() { # of the folders in which it was built
	! grep -lF -e "$PWD" -e "$(go env GOMODCACHE)" "$root"/usr/bin/*
}

# Each file is one that the build made: the programs, what they print, what is in the
# repository, what was drawn from the icon. Nothing else is there.
came_from_the_build() {
	local made=$work/made share size name code=0
	share=$made/usr/share
	mkdir -p "$made/usr/bin" "$share"/{man/man1,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d,applications,doc/vmo,doc/vm-orchestrator} "$share/icons/hicolor/scalable/apps"
	for name in vmo vm-orchestrator; do cp "$dist/$name-$version-linux-amd64" "$made/usr/bin/$name"; done
	"$made/usr/bin/vmo" man "$share/man/man1"
	gzip -9n "$share"/man/man1/*
	"$made/usr/bin/vmo" completion bash >"$share/bash-completion/completions/vmo"
	"$made/usr/bin/vmo" completion zsh >"$share/zsh/vendor-completions/_vmo"
	"$made/usr/bin/vmo" completion fish >"$share/fish/vendor_completions.d/vmo.fish"
	cp build/linux/vm-orchestrator.desktop "$share/applications/"
	cp build/icon.svg "$share/icons/hicolor/scalable/apps/vm-orchestrator.svg"
	for size in 16 22 24 32 48 64 128 256 512; do
		mkdir -p "$share/icons/hicolor/${size}x$size/apps"
		rsvg-convert -w $size -h $size build/icon.svg -o "$share/icons/hicolor/${size}x$size/apps/vm-orchestrator.png"
	done
	for name in vmo vm-orchestrator; do
		gzip -9nc "$dist/THIRD_PARTY.txt" >"$share/doc/$name/THIRD_PARTY.txt.gz"
		gzip -9nc "$dist/$name-linux-amd64.cdx.json" >"$share/doc/$name/$name.cdx.json.gz"
	done
	gzip -9nc "$dist/page.cdx.json" >"$share/doc/vm-orchestrator/page.cdx.json.gz"
	# These have the version or the publisher in them.
	for name in doc/vmo/copyright doc/vmo/changelog.gz doc/vm-orchestrator/copyright doc/vm-orchestrator/changelog.gz lintian/overrides/vmo \
		"metainfo/$APP_ID.metainfo.xml" man/man1/vm-orchestrator.1.gz; do
		mkdir -p "$(dirname "$share/$name")" && cp "$root/usr/share/$name" "$share/$name" || code=1
	done
	[ $code = 0 ] && diff -r "$made" "$fresh"
}

manual() {
	local page
	find "$root/usr/share/man" -name '*.gz' -exec gzip -dk {} + || return
	for page in "$root"/usr/share/man/man1/*.1; do mandoc -T lint -W error "$page" || return; done
	[ -s "$root/usr/share/man/man1/vmo-run.1" ] && [ -s "$root/usr/share/man/man1/vm-orchestrator.1" ]
}

completions() {
	bash -n "$root/usr/share/bash-completion/completions/vmo" &&
		zsh -n "$root/usr/share/zsh/vendor-completions/_vmo" &&
		fish -n "$root/usr/share/fish/vendor_completions.d/vmo.fish"
}

# A TAB in bash: the words that it offers, through the script in the package.
tab() {
	HOME=$work VMO_DATA_DIR=$work/journal PATH=$root/usr/bin:$PATH bash --norc -c '
		. "$1"; compopt() { :; } # which works at a prompt only
		COMP_WORDS=(vmo run he); COMP_CWORD=2; COMP_LINE="vmo run he"; COMP_POINT=10
		cd build/sample && _get_comp_words_by_ref() { cur=he prev=run words=("${COMP_WORDS[@]}") cword=2; }
		__start_vmo; echo "${COMPREPLY[*]}"' _ "$root/usr/share/bash-completion/completions/vmo"
}

offers() { has "$(tab | tr ' ' '\n')" hello help; }

icons() {
	local size
	for size in 16 22 24 32 48 64 128 256 512; do
		is "$(identify -format '%wx%h' "$root/usr/share/icons/hicolor/${size}x$size/apps/vm-orchestrator.png")" "${size}x$size" || return
	done
	grep -q '^Icon=vm-orchestrator$' "$root/usr/share/applications/vm-orchestrator.desktop"
}

# files PACKAGE: what is in it, without documents and completions, whose places differ.
files() {
	case $1 in
	*.rpm) rpm -qpl "$1" | sed 's,^/,,' ;;
	*) bsdtar -tf "$1" ;;
	esac | sed 's,^\./,,' | grep '^usr/.*[^/]$' | grep -vE '^usr/share/(doc|licenses|lintian|zsh)/' | sort
}

same_files() {
	local other expected
	expected=$(dpkg-deb --fsys-tarfile "$1" | bsdtar -tf - | sed 's,^\./,,' | grep '^usr/.*[^/]$' | grep -vE '^usr/share/(doc|licenses|lintian|zsh)/' | sort)
	shift
	for other; do diff <(echo "$expected") <(files "$other") || return; done
}

about_rpm() {
	local needs
	needs=$(rpm -qp --requires "$dist/vm-orchestrator-$version-1.x86_64.rpm" | sed 's/glibc >= .*/glibc/') &&
		has "$needs" "vmo = $version" glibc '(gtk3 or libgtk-3-0)' '(webkit2gtk4.1 or libwebkit2gtk-4_1-0)' &&
		is "$(rpm -qp --requires "$dist/vmo-$version-1.x86_64.rpm" | grep -v ^rpmlib)" '' &&
		is "$(rpm -qp --qf '%{NAME} %{VERSION} %{LICENSE} %{ARCH}' "$dist/vmo-$version-1.x86_64.rpm")" "vmo $version MIT x86_64"
}

# rpmlint unpacks with cpio, which would write to where the files go when they are installed.
lint_rpm() {
	local out
	mkdir -p "$work/bin"
	printf '#!/bin/sh\nexec %s --no-absolute-filenames "$@"\n' "$(command -v cpio)" >"$work/bin/cpio"
	chmod +x "$work/bin/cpio"
	out=$(PATH=$work/bin:$PATH rpmlint -c build/rpmlint.toml "$dist/vmo-$version-1.x86_64.rpm" "$dist/vm-orchestrator-$version-1.x86_64.rpm" 2>&1)
	grep -q ' 2 packages .* 0 errors, 0 warnings' <<<"$out" || { printf '%s\n' "$out"; return 1; }
}

about_arch() {
	has "$(bsdtar -xOf "$dist/vm-orchestrator-$version-1-x86_64.pkg.tar.zst" .PKGINFO)" "pkgver = $version-1" \
		"depend = vmo=$version" 'depend = gtk3' 'depend = webkit2gtk-4.1' 'license = MIT'
}

about_apk() {
	has "$(bsdtar -xOf "$dist/vmo_$(scripts/version.sh apk)-r0_x86_64.apk" .PKGINFO)" 'pkgname = vmo' "pkgver = $(scripts/version.sh apk)-r0" \
		'arch = x86_64' 'license = MIT'
}

# Nothing of Alpine is here to install it: its own sum of its files has to be right.
sum_in_apk() {
	node -e '
		const { readFileSync } = require("fs"), { createHash } = require("crypto"), zlib = require("zlib");
		const apk = readFileSync(process.argv[1]);
		const parts = []; // gzip after gzip: what is about the package, then its files
		for (let at = 0; at < apk.length; ) {
			if (apk[at + 3] !== 0) throw new Error("a gzip with a name or more in its head");
			const size = 10 + zlib.inflateRawSync(apk.subarray(at + 10), { info: true }).engine.bytesWritten + 8;
			parts.push(apk.subarray(at, at + size));
			at += size;
		}
		const told = /^datahash = (.*)$/m.exec(zlib.gunzipSync(parts[0]).toString("latin1"))?.[1];
		const is = createHash("sha256").update(parts[1]).digest("hex");
		if (parts.length !== 2 || told !== is) { console.log(`${parts.length} parts; the files are ${is}, and it says ${told}`); process.exit(1); }' \
		"$dist/vmo_$(scripts/version.sh apk)-r0_x86_64.apk"
}

# The bill names what go.mod does, in the same versions; that of the page what its lock file does.
bills() {
	node -e '
		const fs = require("fs"), [dist] = process.argv.slice(1);
		const read = (name) => JSON.parse(fs.readFileSync(`${dist}/${name}.cdx.json`)).components;
		const wrong = [];
		const mod = new Map([...fs.readFileSync("go.mod", "utf8").matchAll(/^\t(\S+) (v\S+)/gm)].map((m) => [m[1], m[2]]));
		for (const name of ["vmo-linux-amd64", "vm-orchestrator-linux-amd64"]) {
			const parts = read(name);
			if (!parts.some((p) => p.name === "github.com/jackc/pgx/v5")) wrong.push(`${name} is without pgx`);
			for (const p of parts) if (p.name !== "std" && mod.get(p.name) !== p.version) wrong.push(`${name}: ${p.name} ${p.version}, go.mod has ${mod.get(p.name)}`);
		}
		const lock = JSON.parse(fs.readFileSync("frontend/package-lock.json")).packages;
		const page = read("page");
		if (!page.some((p) => p.name === "svelte")) wrong.push("the page is without svelte");
		const locked = new Set(Object.entries(lock).map(([path, about]) => path.replace(/^.*node_modules\//, "") + "@" + about.version));
		for (const p of page) if (!locked.has(p.name + "@" + p.version)) wrong.push(`page: ${p.name} ${p.version}`);
		if (wrong.length) { console.log(wrong.join("\n")); process.exit(1); }' "$dist"
}

sums() {
	(cd "$dist" && sha256sum -c --quiet SHA256SUMS) || return
	diff <(cd "$dist" && ls | grep -vE '^(SHA256SUMS|release\.json)') <(cut -c67- "$dist/SHA256SUMS" | sort)
}

# With a key of this test, whoever signed what is there.
signature() {
	cp "$dist/SHA256SUMS" "$work/sums" && MINISIGN_KEY= minisign -S -s "$work/test.key" -m "$work/sums" >/dev/null &&
		minisign -V -q -p "$work/test.pub" -m "$work/sums" || return
	sed -i '1s/^./x/' "$work/sums"
	! minisign -V -q -p "$work/test.pub" -m "$work/sums" 2>/dev/null || { echo "what was changed passes"; return 1; }
}

# What is told to those who ask whether there is a newer release.
manifest() {
	node -e '
		const fs = require("fs"), [dist, version] = process.argv.slice(1);
		const m = JSON.parse(fs.readFileSync(`${dist}/release.json`));
		const sums = m.files.map((f) => `${f.sha256}  ${f.name}\n`).sort().join("");
		const wrong = [];
		if (sums !== fs.readFileSync(`${dist}/SHA256SUMS`, "utf8").split(/(?<=\n)/).sort().join("")) wrong.push("its files are not those of SHA256SUMS");
		for (const f of m.files) if (fs.statSync(`${dist}/${f.name}`).size !== f.size) wrong.push(`the size of ${f.name}`);
		if (m.version !== version) wrong.push(`it is about ${m.version}`);
		if (!(Date.parse(m.expires) > Date.parse(m.date)) || !(m.archive_schema >= 1) || !(m.journal_format >= 1) || !m.notes.includes("- ")) wrong.push(JSON.stringify(m).slice(0, 400));
		if (wrong.length) { console.log(wrong.join("\n")); process.exit(1); }' "$dist" "$(scripts/version.sh)"
}

# A server of releases on the loopback, with what is there, signed by this test.
publish() {
	mkdir -p "$work/releases"
	cp "$dist/release.json" "$work/releases/" &&
		MINISIGN_KEY= minisign -S -s "$work/test.key" -m "$work/releases/release.json" >/dev/null &&
		openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=releases -addext subjectAltName=IP:127.0.0.1 -keyout "$work/release.key" -out "$work/release.pem" 2>/dev/null || return
	node -e '
		const fs = require("fs"), [work] = process.argv.slice(1);
		const server = require("https").createServer({ key: fs.readFileSync(`${work}/release.key`), cert: fs.readFileSync(`${work}/release.pem`) }, (q, a) => {
			const file = `${work}/releases/${q.url.replace(/[^a-z.]/g, "")}`;
			fs.existsSync(file) ? a.end(fs.readFileSync(file)) : a.writeHead(404).end();
		});
		server.listen(0, "127.0.0.1", () => fs.writeFileSync(`${work}/release.url`, `https://127.0.0.1:${server.address().port}/release.json\n`));' "$work" </dev/null >/dev/null 2>&1 &
	server=$!
	for _ in $(seq 100); do [ ! -s "$work/release.url" ] || return 0; sleep 0.1; done
	return 1
}

licences() {
	local name
	for name in Go github.com/spf13/cobra svelte @xterm/xterm github.com/wailsapp/wails/v2; do
		grep -qE "^$name[ ,]" "$dist/THIRD_PARTY.txt" || { echo "not there: $name" && return 1; }
	done
	gzip -dc "$root/usr/share/doc/vmo/THIRD_PARTY.txt.gz" | cmp - "$dist/THIRD_PARTY.txt"
}

versions_sort() { # as they were made
	local sorted
	sorted=$(for v in v0.2.0-rc.1 v0.2.0-rc.2 v0.2.0-rc.2-5-gabc v0.2.0 v0.2.0-3-gabc v0.2.0-12-gabc v0.10.0; do VERSION=$v scripts/version.sh package; done)
	while read -r before && read -r after <&3; do
		[ -z "$after" ] || dpkg --compare-versions "$before" lt "$after" || { echo "$before is not before $after" && return 1; }
	done <<<"$sorted" 3< <(tail -n +2 <<<"$sorted"; echo)
	! VERSION=perhaps scripts/version.sh package 2>/dev/null
}

check "versions sort as they were made" versions_sort
check "nothing is larger than 40 MB" small
check "vmo is static" static
check "programs know nothing of the folder they were built in" no_traces
check "every file is one that the build made" came_from_the_build
check "deb: lintian" lintian --fail-on error,warning "$deb_vmo" "$deb_window"
check "rpm: names, version, needs" about_rpm
check "rpm: rpmlint" lint_rpm
check "Arch: names, version, needs" about_arch
check "apk: names, version" about_apk
check "apk: its own sum" sum_in_apk
check "rpm, Arch, apk: vmo's files are those of the deb" same_files "$deb_vmo" "$dist/vmo-$version-1.x86_64.rpm" "$dist/vmo-$version-1-x86_64.pkg.tar.zst" "$dist/vmo_$(scripts/version.sh apk)-r0_x86_64.apk"
check "rpm, Arch: the window's files are those of the deb" same_files "$deb_window" "$dist/vm-orchestrator-$version-1.x86_64.rpm" "$dist/vm-orchestrator-$version-1-x86_64.pkg.tar.zst"
check "the window: position-independent, tables read-only" hardened
check "the desktop entry is for vmo:// links" links
check "desktop entry" desktop-file-validate "$root/usr/share/applications/vm-orchestrator.desktop"
check "AppStream metainfo" appstreamcli validate --no-net "$root/usr/share/metainfo/$APP_ID.metainfo.xml"
check "icons" icons
check "manual pages" manual
check "completions parse" completions
check "TAB offers the targets of a Makefile" offers
check "licences of others" licences
check "bills of materials" bills
check "sums" sums
check "release.json says what is there" manifest
check "signature; a changed file does not pass" signature

began=$(date +%s%N)
for _ in 1 2 3 4 5 6 7 8 9 10; do HOME=$work VMO_DATA_DIR=$work/journal "$root/usr/bin/vmo" __complete run -C build/sample '' >/dev/null 2>&1; done
printf '        a TAB takes %d ms\n' $((($(date +%s%N) - began) / 10000000))

# --- Windows

installer=$dist/vm-orchestrator-$version-windows-amd64-setup.exe
in_the_installer() { has "$(7z l -ba -slt "$installer" | sed -n 's/^Path = //p')" vm-orchestrator.exe vmo.exe LICENSE.txt THIRD_PARTY.txt; }
nothing_else() { is "$(7z l -ba -slt "$installer" | sed -n 's/^Path = //p' | grep -vxE 'vm-orchestrator.exe|vmo.exe|LICENSE.txt|THIRD_PARTY.txt|uninstall.exe')" ''; }
in_the_zip() { is "$(bsdtar -tf "${installer%-setup.exe}.zip" | sort | paste -sd' ')" 'LICENSE.txt THIRD_PARTY.txt vm-orchestrator.exe vmo.exe'; }
resources() { # as Windows shows them: UTF-16 in the program
	local exe
	7z e -y -o"$work/exe" "${installer%-setup.exe}.zip" >/dev/null || return
	for exe in vm-orchestrator vmo; do
		grep -qaP "$(printf %s "$(scripts/version.sh)" | sed 's/./&\\x00/g; s/-/\\x2d/g; s/\.\(\\x00\)/\\x2e\1/g')" "$work/exe/$exe.exe" || { echo "$exe.exe has no version"; return 1; }
	done
	is "$(objdump -p "$work/exe/vm-orchestrator.exe" | sed -n 's/^Subsystem.*(\(.*\))/\1/p')" 'Windows GUI'
}
signed() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=test of VM Orchestrator" -addext extendedKeyUsage=codeSigning \
		-keyout "$work/code.key" -out "$work/code.pem" 2>/dev/null &&
		osslsigncode sign -certs "$work/code.pem" -key "$work/code.key" -h sha256 -n "VM Orchestrator" -in "$installer" -out "$work/signed.exe" &&
		osslsigncode verify -CAfile "$work/code.pem" "$work/signed.exe" || return
	! osslsigncode verify -CAfile "$work/code.pem" "$installer" >/dev/null 2>&1 || { echo "what was not signed passes"; return 1; }
}
check "Windows: the installer has the programs" in_the_installer
check "Windows: and nothing that came from elsewhere" nothing_else
check "Windows: the zip" in_the_zip
check "Windows: icon and version are in the programs" resources
check "Windows: the installer can be signed and verified" signed

# --- install, use, update, remove

publish || { echo "FAILED  a server of releases for the update" && failed=$((failed + 1)); }
scripts/package-test-inside.sh "$work/before" "$dist" "$work" 2>&1 | tee "$work/inside"
if [ "${PIPESTATUS[0]}" != 0 ]; then
	grep -q '^FAILED ' "$work/inside" || echo "FAILED  installing: see above" | tee -a "$work/inside"
fi
passed=$((passed + $(grep -c '^ok ' "$work/inside"))) failed=$((failed + $(grep -c '^FAILED ' "$work/inside")))
if [ -n "${SCREENSHOTS:-}" ]; then cp "$work"/*.png "$SCREENSHOTS"; fi

printf '%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]
