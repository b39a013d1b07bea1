package main

import (
	"errors"
	"os"
)

// openTerminal opens the console that vmo was started from.
func openTerminal() (in, out *os.File, err error) {
	in, inErr := os.OpenFile("CONIN$", os.O_RDWR, 0)
	out, outErr := os.OpenFile("CONOUT$", os.O_RDWR, 0)
	return in, out, errors.Join(inErr, outErr)
}
