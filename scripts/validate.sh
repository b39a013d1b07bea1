#!/usr/bin/env bash
# Measures what is promised through the real vmo, in a folder of its own that is
# removed afterwards: validate.sh PATH-TO-VMO
set -uo pipefail
vmo=$(realpath "${1:?which vmo?}")
cd "$(dirname "$0")/.."

work=$(mktemp -d)
export VMO_DEV_DATABASE=$work/pg
finish() {
	scripts/database.sh stop 2>/dev/null
	[ ! -s "$work/sshd.pid" ] || kill "$(cat "$work/sshd.pid")" 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT
chmod 711 "$work" # Postgres does not run as root
export HOME=$work/home XDG_CONFIG_HOME=$work/config XDG_DATA_HOME=$work/data VMO_DATA_DIR=$work/journal
export VMO_KEYCHAIN=off VMO_SSH_CONFIG=$work/ssh_config
unset VMO_DATABASE_URL PGHOST PGHOSTADDR PGSERVICE PGDATABASE
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

# --- a host over SSH: a real sshd of this machine, with a key of its own
sshd=$(command -v sshd || echo /usr/sbin/sshd)
port=$(node -e 'const s = require("net").createServer(); s.listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
ssh-keygen -q -t ed25519 -N "" -f "$work/host_key"
ssh-keygen -q -t ed25519 -N "" -f "$work/id"
cp "$work/id.pub" "$work/authorized_keys"
echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$work/host_key.pub")" >"$work/known_hosts"
cat >"$work/sshd_config" <<END
ListenAddress 127.0.0.1
Port $port
HostKey $work/host_key
PidFile $work/sshd.pid
AuthorizedKeysFile $work/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv SHLVL=2
END
cat >"$VMO_SSH_CONFIG" <<END
Host box
	HostName 127.0.0.1
	Port $port
	User $(id -un)
	IdentityFile $work/id
	IdentitiesOnly yes
	IdentityAgent none
	UserKnownHostsFile $work/known_hosts
END
chmod 600 "$VMO_SSH_CONFIG"
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
"$sshd" -f "$work/sshd_config" -E "$work/sshd.log"
row "a command on a host" "$("$vmo" exec --on box -- sh -c 'echo hello from $((6 * 7))')" "hello from 42"
remote=$(newest)
"$vmo" exec --on box -- sh -c 'exit 9'
row "its exit code" "$? / $(field exit_code "$(newest)")" "9 / 9"
row "64 MiB of random bytes over SSH" "$("$vmo" exec --on box -- cat "$work/random" | sha)" "$want"
"$vmo" exec --tty --on box -- sh -c 'test -t 0 && test -t 1 && echo a terminal' >"$work/out"
row "a terminal there" "$(tr -d '\r' <"$work/out")" "a terminal"
printf 'old\n' >"$work/log"
"$vmo" tail --on box --lines 1 "file:$work/log" >"$work/tailed" 2>/dev/null &
runner=$!
until_true 20 grep -sq old "$work/tailed" || true
printf 'new\n' >>"$work/log"
until_true 20 grep -sq new "$work/tailed" || true
tail=$(newest)
"$vmo" cancel "$tail" >/dev/null
wait "$runner"
row "a log there, followed" "$("$vmo" show "$tail" | tr '\n' ' ')" "old new "

# --- the team's database: a real Postgres
url=$(scripts/database.sh start 2>"$work/database.log")
if [ -z "$url" ]; then
	row "a Postgres" "$(tail -n 1 "$work/database.log")" "one that is installed"
else
	"$vmo" db use "$url" && "$vmo" db history all
	all() { "$vmo" jobs --json --limit 100000 "$@" | wc -l; }
	there() { "$vmo" show --archive "$1" 2>&1 | sha; }
	"$vmo" ship --once 2>"$work/shipped"
	row "ship --once ends with" "$?" 0
	row "jobs in the archive" "$(all --archive)" "$(all)"
	row "64 MiB of random bytes, from there" "$(there "$("$vmo" jobs --json --text random --host box --limit 1 | sed 's/.*"id":"\([^"]*\)".*/\1/')")" "$want"
	row "a job on a host, from there" "$(there "$remote")" "$(echo hello from 42 | sha)"
	before=$(newest)
	"$vmo" exec -- sh -c 'seq 20000; echo up; until [ -e "$0" ]; do sleep 0.1; done; seq 20000' "$work/go" >"$work/out" &
	runner=$!
	until_true 20 grep -q up "$work/out" || true
	until_true 20 began_after "$before" || true
	id=$(newest)
	scripts/database.sh stop 2>/dev/null
	touch "$work/go"
	wait $runner
	row "database stopped while a job runs: it ends with" "$?" 0
	"$vmo" db status >/dev/null 2>&1
	row "which vmo db status tells" "$?" 1
	scripts/database.sh start >/dev/null 2>&1
	"$vmo" ship --once 2>/dev/null
	row "database back: every byte is there" "$(there "$id")" "$(sha <"$work/out")"
	row "its lag in jobs" "$("$vmo" db status --json | sed 's/.*"lag_jobs":\([0-9]*\).*/\1/')" 0

	# --- proof
	"$vmo" verify >"$work/verified" 2>&1
	row "vmo verify" "$? / $(tail -n 1 "$work/verified")" "0 / vmo: $(all) intact, 0 tampered with, 0 unknown"
	"$vmo" verify --archive >"$work/verified" 2>&1
	row "vmo verify --archive" "$? / $(tail -n 1 "$work/verified")" "0 / vmo: $(all) intact, 0 tampered with, 0 unknown"
	segment=$(find "$VMO_DATA_DIR/jobs" -name "$id.seg")
	cp "$segment" "$work/segment"
	printf '\x00' | dd of="$segment" bs=1 seek=3000 conv=notrunc status=none
	"$vmo" verify "$id" >/dev/null 2>&1
	row "one byte of a record changed here" "$?" 1
	cp "$work/segment" "$segment"
	sql="SET session_replication_role = replica; UPDATE vmo.block SET data = data || '\\x00' WHERE job_id = '$id' AND number = 0"
	psql -q "$url" -c "$sql"
	"$vmo" verify --archive "$id" >/dev/null 2>&1
	row "one byte of it changed there, by who may do all" "$?" 1
fi

# --- privacy
row "mode of the journal and of its files" "$(stat -c %a "$VMO_DATA_DIR") $(find "$VMO_DATA_DIR" -type f ! -perm 600 | wc -l) others" "700 0 others"

printf '%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]
