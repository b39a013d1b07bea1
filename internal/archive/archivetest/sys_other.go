//go:build !linux

package archivetest

import "os/exec"

func withParent(*exec.Cmd) {}

func onSmallDisk(*exec.Cmd, *Cluster) {}
