package remote

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"vmorchestrator/internal/job"
)

// endFunc defines vmo_end, which ends everything of the run vmo_id. Its arguments
// are steps: signals, and for how many tenths of a second to wait for what comes of
// them; a step is taken if the one before left somebody. Without steps it only
// looks. It leaves the processes it saw in vmo_a and the living ones in vmo_b.
//
// Whom it finds: who carries the run's id in its environment, which also finds
// what left the session; descendants of these and of the process vmo_r; and the
// group and session that vmo_r leads. vmo_r alone proves nothing, for numbers are
// used again: it must have started at vmo_s, or carry the id, or keep its
// environment from us. It never finds itself. Parents come before their children,
// so that a shell does not go on with its next command when the first has ended.
//
// What only root may end it asks sudo for, if sudo needs no password, and does not
// ask again when it was refused: each refusal is reported to the administrator.
const endFunc = `vmo_table() {
if [ -r /proc/self/stat ]; then
cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^\([0-9]*\) .*) \([A-Za-z]\) \([0-9]*\) \([0-9]*\) \([0-9]*\) \(-*[0-9]* \)\{15\}\([0-9]*\) .*/\1 \2 \3 \4 \5 \7/p'
else ps -A -o pid= -o state= -o ppid= -o pgid= -o sess= 2>/dev/null; fi
}
vmo_list() {
if [ -r /proc/self/stat ]; then
m=$(grep -lsF -e "VMO_RUN=$vmo_id" /proc/[0-9]*/environ 2>/dev/null | tr -c '0-9\n' ' ' | tr '\n' ' ')
x=$( { tr '\0' x </proc/"$vmo_r"/environ; } 2>/dev/null | head -c 1)
[ -n "$x" ] && x=0 || x=1
else
m=$(ps -A -E -o pid= -o command= 2>/dev/null | sed -n "s/^ *\([0-9]*\) .*VMO_RUN=$vmo_id.*/\1/p" | tr '\n' ' ')
x=1
fi
vmo_table | awk -v r="$vmo_r" -v me="$$" -v marked="$m" -v known="$vmo_a" -v trust="$x" -v start="$vmo_s" '
{ pp[$1] = $3; pg[$1] = $4; se[$1] = $5; st[$1] = $6; if ($2 ~ /^[ZX]/) dead[$1] = 1 }
END {
n = split(marked, m, " ")
for (i = 1; i <= n; i++) if (m[i] in pp) hit[m[i]] = mark[m[i]] = 1
if (r in pp) { if ((r in mark) || (start > 0 ? st[r] == start : trust > 0)) { hit[r] = 1; lead = (pg[r] == r) } }
else for (p in mark) if (pg[p] == r || se[p] == r) lead = 1
n = split(known, m, " ")
for (i = 1; i <= n; i++) if (m[i] in pp) hit[m[i]] = 1
own[me] = 1
do { c = 0
for (p in pp) if (!(p in own) && (pp[p] in own)) { own[p] = c = 1 }
} while (c)
do { c = 0
for (p in pp) if (!(p in hit) && !(p in own) && ((pp[p] in hit) || (lead && (pg[p] == r || se[p] == r)))) { hit[p] = c = 1 }
} while (c)
for (p in hit) if (p > 1 && !(p in own) && !(p in dead)) { depth = 0; for (q = pp[p]; (q in hit) && depth < 999; q = pp[q]) depth++; left[p] = depth; if (depth > deepest) deepest = depth }
for (i = 0; i <= deepest; i++) for (p in left) if (left[p] == i) printf "%s ", p
}'
}
vmo_there() { kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ]; }
vmo_send() {
s=$1; shift; vmo_f=
kill -"$s" "$@" 2>/dev/null || for p; do kill -0 "$p" 2>/dev/null || { [ -d "/proc/$p" ] && vmo_f="$vmo_f $p"; }; done
if [ -n "$vmo_f" ] && [ -z "$vmo_x" ] && [ "$(id -u)" != 0 ] && command -v sudo >/dev/null 2>&1; then
if sudo -n sh -c 'kill "$@" 2>/dev/null; :' sh -"$s" $vmo_f </dev/null >/dev/null 2>&1; then vmo_f=; else vmo_x=no; fi
fi
}
vmo_look() {
vmo_b=$(vmo_list); n=
for p in $vmo_b; do case " $vmo_a " in *" $p "*) ;; *) n="$n $p";; esac; done
vmo_a="$vmo_a$n"
}
vmo_end() {
vmo_a= vmo_x=; vmo_look
while [ -n "$vmo_b" ] && [ $# -gt 0 ]; do
n=$vmo_b; i=$2
while :; do
for g in $1; do
if [ "$g" = KILL ]; then vmo_send KILL $vmo_b; [ "$vmo_f" != " ${vmo_b% }" ] || i=0
elif [ -n "$n" ]; then vmo_send "$g" $n; vmo_send CONT $n; fi
done
[ "$i" -gt 0 ] || break
i=$((i - 1)); sleep 0.1 2>/dev/null || sleep 1
vmo_look; [ -n "$vmo_b" ] || break
done
shift 2
done
}
`

