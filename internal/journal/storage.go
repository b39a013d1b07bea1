package journal

import (
	"os"
	"path/filepath"
	"strings"
)

// Storage is on what kind of storage a folder lies.
type Storage struct {
	FileSystem string // its name, as the system has it, such as "ext4" or "fuse.sshfs"
	Network    bool   // other machines may write there, and locks are not to be relied on
	Synced     string // the program that copies what changes there elsewhere; empty: none is known
}

// StorageOf looks where a folder lies, or will lie: missing folders lie where the
// first one above them does.
func StorageOf(dir string) (Storage, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Storage{}, err
	}
	real := dir
	for {
		if at, err := filepath.EvalSymlinks(real); err == nil {
			real = at
			break
		} else if parent := filepath.Dir(real); !os.IsNotExist(err) || parent == real {
			return Storage{}, err
		} else {
			real = parent
		}
	}
	p := Storage{Synced: synced(dir)}
	if p.Synced == "" {
		p.Synced = synced(real)
	}
	p.FileSystem, p.Network, err = fileSystem(real)
	return p, err
}

// overNetwork reports whether a file system of that name is on another machine.
func overNetwork(name string) bool {
	name = strings.TrimPrefix(strings.ToLower(name), "fuse.")
	for _, known := range []string{"nfs", "cifs", "smb", "sshfs", "afp", "webdav", "davfs", "9p", "ceph", "gluster", "afs", "rclone", "s3fs", "vboxsf", "virtiofs", "prl_fs", "vmhgfs"} {
		if strings.HasPrefix(name, known) {
			return true
		}
	}
	return false
}

// synced names the program to which a folder on a path belongs by its name.
func synced(path string) string {
	for part := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		switch part = strings.ToLower(part); {
		case part == "mobile documents":
			return "iCloud"
		case part == "cloudstorage":
			return "a cloud storage"
		case part == "nextcloud", part == "owncloud", part == "syncthing", part == "google drive", part == "googledrive":
			return part
		case part == "dropbox", strings.HasPrefix(part, "dropbox ("):
			return "Dropbox"
		case part == "onedrive", strings.HasPrefix(part, "onedrive - "):
			return "OneDrive"
		}
	}
	return ""
}
