package engine

import "os"

// Tests never touch the keychain of the operator.
func init() { os.Setenv("VMO_KEYCHAIN", "off") }
