//go:build unix

package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/term"
)

var roles map[string]func(args []string)

func init() {
	roles = map[string]func(args []string){
		// The same bytes for the same seed: so many, in writes of a size.
		"noise": func(args []string) {
			left, piece := number(args[0]), number(args[1])
			source := rand.NewChaCha8([32]byte{1})
			p := make([]byte, piece)
			for left > 0 {
				p = p[:min(piece, left)]
				source.Read(p)
				must(os.Stdout.Write(p))
				left -= len(p)
			}
		},
		// The same through a terminal that changes nothing.
		"raw-noise": func(args []string) {
			must(term.MakeRaw(1))
			role("noise")(args)
		},
		// Numbered lines, without end for 0.
		"lines": func(args []string) {
			w := bufio.NewWriterSize(os.Stdout, 512)
			for n := 0; number(args[0]) == 0 || n < number(args[0]); n++ {
				must(fmt.Fprintf(w, "line %d\n", n))
			}
			if err := w.Flush(); err != nil {
				os.Exit(1)
			}
		},
		// Says that it is there and waits for the end.
		"wait": func([]string) {
			fmt.Println("ready")
			select {}
		},
		"stubborn": func([]string) {
			signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			fmt.Println("ready")
			select {}
		},
		// Takes an interrupt as the end, politely.
		"polite": func([]string) {
			c := make(chan os.Signal, 1)
			signal.Notify(c, os.Interrupt)
			fmt.Println("ready")
			<-c
			fmt.Println("bye")
			os.Exit(3)
		},
		// Leaves a daemon in a session of its own, and waits.
		"daemon": func([]string) {
			cmd := exec.Command("play", "stubborn")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if err := cmd.Start(); err != nil {
				panic(err)
			}
			fmt.Println("daemon", cmd.Process.Pid)
			select {}
		},
		// Tells the size of its terminal, now and whenever it changes.
		"size": func([]string) {
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGWINCH)
			in := make(chan struct{})
			go func() {
				_, _ = os.Stdin.Read(make([]byte, 1))
				close(in)
			}()
			for {
				cols, rows, err := term.GetSize(0)
				fmt.Println("size", cols, rows, err)
				select {
				case <-c:
				case <-in:
					return
				}
			}
		},
	}
}

func role(name string) func([]string) { return roles[name] }

func number(s string) int { return must(strconv.Atoi(s)) }

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(97)
	}
	return v
}
