//go:build window

// Package windowtest starts the built window under Xvfb and uses it as an
// operator would: with real clicks and keys. It needs Xvfb, xdotool and
// WebKitGTK; `make test` installs them and runs it.
package windowtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What is tried, built once.
var (
	probeWindow   string // with the probe, which answers questions about the page
	releaseWindow string // as it is shipped
	vmo           string
)

func TestMain(m *testing.M) {
	if n := os.Getenv("WINDOWTEST_FLOOD"); n != "" {
		flood(n)
		return
	}
	os.Exit(build(m))
}

// flood prints 50 000 numbered lines a second.
func flood(seconds string) {
	n, err := strconv.Atoi(seconds)
	if err != nil {
		panic(err)
	}
	w := bufio.NewWriterSize(os.Stdout, 64<<10)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := range n * 100 {
		for k := range 500 {
			fmt.Fprintf(w, "line %08d \x1b[3%dmINFO\x1b[0m request served in %d us by the quick brown fox\n", i*500+k, 1+k%6, k*7)
		}
		if err := w.Flush(); err != nil {
			return
		}
		<-tick.C
	}
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "windowtest")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	probeWindow, releaseWindow, vmo = filepath.Join(dir, "probe"), filepath.Join(dir, "release"), filepath.Join(dir, "vmo")
	for _, args := range [][]string{
		{"build", "-tags", "desktop,production,webkit2_41,probe", "-o", probeWindow, "vmorchestrator"},
		{"build", "-tags", "desktop,production,webkit2_41", "-o", releaseWindow, "vmorchestrator"},
		{"build", "-o", vmo, "vmorchestrator/cmd/vmo"},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go %s: %v\n%s", strings.Join(args, " "), err, out)
			return 1
		}
	}
	return m.Run()
}

// screen is an X server of its own.
func screen(t *testing.T) (display string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1280x800x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start Xvfb: %v (on Debian: apt-get install xvfb)", err)
	}
	w.Close()
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb: %v", err)
	}
	return ":" + strings.TrimSpace(line)
}

// window is a running window with a project in it.
type window struct {
	t       *testing.T
	display string
	dir     string // of everything it writes
	cmd     *exec.Cmd
	exited  chan struct{}
	http    http.Client
}

