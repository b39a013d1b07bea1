package inventory

import (
	"maps"
	"path/filepath"
	"slices"
)

// Sources are where hosts may be written down.
type Sources struct {
	SSHConfig string   // empty: ~/.ssh/config
	Home      string   // of the user
	Roots     []string // folders that may have environments/*/config.yml
}

// Read makes the list of hosts from all sources. It always succeeds: what is
// wrong is in List.Problems.
func Read(s Sources) List {
	ssh := ScanSSH(s.SSHConfig, s.Home)
	vms, problems, looked := scanVMs(s.Roots)
	list := merge(ssh.Hosts, vms)
	list.Problems = append([]Problem{}, slices.Concat(ssh.Problems, problems, list.Problems)...) // none is not null
	for _, path := range slices.Concat(ssh.Looked, looked) {
		list.Looked = append(list.Looked, filepath.Clean(path))
	}
	return list
}

// Keys lists the keywords that are set, sorted.
func (o *Options) Keys() []string { return slices.Sorted(maps.Keys(o.values)) }
