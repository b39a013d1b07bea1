//go:build unix

package remote

import (
	"os"
	"syscall"
)

// tooOpen reports what ssh calls an unprotected private key: one of ours that
// others may read. As there, somebody else's file is that one's to protect.
func tooOpen(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Getuid() && info.Mode().Perm()&0o077 != 0
}
