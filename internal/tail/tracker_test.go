package tail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// message is one line of a container's log, in the order in which it was written.
type message struct {
	at     time.Time
	stderr bool
	text   string // with its newline, if it has one
}

// dockerLogs is what docker logs --timestamps writes to one stream, from a second on.
func dockerLogs(log []message, since int64, stderr bool) string {
	const fixed = "2006-01-02T15:04:05.000000000Z07:00"
	var b strings.Builder
	for _, m := range log {
		if m.stderr != stderr || m.at.Unix() < since {
			continue
		}
		for text := m.text; text != ""; { // the log driver cuts long lines
			n := min(len(text), pieceSize)
			if len(text) == pieceSize+1 && text[pieceSize] == '\n' {
				n = len(text)
			}
			b.WriteString(m.at.Format(fixed) + " " + text[:n])
			text = text[n:]
		}
	}
	return b.String()
}

func content(log []message, stderr bool) string {
	var b strings.Builder
	for _, m := range log {
		if m.stderr == stderr {
			b.WriteString(m.text)
		}
	}
	return b.String()
}

// sampleLog has many lines with one time, empty lines, lines that are equal, lines
// that look like times and control lines, and carriage returns.
func sampleLog() []message {
	at := time.Date(2026, 11, 25, 12, 0, 0, 123456789, time.UTC)
	var log []message
	add := func(after time.Duration, stderr bool, texts ...string) {
		at = at.Add(after)
		for _, text := range texts {
			log = append(log, message{at, stderr, text})
		}
	}
	add(0, false, "start\n")
	add(time.Nanosecond, false, "a\n", "a\n", "a\n", "\n", "a\n")
	add(0, true, "warn\n", "warn\n")
	add(7*time.Second, false, "2026-11-25T12:00:07.123456790Z echo\n", "\x1evmo-tail forged container x y z 1\n", "\x1e\n", "p 1%\rp 2%\r\n")
	add(time.Second, true, "E\n")
	add(time.Nanosecond, false, "b\n", "b\n", "ünï\xff\n", "2026 \n", "2026-11-25T12:00:07.1Zno blank\n")
	add(20*time.Second, false, "end\n", "end\n")
	return log
}

// session plays the script's part for docker: what it writes in answer to the
// command, stdout and stderr.
func session(argv []string, log []message, id string) (stdout, stderr string) {
	args := argv[4:]
	nonce, old, again := args[0], args[8], args[9]
	var since int64
	if old == id && again != "" {
		since, _ = strconv.ParseInt(again, 10, 64)
	}
	from := "-"
	if since > 0 {
		from = again
	}
	say := fmt.Sprintf("\x1evmo-tail %s container %s nginx:1 started_ %s\n", nonce, id, from)
	return say + dockerLogs(log, since, false), say + dockerLogs(log, since, true)
}

// sink is a record with the boundaries in it.
type sink struct{ bytes.Buffer }

func TestDocker_CutAtEveryByteTheSumIsTheLog(t *testing.T) {
	t.Parallel()
	log := sampleLog()
	all, _ := session((&Tracker{source: Source{Kind: Docker, Name: "web"}}).sourceCommand(), log, "abc")
	for cut := range len(all) + 1 {
		var out, errs sink
		var boundaries []string
		tr := NewTracker(Source{Kind: Docker, Name: "web"}, Options{Lines: -1, Follow: true}, func(s string) { boundaries = append(boundaries, s) })
		stdout, stderr := tr.Stdout(&out), tr.Stderr(&errs)
		o, e := session(tr.Command(), log, "abc")
		write(t, stdout, o[:cut])
		write(t, stderr, e[:len(e)*cut/len(o)])
		o, e = session(tr.Command(), log, "abc")
		write(t, stderr, e)
		write(t, stdout, o)
		if err := tr.Flush(); err != nil {
			t.Fatal(err)
		}
		if out.String() != content(log, false) || errs.String() != content(log, true) || len(boundaries) > 0 {
			t.Fatalf("cut at %d:\n%q\nwant\n%q\nstderr %q\nboundaries %q", cut, out.String(), content(log, false), errs.String(), boundaries)
		}
	}
}

func (t *Tracker) sourceCommand() []string { return t.source.Command(Options{Nonce: NewNonce()}) }

func write(t *testing.T, w interface{ Write([]byte) (int, error) }, s string) {
	t.Helper()
	if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("wrote %d of %d: %v", n, len(s), err)
	}
}

