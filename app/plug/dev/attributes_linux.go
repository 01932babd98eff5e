package dev

import "syscall"

// attributes has the service be in a process group of its own, since a Ctrl-C is for this process alone, and end with this process: what
// it has acknowledged is in its database.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
