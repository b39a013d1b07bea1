package journal

import "golang.org/x/sys/windows"

const errQuota = windows.ERROR_DISK_QUOTA_EXCEEDED

// diskSpace is what this user may still write to the volume of dir, and its size.
func diskSpace(dir string) (free, total int64, err error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	var available, all, unused uint64
	if err := windows.GetDiskFreeSpaceEx(path, &available, &all, &unused); err != nil {
		return 0, 0, err
	}
	return int64(available), int64(all), nil
}
