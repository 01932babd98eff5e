//go:build unix

package application

import "syscall"

// openFiles returns how many files the process may have open. Go has raised the limit to what the system allows.
func openFiles() (limit int, known bool) {
	const unlimited = 1 << 30
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return int(min(uint64(r.Cur), unlimited)), true //nolint:unconvert // Cur is an int64 on FreeBSD
}
