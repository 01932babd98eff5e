package workpool

import (
	"os"
	"syscall"
)

// lowerThread lowers the priority of the calling thread by so many steps of nice. On Linux they are a thread's own
// and lowering needs no privilege; going back would need one.
func lowerThread(by int) error {
	const lowest = 19
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return os.NewSyscallError("getpriority", err)
	}
	nice := 20 - raw // the system call returns it like that, to keep clear of negative numbers
	return os.NewSyscallError("setpriority", syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(nice+by, lowest)))
}

// onMainThread reports whether the calling thread is the process's first, which has the process's number.
func onMainThread() bool { return syscall.Gettid() == os.Getpid() }
