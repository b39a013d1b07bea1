package update

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// PolicyFile is where the policy of this machine is, if it has one. The system is
// asked, because %ProgramData% is whatever the operator sets it to.
func PolicyFile() string {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0)
	if err != nil {
		dir = `C:\ProgramData`
	}
	return filepath.Join(dir, "vm-orchestrator", "policy.json")
}
