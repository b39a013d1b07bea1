package journal

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// fileSystem is that of an absolute path without links.
func fileSystem(path string) (name string, network bool, err error) {
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(path) + `\`)
	if err != nil {
		return "", false, err
	}
	var kind [windows.MAX_PATH + 1]uint16
	if err := windows.GetVolumeInformation(root, nil, 0, nil, nil, nil, &kind[0], uint32(len(kind))); err != nil {
		return "", false, err
	}
	return windows.UTF16ToString(kind[:]), windows.GetDriveType(root) == windows.DRIVE_REMOTE, nil
}