// start opens the window on a folder, with more in its environment if wanted.
func start(t *testing.T, binary, display, home, project string, env ...string) *window {
	t.Helper()
	w := &window{t: t, display: display, dir: home, exited: make(chan struct{})}
	// There is another project before it in the list: the one that was asked for
	// must be the one that is shown.
	registry := filepath.Join(home, "config", "mkcli", "registry")
	if err := os.MkdirAll(filepath.Dir(registry), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(registry, []byte("home="+home+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(home, "probe.sock")
	os.Remove(socket)
	w.cmd = exec.Command(binary, project)
	w.cmd.Env = append(os.Environ(), "DISPLAY="+display, "HOME="+home, "XDG_CONFIG_HOME="+home+"/config", "XDG_DATA_HOME="+home+"/data",
		"XDG_CACHE_HOME="+home+"/cache", "VMO_DATA_DIR="+home+"/journal", "VMO_PROBE="+socket, "DBUS_SESSION_BUS_ADDRESS=disabled:", "NO_AT_BRIDGE=1")
	w.cmd.Env = append(w.cmd.Env, env...)
	var log bytes.Buffer
	w.cmd.Stdout, w.cmd.Stderr = &log, &log
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = w.cmd.Wait(); close(w.exited) }()
	t.Cleanup(func() {
		w.kill(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("the window said:\n%s", log.String())
		}
	})
	w.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	return w
}

func (w *window) kill(s syscall.Signal) {
	_ = w.cmd.Process.Signal(s)
	<-w.exited
}

// ask evaluates a script in the page and decodes what it returns.
func ask[T any](w *window, script string) (v T) {
	w.t.Helper()
	answer, err := try[T](w, script)
	if err != nil {
		w.t.Fatalf("in the page: %v\n%s", err, script)
	}
	return answer
}

// try gives up soon: a script that is sent before the page is there is lost.
func try[T any](w *window, script string) (v T, err error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://window/", strings.NewReader(script))
	if err != nil {
		return v, err
	}
	resp, err := w.http.Do(r)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	var answer struct {
		Value T
		Error string
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return v, err
	}
	if answer.Error != "" {
		return v, fmt.Errorf("%s", answer.Error)
	}
	return answer.Value, nil
}

// until asks again until the script returns true.
func (w *window) until(what, script string) {
	w.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	var err error
	for time.Now().Before(deadline) {
		var ok bool
		if ok, err = try[bool](w, "return Boolean("+script+")"); ok {
			return
		}
		select {
		case <-w.exited:
			w.t.Fatalf("waiting until %s: the window has exited", what)
		case <-time.After(50 * time.Millisecond): // nothing tells us of a change in the page
		}
	}
	w.t.Fatalf("waited in vain until %s (%v); the page shows:\n%s", what, err, ask[string](w, "return document.body.innerText"))
}

type point struct{ X, Y int }

// place is the middle of an element on the screen.
func (w *window) place(selector string) point {
	w.t.Helper()
	w.until(selector+" is there", "document.querySelector(`"+selector+"`)?.getBoundingClientRect().width > 0")
	p := ask[struct{ X, Y, Left, Top float64 }](w, "const r = document.querySelector(`"+selector+"`).getBoundingClientRect();"+
		"return { x: r.x + r.width / 2, y: r.y + r.height / 2, left: window.screenX, top: window.screenY }")
	return point{int(p.Left + p.X), int(p.Top + p.Y)}
}

func (w *window) click(p point) {
	w.t.Helper()
	w.xdotool("mousemove", strconv.Itoa(p.X), strconv.Itoa(p.Y), "click", "1")
}

func (w *window) xdotool(args ...string) {
	w.t.Helper()
	cmd := exec.Command("xdotool", args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+w.display)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("xdotool %v: %v\n%s", args, err, out)
	}
}

// journal runs vmo on the journal of the window.
func (w *window) journal(args ...string) []byte {
	w.t.Helper()
	cmd := exec.Command(vmo, args...)
	cmd.Env = append(os.Environ(), "VMO_DATA_DIR="+w.dir+"/journal")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("vmo %v: %v", args, err)
	}
	return out
}

type recorded struct {
	ID, State, Target, Cause string
	ExitCode                 *int `json:"exit_code"`
	Bytes, Lines             uint64
}

func (w *window) jobs() (all []recorded) {
	w.t.Helper()
	d := json.NewDecoder(bytes.NewReader(w.journal("jobs", "--json")))
	for {
		var j recorded
		if err := d.Decode(&j); err == io.EOF {
			return all
		} else if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, j)
	}
}

// awaitJobs waits until the journal has n jobs and the newest has ended.
func (w *window) awaitJobs(n int) recorded {
	w.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for time.Now().Before(deadline) {
		if all := w.jobs(); len(all) >= n && all[0].State != "running" && all[0].State != "pending" {
			return all[0]
		}
		time.Sleep(50 * time.Millisecond) // another process: only a look tells
	}
	w.t.Fatalf("the journal has %+v, want %d ended jobs", w.jobs(), n)
	panic("unreachable")
}

const makefile = `
hello: ## Say hello
	@printf 'Hello from a click!\nsecond line\n'
flood: ## 50 000 lines a second
	@WINDOWTEST_FLOOD=$(SECONDS_) exec $(SELF)
echo: ## @tty Echo what is typed
	@stty -icanon -echo; exec cat
evil: ## Output that attacks the page
	@printf '%s\n' '<img src=x onerror="window.pwned=1">' '<script>window.pwned=1</script>'
`

