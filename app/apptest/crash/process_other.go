//go:build !linux

package main

import "syscall"

// parentDeathSignal does nothing here: only Linux can tie a process's life to its parent's.
func parentDeathSignal() *syscall.SysProcAttr { return nil }
