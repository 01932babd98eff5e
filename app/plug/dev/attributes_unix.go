//go:build unix && !linux

package dev

import "syscall"

// attributes has the service be in a process group of its own, since a Ctrl-C is for this process alone.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
