# Writes a file and goes on when it grows, is rotated or truncated. One open file
# is read to its end again and again: unlike tail -F it is known which byte of
# which file was the last one.
# Arguments: nonce, path, lines (empty: all), follow (empty: no); and of the file
# that was followed before the link was lost: inode, offset, cksum of what stands
# before the offset and how long that is.
set -uf
nonce=$1 f=$2 lines=$3 follow=$4 inode=$5 offset=$6 check=$7 checked=$8

say() { printf '\036vmo-tail %s %s\n' "$nonce" "$*" || exit 1; }
fail() {
	printf 'vmo: %s\n' "$@" >&2
	exit 1
}
pause() { sleep 0.2 2>/dev/null || sleep 1; }
ident() {
	set -- $(ls -diL -- "$1" 2>/dev/null)
	printf %s "${1-}"
}
size() {
	set -- $(ls -lnL -- "$1" 2>/dev/null)
	printf %s "${5-0}"
}
# is reports whether a file is the one that was followed: an inode's number is
# given to another file when the first is gone.
is() {
	[ "$(size "$1")" -ge "$offset" ] && [ "$(tail -c +$((offset - checked + 1)) -- "$1" | head -c "$checked" | cksum)" = "$check" ]
}
open() {
	{ command exec 3<"$f"; } 2>/dev/null || return 1
	ino=$(ident "$f") length=$(size "$f")
	# /dev/fd tells whether the path still names the open file
	if [ "$f" -ef /dev/fd/3 ]; then fd=y; else fd=; fi
}
same() { if [ -n "$fd" ]; then [ "$f" -ef /dev/fd/3 ]; else [ "$(ident "$f")" = "$ino" ]; fi; }
from() { tail -c +$(($1 + 1)) <&3 || exit 1; }
drain() { cat <&3 || exit 1; }

case $f in '~/'*) f=$HOME/${f#??} ;; esac
if [ -n "$inode" ] && [ -n "$follow" ]; then
	until [ -e "$f" ]; do pause; done
fi
[ -e "$f" ] || fail "there is no file $f"
[ -f "$f" ] || fail "$f is not a regular file"
[ -r "$f" ] || fail "$(id -un) may not read $f: $(ls -ldL -- "$f")" \
	"Next: join its group (often adm), or follow it with cmd:sudo -n tail -F -- $f"
open || fail "$f cannot be opened"

if [ -z "$inode" ]; then
	at=0
	if [ -n "$lines" ]; then
		end=$(size "$f") window=4194304
		[ "$end" -ge $window ] || window=$end
		at=$((end - $(tail -c +$((end - window + 1)) -- "$f" | head -c "$window" | tail -n "$lines" | wc -c)))
	fi
	say file "$ino" "$at"
	from "$at"
elif [ "$ino" = "$inode" ]; then
	if is "$f"; then
		say file "$ino" "$offset"
		from "$offset"
	else
		say replaced "$ino"
		drain
	fi
else
	folder=${f%/*}
	kept=$(find "${folder:-/}" -maxdepth 1 -type f -inum "$inode" 2>/dev/null | head -n 1)
	if [ -n "$kept" ] && is "$kept"; then
		say file "$inode" "$offset"
		tail -c +$((offset + 1)) -- "$kept" || exit 1
		find "${folder:-/}" -maxdepth 1 -type f -name "${f##*/}*" -newer "$kept" ! -name "${f##*/}" -exec ls -1dtr -- {} + | while IFS= read -r between; do
			case $between in
			*.gz | *.bz2 | *.xz | *.zst) say lost ;;
			*)
				say rotated "$(ident "$between")"
				cat -- "$between" || exit 1
				;;
			esac
		done
		say rotated "$ino"
	else
		say missing "$ino"
	fi
	drain
fi
[ -n "$follow" ] || exit 0

turn=0
while :; do
	pause
	if same; then
		drain
		turn=$((turn + 1))
		[ $((turn % 5)) = 0 ] || continue
		now=$(size "$f")
		if [ "$now" -lt "$length" ] && same && open; then
			say truncated "$ino"
			drain
		fi
		length=$now
	elif [ -r "$f" ]; then
		# Whoever writes may do so into the old file until it is told of the rotation.
		for _ in 1 2 3 4 5; do
			drain
			pause
		done
		drain
		open || continue
		say rotated "$ino"
		drain
	else
		drain
	fi
done