func project(t *testing.T, seconds int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demo")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("SELF := %s\nSECONDS_ := %d\n.PHONY: hello flood echo evil\n", self, seconds)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte(head+makefile), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func runButton(target string) string {
	return fmt.Sprintf(`[data-testid=target-row][data-name=%s] [data-testid=run-button]`, target)
}

// Ensure a click on a target runs it and the journal holds what it printed: in
// the window with the probe, and at the same place in the one that is shipped.
func TestWindow_AClickRunsATarget(t *testing.T) {
	display, dir := screen(t), project(t, 1)
	const want = "Hello from a click!\nsecond line\n"

	w := start(t, probeWindow, display, t.TempDir(), dir)
	at := w.place(runButton("hello"))
	w.click(at)
	w.until("the output is shown", `[...document.querySelectorAll('[data-testid=log-line]')].some(l => l.textContent.includes('second line'))`)
	w.until("the pane says how it ended", `document.querySelector('[data-testid=job-pane][data-state=succeeded]')`)
	if j := w.awaitJobs(1); j.State != "succeeded" || j.Target != "hello" {
		t.Errorf("the journal has %+v", j)
	}
	if got := string(w.journal("show", "@1")); got != want {
		t.Errorf("the journal holds %q, want %q", got, want)
	}
	w.kill(syscall.SIGTERM)

	shipped := start(t, releaseWindow, display, t.TempDir(), dir)
	deadline := time.Now().Add(60 * time.Second)
	for len(shipped.jobs()) == 0 { // nobody tells when a window without probe has drawn its page
		if time.Now().After(deadline) {
			t.Fatal("clicks on the shipped window start nothing")
		}
		shipped.click(at)
		time.Sleep(500 * time.Millisecond)
	}
	shipped.awaitJobs(1)
	if got := string(shipped.journal("show", "@1")); got != want {
		t.Errorf("the journal of the shipped window holds %q, want %q", got, want)
	}
	if image, err := os.ReadFile(releaseWindow); err != nil || bytes.Contains(image, []byte("VMO_PROBE")) {
		t.Errorf("the shipped window contains the probe (%v)", err)
	}
}

