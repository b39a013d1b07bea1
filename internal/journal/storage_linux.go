package journal

import (
	"fmt"
	"os"
	"strings"
)

// fileSystem is that of an absolute path without links.
func fileSystem(path string) (name string, network bool, err error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", false, err
	}
	if name = mountedAt(string(mounts), path); name == "" {
		return "", false, fmt.Errorf("no mount of %s", path)
	}
	return name, overNetwork(name), nil
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// mountedAt finds the type of what is mounted at a path or next above it: the
// longest mount point, and of several there the last. See proc(5).
func mountedAt(mounts, path string) (kind string) {
	longest := -1
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		fields, types := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(types) < 1 {
			continue
		}
		point := mountEscapes.Replace(fields[4])
		if (path == point || point == "/" || strings.HasPrefix(path, point+"/")) && len(point) >= longest {
			longest, kind = len(point), types[0]
		}
	}
	return kind
}
