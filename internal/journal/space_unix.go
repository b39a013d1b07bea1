//go:build !windows

package journal

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const errQuota = syscall.EDQUOT

// diskSpace is what this user may still write to the file system of dir, and
// its size.
func diskSpace(dir string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	size := int64(st.Bsize) //nolint:unconvert // its type differs between systems
	return int64(st.Bavail) * size, int64(st.Blocks) * size, nil
}
