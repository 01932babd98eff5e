package workpool

import (
	"os"
	"syscall"
)

// lowerThread lowers the priority of a thread of this process, 0 for the calling one, by so many steps of
// nice. On Linux they are a thread's own and lowering needs no privilege; going back would need one.
func lowerThread(thread, by int) error {
	const lowest = 19
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, thread)
	if err != nil {
		return os.NewSyscallError("getpriority", err)
	}
	nice := 20 - raw // the system call returns it like that, to keep clear of negative numbers
	return os.NewSyscallError("setpriority", syscall.Setpriority(syscall.PRIO_PROCESS, thread, min(nice+by, lowest)))
}

// currentThread returns the id of the calling thread. That of a process's first thread is the process's.
func currentThread() int { return syscall.Gettid() }
