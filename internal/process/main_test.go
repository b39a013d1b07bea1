//go:build unix

package process

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"vmorchestrator/internal/process/processtest"
)

// The test binary plays the processes.
func TestMain(m *testing.M) {
	processtest.Play(roles)
	os.Exit(m.Run())
}

func TestProcess(t *testing.T) {
	t.Parallel()
	processtest.Suite(t, processtest.Place{
		Start: func(cfg processtest.Config) (processtest.Running, error) { return Start(config(cfg)) },
		Mark:  "VMO_JOB", Path: true, Holds: holdsOutput, Runs: 200,
	})
}

func config(c processtest.Config) Config {
	return Config{
		ID: c.ID, Argv: c.Argv, Dir: c.Dir, Env: c.Env, TTY: c.TTY, Stdin: c.Stdin, Input: c.Input,
		Stdout: c.Stdout, Stderr: c.Stderr, Grace: c.Grace, Drain: c.Drain,
	}
}

// as makes the Config that plays a role.
func as(role string, args ...string) Config { return config(processtest.As(role, args...)) }

// roles are those that only these tests need.
var roles = map[string]func(args []string){
	// Runs away: every process starts its successor in a session of its own and
	// exits, up to a thousand times.
	"respawn": func(args []string) {
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM)
		if n := processtest.Must(strconv.Atoi(args[0])); n < 1000 {
			cmd := processtest.Again("respawn", strconv.Itoa(n+1))
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			processtest.Must(0, cmd.Start())
			if n == 5 {
				fmt.Fprintln(os.Stderr, "running")
			}
			if n == 0 {
				select {}
			}
		}
	},
	"close-terminal": func([]string) {
		for fd := range 3 {
			processtest.Must(0, syscall.Close(fd))
		}
		time.Sleep(100 * time.Millisecond) // long enough for a reader that would take this for the end
		tty := processtest.Must(os.OpenFile("/dev/tty", os.O_RDWR, 0))
		processtest.Must(tty.WriteString("still here"))
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
		p := processtest.Must(Start(cfg))
		p.Wait()
	},
	"nested-cancel": func(args []string) {
		out := processtest.NewRecorder()
		cfg := as("stubborn")
		cfg.Stdout, cfg.Grace = out, time.Millisecond
		p := processtest.Must(Start(cfg))
		<-out.Seen("ready")
		p.Cancel()
		e := p.Wait()
		fmt.Print("inner ended by ", e.Signal, ", survivors ", len(e.Survivors))
	},
	// As sudo does: becomes root for good, so that nobody else may signal it.
	"root": func([]string) {
		processtest.Must(0, syscall.Setuid(0))
		fmt.Println("ready", os.Getpid())
		select {}
	},
	// A vmo without rights, whose job starts something with them.
	"run-root": func(args []string) {
		out := processtest.NewRecorder()
		cfg := as("root")
		cfg.Argv, cfg.Stdout, cfg.Grace, cfg.Drain = []string{args[0]}, out, time.Millisecond, time.Millisecond
		p := processtest.Must(Start(cfg))
		<-out.Seen("ready")
		p.Cancel()
		e := p.Wait()
		for _, s := range e.Survivors {
			fmt.Println(s.PID == p.PID(), filepath.Base(s.Command), s.Why)
		}
		fmt.Println("state", e.State, e.Code == nil, e.Signal == "")
	},
}
