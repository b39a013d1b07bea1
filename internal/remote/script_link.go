package remote

import (
	"fmt"
	"strconv"
	"strings"

	"vmorchestrator/internal/job"
)

// watchScript ends a run when the connection has gone. $1 is the command, $2 the
// run, $3 the process of sshd that serves the connection. The end of the input
// is what tells at once, if there is an input to look at; but a client may also
// end the input and stay, so it is the end of sshd that decides.
const watchScript = endFunc + `trap '' HUP INT QUIT TSTP
while read -r x; do :; done
exec </dev/null
while vmo_there "$1"; do
vmo_there "$3" || { vmo_r=$1 vmo_id=$2 vmo_s=0; vmo_end TERM 20 KILL 20; exit; }
sleep 1
done`

// watch starts what ends the run when the connection has gone. It has nothing of
// the command's open, so that it does not delay the news of its end.
func (l launch) watch() string {
	if l.Link != job.LinkStop {
		return ""
	}
	start := "VMO_RUN= /bin/sh -c " + word(watchScript) + " vmo-watch $$ " + string(l.ID) + " $PPID >/dev/null 2>&1 "
	if l.TTY || l.Input {
		return start + "</dev/null &\n"
	}
	return "exec 3<&0 </dev/null\n" + start + "<&3 3<&- &\nexec 3<&-\n"
}

// keepPrune removes what is kept of runs that have ended, and in which nothing has
// happened for a week: whoever started them does not fetch it any more. One that may
// still run stays, however old.
const keepPrune = `for vmo_d in "$HOME"/.cache/vmo/runs/*; do
[ -n "$(find "$vmo_d/pid" -mtime +6 2>/dev/null)" ] && [ -z "$(find "$vmo_d/out" "$vmo_d/err" "$vmo_d/rc" -mtime -7 2>/dev/null)" ] || continue
[ -e "$vmo_d/rc" ] || { read -r vmo_h vmo_i vmo_n vmo_x <"$vmo_d/pid" && ! kill -0 "$vmo_n" 2>/dev/null; } && rm -rf -- "$vmo_d"
done
`

// keepLimit is how much is kept of each output of a run while nobody fetches it: the
// newest. It takes fallocate, which Linux has; elsewhere it is the disk that ends it.
const keepLimit = 1 << 30

// mindScript gives back the space of what was kept and fetched, and of what nobody
// fetches beyond the limit, without a change of any offset: it makes holes. $1 is the
// process that leads the run, $2 the folder, $3 the limit. What a reader will not find
// any more is up to the offset in lost.out and lost.err, see [keptBegin].
const mindScript = `cd "$2" || exit
echo >hole && fallocate -p -o 0 -l 1 hole || { rm -f hole; exit; }
rm -f hole
i=0
while sleep 1 && kill -0 "$1"; do
i=$((i + 1))
[ $((i % 3)) = 0 ] && mkdir lock || continue
r=; [ ! -e reading ] || { r=yes; rm -f reading; }
for f in out err; do
n=$(ls -ln $f | awk '{ print $5 }') s=0 g=0
[ ! -r seen.$f ] || read -r s <seen.$f
[ ! -r gone.$f ] || read -r g <gone.$f
to=$s
[ -n "$r" ] || [ $((n - $3)) -le "$to" ] || to=$((n - $3))
[ $((to - g)) -ge $(($3 / 16)) ] || continue
[ "$to" -le "$s" ] || { echo "$to" >new && mv -f new lost.$f; } || continue
fallocate -p -o "$g" -l $((to - g)) $f && echo "$to" >new && mv -f new gone.$f
done
rmdir lock
done`

// keepBegin makes the folder of what is kept, before anything of the environment
// is changed. Nobody else may read it. What will be written about the command gets
// its space now, while there is some; by cat, which says why it fails.
const keepBegin = `vmo_k=$HOME/.cache/vmo/runs/$VMO_RUN vmo_u=$(umask) vmo_p=$PATH vmo_s=$(command -v setsid)
umask 077
` + keepPrune + `mkdir -p "$vmo_k" && : >"$vmo_k/out" && : >"$vmo_k/err" && printf '%8s\n' | cat >"$vmo_k/rc.tmp" && cat "$vmo_k/rc.tmp" >"$vmo_k/pid" || {
printf 'vmo: the output cannot be kept in %s\n' "$vmo_k" >&2
rm -rf -- "$vmo_k"
exit 125; }
umask "$vmo_u"
`

