//go:build unix

package inventory

import (
	"os"
	"syscall"
)

// ownedWell reports whether nobody else can write to a file. Debian's ssh takes
// files that only the user's own group may write to; so do we, as far as one can
// tell.
func ownedWell(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	mine := st.Uid == 0 || int(st.Uid) == os.Getuid()
	group := info.Mode()&0o020 == 0 || st.Gid == st.Uid && int(st.Gid) == os.Getgid()
	return mine && group && info.Mode()&0o002 == 0
}
