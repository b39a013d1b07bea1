package journal

import "golang.org/x/sys/unix"

// fileSystem is that of an absolute path without links.
func fileSystem(path string) (name string, network bool, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return "", false, err
	}
	name = unix.ByteSliceToString(st.Fstypename[:])
	return name, st.Flags&unix.MNT_LOCAL == 0 || overNetwork(name), nil
}