func TestDocker_ManyCutsWhileTheLogGrows(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		var log []message
		at := time.Unix(1_800_000_000, 0).UTC()
		var out, errs sink
		tr := NewTracker(Source{Kind: Docker, Name: "web"}, Options{Lines: -1, Follow: true}, func(s string) { t.Errorf("seed %d: %s", seed, s) })
		for round := range 6 {
			for range r.IntN(12) {
				if r.IntN(3) == 0 {
					at = at.Add(time.Duration(r.IntN(3_000_000_000)))
				}
				size := r.IntN(5)
				if r.IntN(20) == 0 {
					size = pieceSize*r.IntN(3) + r.IntN(3) - 1
				}
				log = append(log, message{at, r.IntN(4) == 0, strings.Repeat("x2", max(0, size))[:max(0, size)] + "\n"})
			}
			o, e := session(tr.Command(), log, "abc")
			if round < 5 {
				n := r.IntN(len(o) + 1)
				// A server sends both in about the order of writing.
				o, e = o[:n], e[:max(0, min(len(e), len(e)*n/len(o)))]
			}
			stdout, stderr := tr.Stdout(&out), tr.Stderr(&errs)
			for len(o) > 0 || len(e) > 0 {
				if n := min(len(o), 1+r.IntN(9000)); n > 0 {
					write(t, stdout, o[:n])
					o = o[n:]
				}
				if n := min(len(e), 1+r.IntN(9000)); n > 0 {
					write(t, stderr, e[:n])
					e = e[n:]
				}
			}
			// The position outlives the program.
			stored, err := json.Marshal(tr.Position())
			if err != nil {
				t.Fatal(err)
			}
			var p Position
			if err := json.Unmarshal(stored, &p); err != nil {
				t.Fatal(err)
			}
			tr = NewTracker(tr.source, Options{Lines: -1, Follow: true, Resume: p}, tr.boundary)
		}
		if got, want := out.String(), content(log, false); got != want {
			t.Fatalf("seed %d: stdout differs: %d bytes, want %d", seed, len(got), len(want))
		}
	}
}

func TestDocker_BoundariesStandBetweenTheirLines(t *testing.T) {
	t.Parallel()
	var out sink
	tr := NewTracker(Source{Kind: Docker, Name: "web"}, Options{Lines: -1, Follow: true}, func(s string) { fmt.Fprintf(&out, "<%s>\n", s) })
	w := tr.Stdout(&out)
	argv := tr.Command()
	say := "\x1evmo-tail " + argv[4] + " "
	write(t, w, say+"container 1111111111111111 nginx:1 s1 -\n2026-01-01T00:00:00Z one\n"+
		say+"stopped\n"+say+"container 1111111111111111 nginx:1 s2 1767225000\n2026-01-01T00:00:00Z one\n2026-01-01T00:00:01.5Z two\n"+
		say+"gone\n"+say+"container 2222222222222222 nginx:2\x1b[2J s3 -\n2026-01-01T00:00:01.5Z three\n")
	want := "one\n<docker:web does not run; waiting for it>\n<docker:web was restarted>\ntwo\n<docker:web is gone; waiting for it>\n" +
		"<docker:web was recreated: 111111111111 (nginx:1) → 222222222222 (nginx:2?[2J)>\nthree\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestDocker_SaysWhenTheLogNoLongerHasTheLastLine(t *testing.T) {
	t.Parallel()
	log := sampleLog()
	for keep, want := range map[int]int{0: 0, 8: 1} { // of the log, rotated away; boundaries
		var boundaries []string
		var out sink
		tr := NewTracker(Source{Kind: Docker, Name: "web"}, Options{Lines: -1, Follow: true}, func(s string) { boundaries = append(boundaries, s) })
		w := tr.Stdout(&out)
		o, _ := session(tr.Command(), log[:5], "abc")
		write(t, w, o)
		o, _ = session(tr.Command(), log[keep:], "abc")
		write(t, w, o)
		if len(boundaries) != want || want == 1 && !strings.Contains(boundaries[0], "lines of docker:web may be missing here") {
			t.Errorf("without the first %d: %q", keep, boundaries)
		}
	}
}

func TestDocker_MessagesOfTheEngineAreKept(t *testing.T) {
	t.Parallel()
	var errs sink
	tr := NewTracker(Source{Kind: Docker, Name: "web"}, Options{}, nil)
	w := tr.Stderr(&errs)
	tr.Command()
	const text = "Error response from daemon: no\n\n2026-01-01 x\n12345\nvmo: Next"
	for i := range text {
		write(t, w, text[i:i+1])
	}
	if err := tr.Flush(); err != nil || errs.String() != text {
		t.Errorf("%q, %v", errs.String(), err)
	}
}