// Ensure 50 000 lines a second leave the page answering, keystrokes in a
// terminal beside them arrive in order, and nothing is missing in the record.
// The figures are printed; WINDOWTEST_SECONDS makes it last longer.
func TestWindow_AnswersUnderAFlood(t *testing.T) {
	seconds := 5
	if s := os.Getenv("WINDOWTEST_SECONDS"); s != "" {
		seconds, _ = strconv.Atoi(s)
	}
	w := start(t, probeWindow, screen(t), t.TempDir(), project(t, seconds))
	w.click(w.place(runButton("echo")))
	w.until("the terminal is there", `document.querySelector('[data-testid=terminal] .xterm-rows')`)
	w.until("the terminal has the keyboard", `document.activeElement?.closest('[data-testid=terminal]')`)
	ask[any](w, `
		const m = window.measured = { gaps: [], echoes: [], frames: 0, from: performance.now() };
		let last = performance.now();
		const frame = now => { m.frames++; m.gaps.push(now - last); last = now; requestAnimationFrame(frame) };
		requestAnimationFrame(frame);
		const rows = document.querySelector('[data-testid=terminal] .xterm-rows');
		let pressed = 0;
		document.addEventListener('keydown', () => { pressed = performance.now() }, true);
		new MutationObserver(() => { if (pressed) m.echoes.push(performance.now() - pressed); pressed = 0 })
			.observe(rows, { childList: true, subtree: true, characterData: true });
		return null`)
	idle := typeKeys(t, w, "the quick brown fox ")
	w.click(w.place(runButton("flood")))
	w.until("the flood is shown", `[...document.querySelectorAll('[data-testid=log-line]')].length > 3`)
	// Back to the terminal, with the flood visible beside it.
	if tile := `[aria-label="As tiles"]`; ask[bool](w, "return Boolean(document.querySelector('"+tile+"'))") {
		w.click(w.place(tile))
	}
	w.until("both are visible", `document.querySelector('[data-testid=terminal]')?.getBoundingClientRect().width > 0 && document.querySelector('[data-testid=log-line]')?.getBoundingClientRect().width > 0`)
	w.click(w.place(`[data-testid=terminal] .xterm-screen`))
	w.until("the terminal has the keyboard", `document.activeElement?.closest('[data-testid=terminal]')`)
	ask[any](w, `Object.assign(window.measured, { gaps: [], echoes: [], frames: 0, from: performance.now() }); return null`)
	memory := watchMemory(w.cmd.Process.Pid)
	typeKeys(t, w, "jumps over the lazy dog and runs on ")
	deadline := time.Now().Add(time.Duration(seconds+90) * time.Second)
	for {
		all := w.jobs()
		if all[0].Target == "flood" && all[0].State == "succeeded" {
			if want := uint64(seconds * 50_000); all[0].Lines != want {
				t.Errorf("the record has %d lines, want %d", all[0].Lines, want)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the flood has not ended: %+v", all[0])
		}
		time.Sleep(100 * time.Millisecond)
	}
	r := ask[struct{ Longest, Median, Frames, Fps, Echo, EchoWorst, Echoes float64 }](w, `
		const m = window.measured, sorted = a => [...a].sort((x, y) => x - y), mid = a => sorted(a)[Math.floor(a.length / 2)] ?? -1;
		return { longest: Math.max(...m.gaps), median: mid(m.gaps), frames: m.frames, fps: 1000 * m.frames / (performance.now() - m.from),
			echo: mid(m.echoes), echoWorst: Math.max(-1, ...m.echoes), echoes: m.echoes.length }`)
	t.Logf("%d s of 50 000 lines/s: longest frame gap %.0f ms, %.0f frames/s; echo median %.0f ms (%.0f ms idle), worst %.0f ms, %v keys; web process at most %d MiB",
		seconds, r.Longest, r.Fps, r.Echo, idle, r.EchoWorst, r.Echoes, memory()>>20)
	last := fmt.Sprintf("line %08d", seconds*50_000-1)
	w.until("the last line is shown", `[...document.querySelectorAll('[data-testid=log-line]')].some(l => l.textContent.includes('`+last+`'))`)
	record := w.journal("show", w.jobs()[0].ID)
	for i, line := range bytes.Split(bytes.TrimSuffix(record, []byte("\n")), []byte("\n")) {
		if !bytes.HasPrefix(line, fmt.Appendf(nil, "line %08d ", i)) {
			t.Fatalf("line %d of the record is %q", i, line)
		}
	}
}

// typeKeys types and waits until the terminal shows it all, in order. It returns
// the median time from a key to its echo.
func typeKeys(t *testing.T, w *window, text string) float64 {
	t.Helper()
	for _, key := range text {
		w.xdotool("type", "--delay", "0", string(key))
		time.Sleep(30 * time.Millisecond) // an operator's pace, so that each echo is its own
	}
	w.until("the terminal shows what was typed", `document.querySelector('[data-testid=terminal] .xterm-rows').textContent.replaceAll('\u00a0', ' ').includes(`+"`"+strings.TrimSpace(text)+"`"+`)`)
	return ask[float64](w, `const e = [...window.measured.echoes].sort((a, b) => a - b); return e[Math.floor(e.length / 2)] ?? -1`)
}

// watchMemory samples the largest resident size of the window's web process.
func watchMemory(pid int) (most func() int64) {
	var mu sync.Mutex
	var peak int64
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		for {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
			}
			out, err := exec.Command("ps", "-o", "rss=,comm=", "--ppid", strconv.Itoa(pid)).Output()
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(out)) {
				fields := strings.Fields(line)
				if len(fields) == 2 && strings.HasPrefix(fields[1], "WebKitWebProces") {
					n, _ := strconv.ParseInt(fields[0], 10, 64)
					mu.Lock()
					peak = max(peak, n<<10)
					mu.Unlock()
				}
			}
		}
	}()
	return func() int64 { close(done); wait.Wait(); mu.Lock(); defer mu.Unlock(); return peak }
}

