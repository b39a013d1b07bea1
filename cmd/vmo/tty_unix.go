//go:build !windows

package main

import "os"

// openTerminal opens the terminal that vmo was started from, whatever its
// standard input is.
func openTerminal() (in, out *os.File, err error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	return tty, tty, err
}