// killScript is vmo_end with a report: after a line with the run, how many
// processes were found and who asks there is one line for each that is left. What
// is kept of a run that was ended in this way learns its exit status here.
const killScript = endFunc + `vmo_r=$1 vmo_id=$2 vmo_s=$3; shift 3
exec 3>&1
vmo_end "$@" >/dev/null 2>&1
d=$HOME/.cache/vmo/runs/$vmo_id
if [ $# -gt 0 ] && [ -z "$vmo_b" ] && [ -d "$d" ] && [ ! -e "$d/rc" ]; then echo 137 >"$d/rc.tmp" && mv -f "$d/rc.tmp" "$d/rc"; fi 2>/dev/null
{
set -- $vmo_a
printf '\036vmo-left %s %s %s\n' "$vmo_id" $# "$(id -u)"
for p in $vmo_b; do
u=; c=
if [ -r "/proc/$p/status" ]; then
while read -r k v x; do [ "$k" = Uid: ] && u=$v; [ "$k" = Name: ] && c=$v; done <"/proc/$p/status"
x=$( { tr '\0\n\r\036' '    ' <"/proc/$p/cmdline"; } | head -c 400 ); [ -z "$x" ] || c=$x
else u=$(ps -o uid= -p "$p"); c=$(ps -o args= -p "$p" | head -n 1); fi
printf '%s %s %s\n' "$p" "${u:--}" "$c"
done
printf '\036\n'
} 2>/dev/null >&3`

// killStep is a step on the ladder that ends a run: signals, such as "TERM HUP",
// and how long they have to take effect.
type killStep struct {
	signals string
	grace   time.Duration
}

// killGrace is how long SIGKILL may take.
const killGrace = 2 * time.Second

// killLine ends everything of a run with a signal, such as "TERM", and with
// SIGKILL after the grace. [parseSurvivors] reads what it prints. The process is
// the one of the header; zero if that is not known.
func killLine(pid int, id job.ID, signal string, grace time.Duration) (string, error) {
	return killSteps(header{PID: pid}, id, killStep{signal, grace}, killStep{"KILL", killGrace})
}

// killSteps is killLine with a ladder of one's own and what the header said.
// Without steps nobody is signalled: it says who there is.
func killSteps(h header, id job.ID, steps ...killStep) (string, error) {
	args := []any{h.PID, id, strconv.FormatUint(h.Start, 10)}
	if _, err := job.ParseID(string(id)); err != nil {
		return "", err
	}
	if h.PID < 0 || h.PID == 1 {
		return "", fmt.Errorf("%w: %d is not the process of a run", job.ErrInvalid, h.PID)
	}
	for _, s := range steps {
		for name := range strings.FieldsSeq(s.signals) {
			if !signalName.MatchString(name) || strings.HasPrefix(name, "SIG") {
				return "", fmt.Errorf("%w: %q is not a signal", job.ErrInvalid, name)
			}
		}
		args = append(args, s.signals, int((s.grace+99*time.Millisecond)/(100*time.Millisecond)))
	}
	return call(killScript, args...), nil
}

var signalName = regexp.MustCompile(`^[A-Z][A-Z0-9]*$`)

// signalLine sends signals to everything of a run, once, and does not wait for
// what comes of it; what it prints is as that of killLine.
func signalLine(h header, id job.ID, signals string) (string, error) {
	return killSteps(h, id, killStep{signals, 0})
}

// maxCommand is how much of a survivor's command line is kept.
const maxCommand = 200

// parseSurvivors reads the report of killLine: who is left, and how many
// processes were found in all. Not ok means that the report is not complete, and
// nothing is certain.
func parseSurvivors(id job.ID, text string) (left []job.Survivor, found int, ok bool) {
	_, text, begun := strings.Cut(text, "\036vmo-left "+string(id)+" ")
	text, _, ended := strings.Cut(text, "\036")
	if !begun || !ended {
		return nil, 0, false
	}
	first, text, _ := strings.Cut(text, "\n")
	var me string
	if _, err := fmt.Sscan(first, &found, &me); err != nil {
		return nil, 0, false
	}
	for line := range strings.Lines(text) {
		number, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		uid, command, _ := strings.Cut(rest, " ")
		pid, err := strconv.Atoi(number)
		if err != nil {
			continue
		}
		s := job.Survivor{PID: pid, Command: commandText(command), Why: "still running after SIGKILL"}
		switch {
		case me == "0" || uid == me || uid == "-":
		case uid == "0":
			s.Why += ": needs root"
		default:
			s.Why += ": needs root, or the user with the number " + commandText(uid)
		}
		left = append(left, s)
	}
	return left, found, true
}

// commandText is text of a host that may stand in one line of ours.
func commandText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.TrimSpace(s)
	if len(s) > maxCommand {
		s = strings.ToValidUTF8(s[:maxCommand], "")
	}
	return s
}