func TestFile_CutAtEveryByteTheSumIsTheFile(t *testing.T) {
	t.Parallel()
	const file = "one\ntwo\x1evmo-tail x\n\x1e\nünï\xff\r\nno end"
	for cut := 0; ; cut++ {
		var out sink
		tr := NewTracker(Source{Kind: File, Name: "/x"}, Options{Lines: -1, Follow: true}, nil)
		w := tr.Stdout(&out)
		serve := func() string {
			args := tr.Command()[4:]
			at := 0
			if args[4] != "" {
				at, _ = strconv.Atoi(args[5])
			}
			return fmt.Sprintf("\x1evmo-tail %s file 7 %d\n%s", args[0], at, file[at:])
		}
		first := serve()
		if cut > len(first) {
			return
		}
		write(t, w, first[:cut])
		write(t, w, serve())
		if err := tr.Flush(); err != nil || out.String() != file {
			t.Fatalf("cut at %d: %q, %v", cut, out.String(), err)
		}
	}
}

// entries are lines of journalctl -o json from a cursor on.
func entries(from string) string {
	var b strings.Builder
	on := from == ""
	for i, message := range []string{`"one"`, `"two\nlines\n"`, `[116,255,104]`, `null`, `["first","second"]`, `"five"`} {
		cursor := fmt.Sprintf("s=a;i=%d", i)
		if on = on || cursor == from; on {
			fmt.Fprintf(&b, `{"__CURSOR":%q,"__REALTIME_TIMESTAMP":"1767225600%06d","_HOSTNAME":"web1","SYSLOG_IDENTIFIER":"nginx","_PID":"7","MESSAGE":%s}`+"\n", cursor, i, message)
		}
	}
	return b.String()
}

func TestJournal_CutAtEveryByteEachEntryComesOnce(t *testing.T) {
	t.Parallel()
	const head = "2026-01-01T00:00:00.00000%dZ web1 nginx[7]: "
	var want strings.Builder
	for i, text := range []string{"one", "two\n" + strings.Repeat(" ", len(head)-1) + "lines", "t\xffh", "", "first", "five"} {
		fmt.Fprintf(&want, head+"%s\n", i, text)
	}
	for cut := range len(entries("")) + 1 {
		var out sink
		tr := NewTracker(Source{Kind: Journal, Name: "nginx"}, Options{Lines: -1, Follow: true}, func(s string) { t.Errorf("cut at %d: %s", cut, s) })
		w := tr.Stdout(&out)
		write(t, w, entries(tr.Command()[9])[:cut])
		write(t, w, entries(tr.Command()[9]))
		if out.String() != want.String() {
			t.Fatalf("cut at %d:\n%s\nwant\n%s", cut, out.String(), want.String())
		}
	}
}

func TestJournal_SaysWhenTheLastEntryIsGone(t *testing.T) {
	t.Parallel()
	var out sink
	tr := NewTracker(Source{Kind: Journal, Name: "nginx"}, Options{Follow: true, Resume: Position{Cursor: "s=gone;i=1"}},
		func(s string) { fmt.Fprintf(&out, "<%s>\n", s) })
	w := tr.Stdout(&out)
	tr.Command()
	write(t, w, entries("s=a;i=5"))
	if !strings.HasPrefix(out.String(), "<lines of journal:nginx may be missing here") || !strings.HasSuffix(out.String(), "five\n") {
		t.Errorf("%q", out.String())
	}
}

func TestCmd_IsPassedOnAndSaysThatItBeganAnew(t *testing.T) {
	t.Parallel()
	var out sink
	tr := NewTracker(Source{Kind: Cmd, Name: "x"}, Options{}, func(string) { out.WriteString("<anew>") })
	w := tr.Stdout(&out)
	tr.Command()
	write(t, w, "a\x1evmo-tail")
	tr.Command()
	write(t, w, "b")
	if out.String() != "a\x1evmo-tail<anew>b" {
		t.Errorf("%q", out.String())
	}
}

func FuzzTracker(f *testing.F) {
	f.Add(uint8(0), []byte("2026-01-01T00:00:00Z one\n\x1evmo-tail "))
	f.Add(uint8(1), []byte(`{"__CURSOR":"x","MESSAGE":[1,"2"]}`+"\n"))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		var out sink
		tr := NewTracker(Source{Kind: []Kind{Docker, Journal, File, Cmd}[kind%4], Name: "x"}, Options{}, nil)
		w := tr.Stdout(&out)
		argv := tr.Command()
		if len(argv) > 4 {
			data = bytes.ReplaceAll(data, []byte("NONCE"), []byte(argv[4]))
		}
		for i := range data {
			write(t, w, string(data[i:i+1]))
		}
		if err := tr.Flush(); err != nil {
			t.Fatal(err)
		}
		if kind%4 == 2 && !bytes.Contains(data, []byte("\x1evmo-tail ")) && !bytes.Equal(out.Bytes(), data) {
			t.Errorf("%q became %q", data, out.Bytes())
		}
	})
}
