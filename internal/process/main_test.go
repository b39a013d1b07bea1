//go:build unix

package process

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vmorchestrator/internal/job"
)

// The test binary plays the processes: VMO_PLAY names the role.
const rolePlayed = "VMO_PLAY"

func TestMain(m *testing.M) {
	name := os.Getenv(rolePlayed)
	if name == "" {
		os.Exit(m.Run())
	}
	time.AfterFunc(2*time.Minute, func() { os.Exit(99) }) // whatever a test forgets goes away
	role, ok := roles[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "no role", name)
		os.Exit(98)
	}
	role(os.Args[1:])
	os.Exit(0)
}

// as makes the Config that plays a role.
func as(role string, args ...string) Config {
	return Config{ID: job.NewID(), Argv: append([]string{self()}, args...), Env: map[string]string{
		rolePlayed: role,
		"GORACE":   "atexit_sleep_ms=0", // else every role takes a second to exit
	}}
}

func self() string {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return exe
}

// again is the command with which a role starts another one.
func again(role string, args ...string) *exec.Cmd {
	cmd := exec.Command(self(), args...)
	cmd.Env = append(os.Environ(), rolePlayed+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

var roles = map[string]func(args []string){
	"exit":  func(args []string) { os.Exit(number(args[0])) },
	"print": func(args []string) { fmt.Print(strings.Join(args, " ")) },
	"cat":   func([]string) { must(io.Copy(os.Stdout, os.Stdin)) },
	"env":   func(args []string) { fmt.Print(os.Getenv(args[0])) },
	"pwd":   func([]string) { fmt.Print(os.Getenv("PWD"), " ", must(os.Getwd())) },

	"wait": func([]string) {
		fmt.Println("ready", os.Getpid())
		select {}
	},
	"stubborn": func([]string) {
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		fmt.Println("ready", os.Getpid())
		select {}
	},
	// Says which signal came, and goes on until it was the last one it wants.
	"listen": func(args []string) {
		signals := make(chan os.Signal, 16)
		signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		fmt.Println("ready", os.Getpid())
		for s := range signals {
			fmt.Println("got", unix.SignalName(s.(syscall.Signal)))
			if unix.SignalName(s.(syscall.Signal)) == args[0] {
				os.Exit(5)
			}
		}
	},
	"signal": func(args []string) {
		_ = syscall.Kill(os.Getpid(), syscall.Signal(number(args[0])))
		select {}
	},
	"write": func(args []string) { // so many bytes, without end for 0
		block := bytes.Repeat([]byte("y\n"), 4096)
		for left := number(args[0]); ; {
			if n := must(os.Stdout.Write(block[:min(len(block), max(left, 0)+len(block)*b2i(left == 0))])); left > 0 {
				if left -= n; left == 0 {
					return
				}
			}
		}
	},
	"half": func([]string) {
		os.Stdout.WriteString("\xe2\x82")
		must(os.Stdin.Read(make([]byte, 1)))
		os.Stdout.WriteString("\xac")
	},
	// Leaves somebody behind who keeps both outputs open.
	"hold": func([]string) {
		cmd := again("wait")
		cmd.Stdout = os.Stdout
		must(0, cmd.Start())
		fmt.Println("bye")
	},
	// Leaves a daemon behind: own session, parent gone, no file of ours.
	"daemon": func(args []string) {
		cmd := again("daemon-parent")
		cmd.Stdout = os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		must(0, cmd.Run())
		if len(args) == 0 {
			select {}
		}
	},
	"daemon-parent": func([]string) {
		cmd := again("stubborn")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		must(0, cmd.Start())
		fmt.Println("daemon", cmd.Process.Pid)
	},
	// Runs away: every process starts its successor in a session of its own and
	// exits, up to a thousand times.
	"respawn": func(args []string) {
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM)
		if n := number(args[0]); n < 1000 {
			cmd := again("respawn", strconv.Itoa(n+1))
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			must(0, cmd.Start())
			if n == 5 {
				fmt.Fprintln(os.Stderr, "running")
			}
			if n == 0 {
				select {}
			}
		}
	},
	"size": func([]string) {
		changed := make(chan os.Signal, 1)
		signal.Notify(changed, syscall.SIGWINCH)
		for {
			w := must(unix.IoctlGetWinsize(1, unix.TIOCGWINSZ))
			fmt.Printf("%dx%d\r\n", w.Col, w.Row)
			<-changed
		}
	},
	"raw": func(args []string) {
		t := must(unix.IoctlGetTermios(1, getTermios))
		t.Oflag &^= unix.OPOST
		t.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
		must(0, unix.IoctlSetTermios(1, setTermios, t))
		must(os.Stdout.Write(noise(number(args[0]))))
	},
	// Closes its outputs and works on until its input ends.
	"silent": func([]string) {
		os.Stdout.Close()
		os.Stderr.Close()
		must(io.Copy(io.Discard, os.Stdin))
		os.Exit(7)
	},
	"close-terminal": func([]string) {
		for fd := range 3 {
			must(0, syscall.Close(fd))
		}
		time.Sleep(100 * time.Millisecond) // long enough for a reader that would take this for the end
		tty := must(os.OpenFile("/dev/tty", os.O_RDWR, 0))
		must(tty.WriteString("still here"))
	},
	"read-terminal": func([]string) {
		f, err := os.Open("/dev/tty")
		if err != nil {
			fmt.Print("refused")
			return
		}
		_, err = f.Read(make([]byte, 1))
		fmt.Print("read ", err)
	},
	// A vmo inside a job: runs a role in a job of its own.
	"nested": func(args []string) {
		cfg := as(args[0], args[1:]...)
		cfg.Stdout, cfg.Stderr, cfg.Grace = os.Stdout, os.Stderr, time.Minute
		p := must(Start(cfg))
		p.Wait()
	},
	"nested-cancel": func(args []string) {
		out := newRecorder()
		cfg := as("stubborn")
		cfg.Stdout, cfg.Grace = out, time.Millisecond
		p := must(Start(cfg))
		<-out.seen("ready")
		p.Cancel()
		e := p.Wait()
		fmt.Print("inner ended by ", e.Signal, ", survivors ", len(e.Survivors))
	},
	// As sudo does: becomes root for good, so that nobody else may signal it.
	"root": func([]string) {
		must(0, syscall.Setuid(0))
		fmt.Println("ready", os.Getpid())
		select {}
	},
	// A vmo without rights, whose job starts something with them.
	"run-root": func(args []string) {
		out := newRecorder()
		cfg := as("root")
		cfg.Argv, cfg.Stdout, cfg.Grace, cfg.Drain = []string{args[0]}, out, time.Millisecond, time.Millisecond
		p := must(Start(cfg))
		<-out.seen("ready")
		p.Cancel()
		e := p.Wait()
		for _, s := range e.Survivors {
			fmt.Println(s.PID == p.PID(), filepath.Base(s.Command), s.Why)
		}
		fmt.Println("state", e.State, e.Code == nil, e.Signal == "")
	},
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "role:", err)
		os.Exit(97)
	}
	return v
}

