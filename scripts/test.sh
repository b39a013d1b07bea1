#!/usr/bin/env bash
# Everything that must hold, stage by stage. Every stage runs, whatever became of
# the one before; the last line counts all of them.
set -uo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0 broken=()

# A test must not depend on who runs it: not on a display, a journal or settings
# of the operator, nor on the make that it is called from.
unset DISPLAY WAYLAND_DISPLAY VMO_DATA_DIR VMO_SSH_CONFIG SSH_AUTH_SOCK MAKEFLAGS MAKELEVEL MFLAGS NAME
: "${VMO_CHROMIUM:=$(command -v chromium || true)}"
export VMO_CHROMIUM VMO_TEST_REQUIRE_MAKE=1 NO_COLOR=1 npm_config_update_notifier=false

# A port that is free now, so that two runs on one machine do not meet.
VMO_FAKE_PORT=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
export VMO_FAKE_PORT

# stage NAME COMMAND...: the counts are those of its last "N passed" and "N failed".
stage() {
	local name=$1 began=$SECONDS code=0 good bad
	shift
	printf '\n==> %s\n' "$name"
	"$@" 2>&1 | tee "$log" || code=$?
	good=$(grep -oE '[0-9]+ passed' "$log" | tail -1)
	bad=$(grep -oE '[0-9]+ failed' "$log" | tail -1)
	good=${good%% *} bad=${bad%% *}
	[ "$code" = 0 ] || [ "${bad:-0}" != 0 ] || bad=1
	[ "$code" != 0 ] || [ -n "$good" ] || good=1
	passed=$((passed + ${good:-0})) failed=$((failed + ${bad:-0}))
	[ "$code" = 0 ] || broken+=("$name")
	printf '    %s: %s passed, %s failed, %d s\n' "$name" "${good:-0}" "${bad:-0}" $((SECONDS - began))
}

stage "check" scripts/check.sh
stage "go tests, with the race detector" node scripts/go-test.mjs -race -timeout 15m -tags webkit2_41 . ./app/... ./build/... ./cmd/... ./internal/...
stage "page: unit tests" npm --prefix frontend run --silent test
stage "page in Chromium, backend in memory" npm --prefix frontend run --silent e2e
if [ -d app/windowtest ]; then
	# One after the other: each has a screen and a processor's worth of drawing.
	stage "the built window and the page, on the real backend" node scripts/go-test.mjs -timeout 15m -count 1 -p 1 -parallel 1 -tags window,webkit2_41 ./app/windowtest/...
fi
if [ -x scripts/test-window.sh ]; then
	stage "window" scripts/test-window.sh
fi
stage "packages, installed in a copy of this machine" scripts/package-test.sh
stage "promises, through the real vmo" scripts/validate.sh bin/vmo

printf '\n'
for name in "${broken[@]+"${broken[@]}"}"; do printf 'FAILED  %s\n' "$name"; done
printf '%d passed, %d failed\n' $passed $failed
[ ${#broken[@]} = 0 ]