// keepScript is who stays with the command, in a session of its own: it takes
// leave of whoever started it, and writes down how the command ended. Signals
// are for the command; it only survives them to tell. $1 is the folder, $2 the
// PATH, $3 the path of setsid, $4 the limit, and the command follows. What minds the
// limit is none of the run: it leaves its session, and does not carry its id. Its numbers are written over what keepBegin has
// put there: that takes no space.
var keepScript = headerFunc + `vmo_k=$1 vmo_p=$2 vmo_m=$3 vmo_l=$4; shift 4
vmo_header 1<>"$vmo_k/pid"; cat "$vmo_k/pid"
exec </dev/null >/dev/null 2>&1
kill -KILL $PPID
[ -z "$vmo_m" ] || ( VMO_RUN= PATH=$vmo_p "$vmo_m" /bin/sh -c ` + word(mindScript) + ` vmo-mind $$ "$vmo_k" "$vmo_l" & )
trap : HUP INT QUIT TERM
( exec "$@" ) >>"$vmo_k/out" 2>>"$vmo_k/err"
vmo_x=$?; [ $vmo_x -le 255 ] || vmo_x=$((vmo_x - 128))
PATH=$vmo_p; export PATH
( echo >"$vmo_k/space" ) 2>/dev/null || vmo_x="$vmo_x full"
printf '%-8s\n' "$vmo_x" 1<>"$vmo_k/rc.tmp" && mv -f "$vmo_k/rc.tmp" "$vmo_k/rc"`

// keep starts the command detached. Not in the background: there a shell has its
// commands ignore SIGINT. So it runs in the foreground of a second shell, which it
// ends as soon as it runs.
func keep(argv []string, limit int64) string {
	return "exec 2>/dev/null\n" +
		`/bin/sh -c '"$@"; :' sh $vmo_s /bin/sh -c ` + word(keepScript) + ` vmo-keep "$vmo_k" "$vmo_p" "$vmo_s" ` + strconv.FormatInt(limit, 10) + " " + words(argv) + "\nexit 0"
}

// keptBegin finds what is kept of the run $1, and prints its header on both
// outputs: whatever the login shell printed by itself is before it, and does not
// count. $2 and $3 are where to go on, the first byte being 1. If what is there is not
// kept any more it exits with keptLost; [lostLine] says from where on it is.
const keptBegin = `d=$HOME/.cache/vmo/runs/$1
[ -r "$d/pid" ] || { printf 'vmo: nothing is kept of the run %s\n' "$1" >&2; exit 125; }
read -r h v p x <"$d/pid"
i=0; until mkdir "$d/lock" 2>/dev/null || [ $i -ge 25 ]; do i=$((i + 1)); sleep 0.2 || sleep 1; done
{ : >"$d/reading"; } 2>/dev/null
rmdir "$d/lock" 2>/dev/null
lo=0 le=0
[ ! -r "$d/lost.out" ] || read -r lo <"$d/lost.out"
[ ! -r "$d/lost.err" ] || read -r le <"$d/lost.err"
[ "$lo" -lt "$2" ] && [ "$le" -lt "$3" ] || exit 76
{ echo $(($2 - 1)) >"$d/seen.out"; echo $(($3 - 1)) >"$d/seen.err"; } 2>/dev/null
cat "$d/pid"; cat "$d/pid" >&2
`