func number(s string) int { return must(strconv.Atoi(s)) }

// noise is the same for parent and child.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(1)).Read(b)
	return b
}

func sum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// recorder keeps output and tells when something has been printed.
type recorder struct {
	mu    sync.Mutex
	b     bytes.Buffer
	waits map[string]chan struct{}
	gate  chan struct{} // a Write waits until it is closed; nil lets all pass
	stuck chan struct{} // closed when a Write waits at the gate
}

func newRecorder() *recorder { return &recorder{waits: map[string]chan struct{}{}} }

// blocked makes a recorder whose Writes wait until open.
func blocked() (r *recorder, open func()) {
	r = newRecorder()
	r.gate, r.stuck = make(chan struct{}), make(chan struct{})
	return r, sync.OnceFunc(func() { close(r.gate) })
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.gate != nil {
		r.mu.Lock()
		if !closed(r.stuck) {
			close(r.stuck)
		}
		r.mu.Unlock()
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.b.Write(b)
	for text, c := range r.waits {
		if bytes.Contains(r.b.Bytes(), []byte(text)) {
			close(c)
			delete(r.waits, text)
		}
	}
	return len(b), nil
}

func (r *recorder) seen(text string) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.waits[text]
	if !ok {
		c = make(chan struct{})
		if bytes.Contains(r.b.Bytes(), []byte(text)) {
			close(c)
		} else {
			r.waits[text] = c
		}
	}
	return c
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// until waits for the text to be printed.
func (r *recorder) until(t *testing.T, text string) {
	t.Helper()
	await(t, fmt.Sprintf("%q to be printed", text), r.seen(text))
}

// pids are the numbers after a word at the start of a line.
func (r *recorder) pids(word string) (pids []int) {
	for scan := bufio.NewScanner(strings.NewReader(r.String())); scan.Scan(); {
		if n, ok := strings.CutPrefix(strings.TrimSpace(scan.Text()), word+" "); ok {
			pids = append(pids, number(n))
		}
	}
	return pids
}

func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		t.Fatalf("waited a minute for %s", what)
	}
	return v
}

func alive(pid int) bool {
	p, ok := readProc(pid)
	return ok && !p.dead
}

// untilDead looks until a process is dead. There is no event to wait for: only
// its parent gets one, and that is the Process under test.
func untilDead(pid int) {
	for alive(pid) {
		time.Sleep(time.Millisecond)
	}
}

// end kills a process that a job left behind. Without a number it would be the
// test itself.
func end(t *testing.T, s job.Survivor) {
	t.Helper()
	if s.PID <= 1 {
		t.Errorf("survivor without a number: %+v", s)
		return
	}
	_ = syscall.Kill(s.PID, syscall.SIGKILL)
}
