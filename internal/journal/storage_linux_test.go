package journal

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStorageOf_ThisMachine(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{"/proc/self": "proc", "/sys/kernel": "sysfs", "/dev/shm/not/there/yet": "tmpfs"} {
		got, err := StorageOf(dir)
		if err != nil || got != (Storage{FileSystem: want}) {
			t.Errorf("%s: got %+v, %v; want %s", dir, got, err, want)
		}
	}
}

// What counts is where a folder really is, and what it is called on the way.
func TestStorageOf_Synced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, want := range map[string]string{
		"Dropbox/vmo": "Dropbox", "Dropbox (Team)/x/vmo": "Dropbox", "OneDrive - Contoso/vmo": "OneDrive",
		"Library/Mobile Documents/com~apple~CloudDocs/vmo": "iCloud", "Library/CloudStorage/GoogleDrive-a/vmo": "a cloud storage",
		"Nextcloud/vmo": "nextcloud", "My Dropbox notes/vmo": "", "plain/vmo": "",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if got, err := StorageOf(filepath.Join(dir, name)); err != nil || got.Synced != want {
			t.Errorf("%s: got %+v, %v; want %q", name, got, err, want)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "Dropbox"), link); err != nil {
		t.Fatal(err)
	}
	if got, err := StorageOf(filepath.Join(link, "vmo")); err != nil || got.Synced != "Dropbox" {
		t.Errorf("through a link: got %+v, %v", got, err)
	}
}

// Lines as kernels print them.
func TestMountedAt(t *testing.T) {
	t.Parallel()
	const mounts = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
61 22 0:41 / /home rw,relatime shared:2 - nfs4 nas:/home rw,vers=4.2
62 61 0:42 / /home/anna/my\040share rw - cifs //nas/anna rw
63 61 0:43 / /home/anna/over rw - fuse.sshfs anna@host: rw
64 22 0:44 / /mnt/a rw - tmpfs tmpfs rw
65 22 0:45 / /mnt/a rw - xfs /dev/sdb1 rw
not a line
`
	for path, want := range map[string]struct {
		kind    string
		network bool
	}{
		"/":                       {"ext4", false},
		"/homes/anna":             {"ext4", false},
		"/home/anna/.local/share": {"nfs4", true},
		"/home/anna/my share/vmo": {"cifs", true},
		"/home/anna/over":         {"fuse.sshfs", true},
		"/mnt/a/vmo":              {"xfs", false}, // what was mounted last hides the other
	} {
		if got := mountedAt(mounts, path); got != want.kind || overNetwork(got) != want.network {
			t.Errorf("%s: got %q, over a network: %v; want %+v", path, got, overNetwork(got), want)
		}
	}
}
