package remote

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vmorchestrator/internal/job"
)

// rung is a step of the ladder that ends a run: signals, and how long they have
// to take effect.
type rung struct {
	signals string // such as "TERM HUP"
	grace   time.Duration
}

// rungs are the steps, each taken only if somebody is left. Without steps the
// script only says who there is.
type rungs []rung

// ladderOf is the ladder of a command: with grace it asks before it kills.
func ladderOf(c Command, grace bool) (l rungs) {
	if grace {
		term := rung{"TERM", c.Grace}
		if c.TTY {
			term.signals = "TERM HUP" // a shell at its prompt listens to nothing else
		}
		l = append(l, rung{"INT", c.Grace}, term)
	}
	return append(l, rung{"KILL", 2 * time.Second})
}

// endScript ends a run. $1 is the number of its first process, $2 its id; then
// come a step's signals and its grace in tenths of a second, and so on. It prints
// how many processes it found, and a line for each that is left: number, user,
// command.
//
// A process is of the run if its environment says so. The first process, what
// descends from it and its group and session are too, if its own environment says
// so: its number may have been given to another one.
const endScript = `
r=$1; m=$2; shift 2
mine() { tr '\0' '\n' </proc/$1/environ 2>/dev/null | grep -qx "VMO_RUN=$m"; }
list() {
if [ -r /proc/self/stat ]; then
 e=$(grep -l -s -a -F -- "VMO_RUN=$m" /proc/[0-9]*/environ 2>/dev/null | sed 's/[^0-9]//g')
 t=$(cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^\([0-9]*\) .*) \([A-Z]\) \([0-9]*\) \([0-9]*\) \([0-9]*\) .*/\1 \3 \4 \5 \2/p')
else
 e=$(ps -A -E -o pid= -o command= 2>/dev/null | sed -n "s/^ *\([0-9]*\) .*VMO_RUN=$m.*/\1/p")
 t=$(ps -A -o pid= -o ppid= -o pgid= -o sess= -o stat= 2>/dev/null)
fi
printf '%s\n' "$t" | awk -v r="$r" -v e="$e" -v me="$$" '
{pp[$1]=$2;pg[$1]=$3;se[$1]=$4;st[$1]=$5}
END{n=split(e,a,"\n");for(i=1;i<=n;i++){hit[a[i]]=1;if(a[i]==r)g=1}
x=me;while(x in pp&&!(x in no)){no[x]=1;x=pp[x]}
do{c=0;for(p in pp)if(!(p in hit)&&!(p in no)&&((pp[p] in hit)||(g&&(pg[p]==r||se[p]==r)))){hit[p]=1;c=1}}while(c)
for(p in hit)if((p in pp)&&!(p in no)&&pp[p]!=me&&st[p]!~/^[ZX]/)print p}'
}
a=$(list); set -- "$@"; n=0; for p in $a; do n=$((n+1)); done; echo "found $n"
while [ $# -gt 0 ] && [ -n "$a" ]; do
 for s in $1; do kill -"$s" $a 2>/dev/null; done
 i=$2; s=$1; shift 2
 while a=$(list); [ -n "$a" ] && [ "$i" -gt 0 ]; do
  [ "$s" = KILL ] && kill -KILL $a 2>/dev/null
  sleep 0.1; i=$((i-1))
 done
done
for p in $a; do printf 'left %s %s %s\n' $p "$(ps -o user= -p $p 2>/dev/null | head -n 1)" "$(ps -o args= -p $p 2>/dev/null | tr '\n' ' ' | cut -c 1-200)"; done
echo end`

// interruptScript signals the group of a process, if it still is the one it was.
const interruptScript = `
if [ -r /proc/$1/environ ]; then tr '\0' '\n' </proc/$1/environ | grep -qx "VMO_RUN=$2" || { echo "it has ended" >&2; exit 1; }; fi
kill -INT -- -$1 2>/dev/null || kill -INT $1`

func interruptLine(id job.ID, pid int) string {
	return encode(fmt.Sprintf("set -- %d %s", pid, id) + interruptScript)
}

func endLine(id job.ID, pid int, l rungs) string {
	args := []string{strconv.Itoa(pid), string(id)}
	for _, r := range l {
		args = append(args, "'"+r.signals+"'", strconv.Itoa(int((r.grace+99*time.Millisecond)/(100*time.Millisecond))))
	}
	return encode("set -- " + strings.Join(args, " ") + endScript)
}

// encode makes a line for the login shell, whichever it is, of a script for sh.
func encode(script string) string {
	var b strings.Builder
	for _, c := range []byte(script) {
		fmt.Fprintf(&b, `\0%03o`, c)
	}
	return `exec /bin/sh -c 'eval "$(printf %b "` + b.String() + `")"'`
}

// parseEnd reads what the script prints.
func parseEnd(out []byte) (left []job.Survivor, found int, err error) {
	whole := false
	for line := range bytes.Lines(out) {
		word, rest, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		switch word {
		case "found":
			found, _ = strconv.Atoi(rest)
		case "left":
			f := strings.Fields(rest)
			if len(f) < 2 {
				continue
			}
			pid, err := strconv.Atoi(f[0])
			if err != nil {
				continue
			}
			left = append(left, job.Survivor{PID: pid, Command: clean(strings.Join(f[2:], " ")), Why: "still running after SIGKILL: it belongs to " + clean(f[1])})
		case "end":
			whole = true
		}
	}
	if !whole {
		return nil, 0, errors.New("the host's answer is incomplete")
	}
	return left, found, nil
}
