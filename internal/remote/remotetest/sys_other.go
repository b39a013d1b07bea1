//go:build !linux

package remotetest

import "syscall"

func withParent() *syscall.SysProcAttr { return nil }

func pause(int) {}
