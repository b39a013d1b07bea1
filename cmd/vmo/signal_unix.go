//go:build !windows

package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

func signalNumber(name string) int { return int(unix.SignalNum(name)) }

// notifyResize tells when the terminal of vmo changes its size.
func notifyResize(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }

// endings are the signals that end vmo, and its jobs with it.
var endings = []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// foreground reports whether vmo may read from its terminal: reading it from
// the background would stop vmo (SIGTTIN), which looks like a job that hangs.
func foreground(f *os.File) bool {
	front, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && front == unix.Getpgrp()
}
