//go:build unix

package processtest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vmorchestrator/internal/job"
)

// rolePlayed names the role of a test binary that was started as a command.
const rolePlayed = "VMO_PLAY"

// Play plays the role that this binary was started for and exits; it returns if
// there is none. More are the roles of the caller's own tests.
func Play(more map[string]func(args []string)) {
	name := os.Getenv(rolePlayed)
	if name == "" {
		if len(os.Args) < 2 && os.Getenv("VMO_JOB")+os.Getenv("VMO_RUN") != "" {
			os.Exit(98) // a role whose name got lost must not run the tests
		}
		return
	}
	time.AfterFunc(2*time.Minute, func() { os.Exit(99) }) // whatever a test forgets goes away
	role, ok := roles[name]
	if !ok {
		role, ok = more[name]
	}
	if !ok {
		fmt.Fprintln(os.Stderr, "no role", name)
		os.Exit(98)
	}
	role(os.Args[1:])
	os.Exit(0)
}

// As makes the Config that plays a role.
func As(role string, args ...string) Config {
	return Config{ID: job.NewID(), Argv: append([]string{Self()}, args...), Env: map[string]string{
		rolePlayed: role,
		"GORACE":   "atexit_sleep_ms=0", // else every role takes a second to exit
	}}
}

// Self is the path of the test binary.
func Self() string {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return exe
}

// Again is the command with which a role starts another one.
func Again(role string, args ...string) *exec.Cmd {
	cmd := exec.Command(Self(), args...)
	cmd.Env = append(os.Environ(), rolePlayed+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

var roles = map[string]func(args []string){
	"exit":  func(args []string) { os.Exit(number(args[0])) },
	"print": func(args []string) { fmt.Print(strings.Join(args, " ")) },
	"cat":   func([]string) { Must(io.Copy(os.Stdout, os.Stdin)) },
	"env":   func(args []string) { fmt.Print(os.Getenv(args[0])) },
	"pwd":   func([]string) { fmt.Print(os.Getenv("PWD"), " ", Must(os.Getwd())) },

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
			if n := Must(os.Stdout.Write(block[:min(len(block), max(left, 0)+len(block)*b2i(left == 0))])); left > 0 {
				if left -= n; left == 0 {
					return
				}
			}
		}
	},
	"half": func([]string) {
		os.Stdout.WriteString("\xe2\x82")
		Must(os.Stdin.Read(make([]byte, 1)))
		os.Stdout.WriteString("\xac")
	},
	// Leaves somebody behind who keeps both outputs open.
	"hold": func([]string) {
		cmd := Again("wait")
		cmd.Stdout = os.Stdout
		Must(0, cmd.Start())
		fmt.Println("bye")
	},
	// Leaves a daemon behind: own session, parent gone, no file of ours.
	"daemon": func(args []string) {
		cmd := Again("daemon-parent")
		cmd.Stdout = os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		Must(0, cmd.Run())
		if len(args) == 0 {
			select {}
		}
	},
	"daemon-parent": func([]string) {
		cmd := Again("stubborn")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		Must(0, cmd.Start())
		fmt.Println("daemon", cmd.Process.Pid)
	},
	"size": func([]string) {
		changed := make(chan os.Signal, 1)
		signal.Notify(changed, syscall.SIGWINCH)
		for {
			w := Must(unix.IoctlGetWinsize(1, unix.TIOCGWINSZ))
			fmt.Printf("%dx%d\r\n", w.Col, w.Row)
			<-changed
		}
	},
	"raw": func(args []string) {
		t := Must(unix.IoctlGetTermios(1, getTermios))
		t.Oflag &^= unix.OPOST
		t.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
		Must(0, unix.IoctlSetTermios(1, setTermios, t))
		Must(os.Stdout.Write(noise(number(args[0]))))
	},
	// Closes its outputs and works on until its input ends.
	"silent": func([]string) {
		os.Stdout.Close()
		os.Stderr.Close()
		Must(io.Copy(io.Discard, os.Stdin))
		os.Exit(7)
	},
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Must ends a role that something failed in.
func Must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "role:", err)
		os.Exit(97)
	}
	return v
}

func number(s string) int { return Must(strconv.Atoi(s)) }

// noise is the same for parent and child.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(1)).Read(b)
	return b
}

func sum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
