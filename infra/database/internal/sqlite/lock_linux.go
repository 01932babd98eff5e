package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const (
	// noFollow has an open fail on a symbolic link.
	noFollow = syscall.O_NOFOLLOW
	// locksItself tells that the file itself can be locked: on Linux, flock(2) and SQLite's own locks (fcntl) do not see each
	// other. On the BSDs and on macOS they exclude each other, even within one process.
	locksItself = true
)

// lockDescriptor locks f for as long as it is open. It reports false when another descriptor has the lock.
func lockDescriptor(f *os.File) (taken bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// unlockDescriptor unlocks f. Closing f is not enough: a child process that is just being started has a copy of every descriptor,
// and so of the lock, until its program begins.
func unlockDescriptor(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// lockHolder returns the id of the process that has locked the file; "" if the kernel does not say, as for a process in another
// container.
func lockHolder(file fs.FileInfo) string {
	stat := statOf(file)
	content, err := os.ReadFile("/proc/locks")
	if stat == nil || err != nil {
		return ""
	}
	major := stat.Dev>>8&0xfff | stat.Dev>>32&^uint64(0xfff)
	minor := stat.Dev&0xff | stat.Dev>>12&^uint64(0xff)
	inode := fmt.Sprintf("%02x:%02x:%d", major, minor, stat.Ino)
	for line := range strings.Lines(string(content)) {
		// As in "1: FLOCK  ADVISORY  WRITE 4711 fe:00:1835027 0 EOF".
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[5] != inode {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
			return fields[4]
		}
	}
	return ""
}

// linksOf returns how many names a file has; 0 when it has been deleted.
func linksOf(file fs.FileInfo) uint64 {
	if stat := statOf(file); stat != nil {
		return uint64(stat.Nlink) //nolint:unconvert // it is 32 bits wide on other processors
	}
	return 1
}

func statOf(file fs.FileInfo) *syscall.Stat_t {
	if file == nil {
		return nil
	}
	stat, _ := file.Sys().(*syscall.Stat_t)
	return stat
}
