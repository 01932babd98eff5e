package main

import "syscall"

// parentDeathSignal has the kernel end the service when the harness dies.
func parentDeathSignal() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