// Ensure output can do nothing to the page, and that a strict content policy is
// in force in the real engine.
func TestWindow_OutputIsOnlyText(t *testing.T) {
	w := start(t, probeWindow, screen(t), t.TempDir(), project(t, 1))
	w.click(w.place(runButton("evil")))
	w.until("the attack is shown as text", `[...document.querySelectorAll('[data-testid=log-line]')].some(l => l.textContent.includes('<script>window.pwned=1'))`)
	got := ask[map[string]bool](w, `
		const tried = {};
		const wait = ms => new Promise(done => setTimeout(done, ms));
		const attack = async (name, act) => { window.pwned = undefined; try { await act() } catch {} await wait(150); tried[name] = Boolean(window.pwned) };
		const put = html => { const d = document.createElement('div'); d.innerHTML = html; document.body.append(d) };
		tried.output = Boolean(window.pwned);
		await attack('onerror', () => put('<img src="data:x" onerror="window.pwned=1">'));
		await attack('script', () => { const s = document.createElement('script'); s.textContent = 'window.pwned=1'; document.body.append(s) });
		await attack('eval', () => { window.pwned = (0, eval)('1') });
		await attack('function', () => { window.pwned = new Function('return 1')() });
		await attack('srcdoc', () => put('<iframe srcdoc="<script>parent.pwned=1</scr' + 'ipt>"></iframe>'));
		await attack('fetch', async () => { await fetch('http://127.0.0.1:9/x', { mode: 'no-cors' }); window.pwned = 1 });
		return tried`)
	for name, worked := range got {
		if worked {
			t.Errorf("the attack %q worked", name)
		}
	}
	if len(got) != 7 {
		t.Errorf("tried %v", got)
	}
}

// Ensure kill -9 of the window loses nothing that could be seen, and that the
// next start is clean and shows the job as lost.
func TestWindow_KilledLosesNothing(t *testing.T) {
	display, dir, home := screen(t), project(t, 60), t.TempDir()
	w := start(t, probeWindow, display, home, dir)
	w.click(w.place(runButton("flood")))
	w.until("the flood is shown", `[...document.querySelectorAll('[data-testid=log-line]')].length > 3`)
	seen := ask[string](w, `return [...document.querySelectorAll('[data-testid=log-line]')].at(-1).textContent`)
	w.kill(syscall.SIGKILL)
	again := start(t, probeWindow, display, home, dir)
	again.until("the job is shown as lost", `document.querySelector('[data-testid=history-row]')?.textContent.includes('lost')`)
	j := again.jobs()[0]
	if j.State != "lost" || j.Cause != "owner-gone" {
		t.Errorf("the job is %+v", j)
	}
	number := seen[strings.Index(seen, "line ")+5:][:8]
	record := again.journal("show", "@1")
	if !bytes.Contains(record, []byte("line "+number)) {
		t.Errorf("line %s was seen and is not in the record of %d bytes", number, len(record))
	}
	for i, line := range bytes.SplitAfter(record, []byte("\n")) {
		if bytes.HasSuffix(line, []byte("\n")) && !bytes.HasPrefix(line, fmt.Appendf(nil, "line %08d ", i)) {
			t.Fatalf("line %d of the record is %q", i, line)
		}
	}
}

// Ensure a session that ends is not held up by a question: the window ends its
// jobs, completes their records and goes.
func TestWindow_ToldToEndItEndsItsJobs(t *testing.T) {
	w := start(t, probeWindow, screen(t), t.TempDir(), project(t, 60))
	w.click(w.place(runButton("flood")))
	w.until("the flood is shown", `[...document.querySelectorAll('[data-testid=log-line]')].length > 3`)
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-w.exited:
	case <-time.After(30 * time.Second):
		t.Fatal("the window does not end")
	}
	if j := w.jobs()[0]; j.State != "cancelled" || j.Cause != "shutdown" {
		t.Errorf("the job is %+v", j)
	}
}
