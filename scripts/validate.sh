#!/usr/bin/env bash
# Measures what is promised through the real vmo, in a folder of its own that is
# removed afterwards: validate.sh PATH-TO-VMO
set -uo pipefail
vmo=$(realpath "${1:?which vmo?}")
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work/home XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data VMO_DATA_DIR=$work/journal
unset MAKEFLAGS MAKELEVEL MFLAGS NAME
mkdir -p "$HOME"
passed=0 failed=0

# row WHAT MEASURED EXPECTED: one line of the table.
row() {
	local verdict=ok
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
	else
		verdict=FAILED failed=$((failed + 1))
	fi
	printf '%-7s %-52s %s\n' "$verdict" "$1" "$2"
	[ $verdict = ok ] || printf '        %-52s %s\n' "" "expected: $3"
}

sha() { sha256sum | cut -c1-16; }
# field NAME JOB: one field of a job as `vmo jobs --json` prints it.
field() { "$vmo" jobs --json --limit 100 | node -e '
	const [name, id] = process.argv.slice(1);
	for (const line of require("fs").readFileSync(0, "utf8").trim().split("\n")) {
		const job = JSON.parse(line);
		if (job.id.startsWith(id)) { console.log(job[name]); break; }
	}' "$1" "$2"; }
newest() { "$vmo" jobs --json --limit 1 | sed 's/.*"id":"\([^"]*\)".*/\1/'; }
# until_true SECONDS COMMAND...: waits for it, and says whether it came.
until_true() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $deadline ] || return 1
		read -rt 0.05 <> <(:) || true
	done
}
now_ms() { date +%s%3N; }
milliseconds() { local began; began=$(now_ms); "$@" >/dev/null 2>&1; echo $(($(now_ms) - began)); }
began_after() { [ "$(newest)" != "$1" ]; }

printf '%-7s %-52s %s\n' "" "what" "measured"

# --- a target, and how commands end
row "sample: make hello NAME=you" "$("$vmo" run -C build/sample hello NAME=you)" "Hello, you!"
row "its record is the same bytes" "$("$vmo" show @1 | sha)" "$(echo 'Hello, you!' | sha)"
"$vmo" run -C build/sample fails >/dev/null 2>&1
row "sample: a failure ends as make does" "$?" 2
"$vmo" exec -- sh -c 'exit 7'
row "exit code of a command" "$? / $(field exit_code "$(newest)") $(field state "$(newest)")" "7 / 7 failed"
"$vmo" exec -- sh -c 'kill -9 $$'
row "a signal" "$? / $(field signal "$(newest)")" "137 / SIGKILL"
"$vmo" exec --timeout 300ms -- sleep 60 2>/dev/null
row "a timeout" "$? / $(field state "$(newest)")" "124 / timed-out"
"$vmo" exec -- "$work/nothing" 2>/dev/null
row "no such command" "$?" 127
"$vmo" run no-such-target -C build/sample 2>/dev/null
row "no such target" "$?" 2
"$vmo" exec -- sh -c 'echo out; echo err >&2' >"$work/out" 2>"$work/err"
"$vmo" show @1 >"$work/out2" 2>"$work/err2"
row "streams stay apart" "$(cat "$work/out" "$work/err" "$work/out2" "$work/err2" | tr '\n' ' ')" "out err out err "

# --- every byte
head -c 64M /dev/urandom >"$work/random"
want=$(sha <"$work/random")
began=$(now_ms)
shown=$("$vmo" exec -- cat "$work/random" | sha)
took=$(($(now_ms) - began))
row "64 MiB of random bytes through a pipe" "$shown" "$want"
row "the same, from the record" "$("$vmo" show @1 | sha)" "$want"
"$vmo" exec --tty -- sh -c 'stty raw -echo && exec cat "$0"' "$work/random" >/dev/null
row "the same, through a raw terminal" "$("$vmo" show @1 | sha)" "$want"
row "stdin from a pipe reaches the command" "$("$vmo" exec -- sha256sum <"$work/random" | cut -c1-16)" "$want"
printf '        %-52s %s\n' "(recording 64 MiB and showing it took)" "$took ms"

# --- stopping everything
before=$(newest)
"$vmo" exec -- sh -c 'setsid sh -c "sleep 1234 & (setsid sleep 1235 &) ; trap \"\" INT TERM; echo up; while :; do sleep 1; done"' >"$work/tree" 2>&1 &
runner=$!
until_true 10 grep -q up "$work/tree" || true
until_true 10 began_after "$before" || true
id=$(newest)
# The marks that vmo finds the descendants by are found here as well.
left() { grep -lzaE "^VMO_JOBS?=.*$id" /proc/[0-9]*/environ 2>/dev/null | wc -l; }
if [ -d /proc/self ]; then row "a tree with setsid and a deaf shell: processes" "$([ "$(left)" -ge 4 ] && echo 'at least 4' || left)" "at least 4"; fi
"$vmo" cancel --force "$id" >/dev/null
wait "$runner"
row "cancelled: vmo ends with" "$? / $(field state "$id")" "137 / cancelled"
if [ -d /proc/self ]; then row "processes left of it" "$(left)" 0; fi

# --- the recorder is killed
before=$(newest)
"$vmo" exec -- sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do echo "line $i"; done; echo up; exec sleep 60' >"$work/killed" 2>&1 &
runner=$!
until_true 10 grep -q up "$work/killed" || true
until_true 10 began_after "$before" || true
id=$(newest)
disown $runner # else bash tells about it
kill -KILL $runner
row "vmo killed: what a reader had seen is recorded" "$("$vmo" show "$id" | sha)" "$(sha <"$work/killed")"
row "the job is" "$(field state "$id") / $(field cause "$id")" "lost / owner-gone"
# Nobody owns the sleep any more; it is found as vmo would find it.
grep -lzaE "^VMO_JOBS?=.*$id" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 | xargs -r kill -KILL 2>/dev/null

# --- the list is only a cache
listed=$("$vmo" jobs --limit 1000 --json | sha)
count=$("$vmo" jobs --limit 1000 --json | wc -l)
rm -f "$VMO_DATA_DIR"/catalogue-*
row "catalogue deleted: jobs after reindex" "$("$vmo" reindex)" "$count jobs"
row "the list is the same" "$("$vmo" jobs --limit 1000 --json | sha)" "$listed"
row "vmo jobs answers" "$([ "$(milliseconds "$vmo" jobs)" -lt 500 ] && echo 'within 500 ms')" "within 500 ms"

# --- replay
"$vmo" exec -- sh -c 'echo one; sleep 1; echo two' >/dev/null
row "replay prints the same bytes" "$("$vmo" replay --speed 100 @1 | tr '\n' ' ')" "one two "
took=$(milliseconds "$vmo" replay @1)
row "at the pace of the job (1 s)" "$([ "$took" -ge 950 ] && [ "$took" -lt 3000 ] && echo 'about 1 s' || echo "$took ms")" "about 1 s"

# --- privacy
row "mode of the journal and of its files" "$(stat -c %a "$VMO_DATA_DIR") $(find "$VMO_DATA_DIR" -type f ! -perm 600 | wc -l) others" "700 0 others"

printf '%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]
