package workpool

import (
	"os"
	"syscall"
)

// lowerThread lowers the priority of the calling thread by that many steps of nice. On Linux each thread has its own
// priority. Lowering it needs no privilege; raising it again would need one.
func lowerThread(by int) error {
	const lowest = 19
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return os.NewSyscallError("getpriority", err)
	}
	nice := 20 - raw // the system call returns 20 minus nice, which is never negative
	return os.NewSyscallError("setpriority", syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(nice+by, lowest)))
}

// onMainThread reports whether the calling thread is the process's first one, whose number is the process's number.
func onMainThread() bool { return syscall.Gettid() == os.Getpid() }
