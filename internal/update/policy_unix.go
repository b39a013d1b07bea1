//go:build !windows

package update

import "runtime"

// PolicyFile is where the policy of this machine is, if it has one. No variable
// leads elsewhere: it is not the operator's.
func PolicyFile() string {
	if runtime.GOOS == "darwin" {
		return "/Library/Application Support/vm-orchestrator/policy.json"
	}
	return "/etc/vm-orchestrator/policy.json"
}