// readLine prints what a run that is kept has printed and prints, from these
// offsets on, until it has ended or the connection has, or a part of the limit has
// been read: see keptMore. When the run has ended [finishLine] has the rest. Both outputs begin with the header, to which no offset counts.
func readLine(id job.ID, out, errs uint64, limit int64) string {
	return call(endFunc+keptBegin+`tail -c +"$2" -f "$d/out" 2>/dev/null & a=$!
tail -c +"$3" -f "$d/err" >&2 2>/dev/null & b=$!
exec 2>/dev/null
i=0 x=0
while [ ! -e "$d/rc" ] && vmo_there "$p" && kill -0 $a && kill -0 $b && vmo_there $PPID; do sleep 0.2 || sleep 1
: >"$d/reading"
i=$((i + 1)); [ $((i % 25)) = 0 ] || continue
[ $(($(ls -ln "$d/out" "$d/err" | awk '{ n += $5 } END { printf "%d", n }') - $2 - $3)) -le "$4" ] || { x=75; break; }
done
kill $a $b
wait
exit $x`, id, out+1, errs+1, limit/4)
}

// What a reader of a kept run may exit with besides 0 and 125.
const (
	keptMore = 75 // it has read much: another one goes on, and with that says what has been fetched
	keptLost = 76
)

// lostLine prints up to which offsets the outputs of a run are not kept any more;
// [parseLost] reads it.
func lostLine(id job.ID) string {
	return call(`d=$HOME/.cache/vmo/runs/$1; lo=0 le=0
[ ! -r "$d/lost.out" ] || read -r lo <"$d/lost.out"
[ ! -r "$d/lost.err" ] || read -r le <"$d/lost.err"
printf '\036vmo-lost %s %s %s\n' "$1" "$lo" "$le"`, id)
}

func parseLost(id job.ID, text string) (out, errs uint64, ok bool) {
	_, text, _ = strings.Cut(text, "\036vmo-lost "+string(id)+" ")
	_, err := fmt.Sscan(text, &out, &errs)
	return out, errs, err == nil
}

// finishLine prints what is kept of a run from these offsets on, once, and exits
// with the run's exit status: 128 more than the signal if one ended it, and 125 if
// nobody could write it down. See [aliveLine] for a clear answer to that.
func finishLine(id job.ID, out, errs uint64) string {
	return call(keptBegin+`tail -c +"$2" "$d/out"; tail -c +"$3" "$d/err" >&2
x=125 f=; [ ! -r "$d/rc" ] || read -r x f <"$d/rc"
[ -z "$f" ] || printf 'vmo: the disk of %s is full: output of this job may be missing\n' "$d" >&2
exit "$x"`, id, out+1, errs+1)
}

// removeLine removes what is kept of a run.
func removeLine(id job.ID) string {
	return call(`rm -rf -- "$HOME/.cache/vmo/runs/$1"`, id)
}

// aliveLine prints what is there of a run; [parseAlive] reads it.
func aliveLine(id job.ID) string {
	return call(endFunc+`d=$HOME/.cache/vmo/runs/$1; p=0 k=no x=-; vmo_a=
if [ -r "$d/pid" ]; then k=yes; read -r h v p g s t <"$d/pid"; [ ! -r "$d/rc" ] || read -r x f <"$d/rc"; fi
vmo_r=${p:-0} vmo_id=$1 vmo_s=${t:-0}
set -- $1 "$vmo_r" $(vmo_list 2>/dev/null)
printf '\036vmo-alive %s %s %s %s %s\n' "$1" "$2" $(($# - 2)) "$k" "$x"`, id)
}

// alive is what is there of a run on its host.
type alive struct {
	PID       int  // of the process that leads it; zero if that is not known there
	Processes int  // how many there are
	Kept      bool // its output is
	Ended     bool // and its exit status, Code
	Code      int
}

// parseAlive reads what aliveLine prints.
func parseAlive(id job.ID, text string) (a alive, ok bool) {
	_, text, _ = strings.Cut(text, "\036vmo-alive "+string(id)+" ")
	line, _, ended := strings.Cut(text, "\n")
	var kept, code string
	if _, err := fmt.Sscan(line, &a.PID, &a.Processes, &kept, &code); err != nil || !ended {
		return alive{}, false
	}
	a.Kept = kept == "yes"
	if _, err := fmt.Sscan(code, &a.Code); err == nil {
		a.Ended = true
	}
	return a, true
}
