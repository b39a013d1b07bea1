#!/usr/bin/env bash
# Looks for mistakes without running the program. Says what it looks at, shows
# what is wrong, and goes on to the end.
set -uo pipefail
cd "$(dirname "$0")/.."

packages=(. ./app/... ./build/... ./cmd/... ./internal/...)
headless=(./build/... ./cmd/... ./internal/...)
tags=webkit2_41
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

formatted() {
	local files
	files=$(gofmt -l main.go app cmd internal) && [ -z "$files" ] && return
	printf 'not formatted as gofmt does; run: gofmt -w %s\n' "$files"
	return 1
}

vet_for() { GOOS=$1 CGO_ENABLED=0 go vet "${headless[@]}"; }

# Wails writes the bindings into the tree, so the committed ones are kept aside.
bindings() {
	local before code=0
	before=$(mktemp -d)
	cp -a frontend/wailsjs/. "$before"
	bin/wails generate module -tags $tags -nocolour >/dev/null || code=$?
	if [ $code = 0 ] && ! diff -r "$before" frontend/wailsjs; then
		echo "the bindings are not those of the bound methods any more; they have been written anew, commit them"
		rm -rf "$before"
		return 1
	fi
	cp -a "$before/." frontend/wailsjs # the same, with the times they had
	rm -rf "$before"
	return $code
}

# A lock file that names a registry only works where that registry is reachable.
lock_file() {
	if grep -n '"resolved": "http' frontend/package-lock.json | head -3 | grep .; then
		echo "frontend/package-lock.json names a registry; npm omits it with the settings in frontend/.npmrc"
		return 1
	fi
}

no_html() {
	if grep -rn --include='*.svelte' --include='*.ts' -E '\{@html|\.innerHTML|insertAdjacentHTML' frontend/src | grep -v '\.test\.ts:' | grep .; then
		echo "output is hostile: text nodes only"
		return 1
	fi
}

shell_scripts() {
	local f
	for f in scripts/*.sh .ci/run; do bash -n "$f" || return; done
}

check "go: format" formatted
check "go: vet" go vet -tags $tags "${packages[@]}"
check "go: vet, as production and development build" bash -c "go vet -tags desktop,production,$tags . ./app && go vet -tags dev,$tags . ./app"
check "go: vet, the test of the window" go vet -tags "window,$tags" ./app/...
check "go: vet for Windows" vet_for windows
check "go: vet for macOS" vet_for darwin
check "go: staticcheck" bin/staticcheck -tags $tags "${packages[@]}"
check "page: lint" npm --prefix frontend run --silent lint
check "page: types" npm --prefix frontend run --silent check
check "page: nothing is put in as HTML" no_html
check "bindings are those of the bound methods" bindings
check "lock file names no registry" lock_file
check "shell scripts parse" shell_scripts

printf '%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]
