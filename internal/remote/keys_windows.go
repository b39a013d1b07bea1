package remote

import "os"

// tooOpen is for ssh to say: a mode tells nothing here, and its rules for access
// lists are its own.
func tooOpen(os.FileInfo) bool { return false }
