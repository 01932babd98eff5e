//go:build unix

package pgbouncer

import (
	"fmt"
	"os"
	"syscall"
)

// ownerOf returns the number of the user to whom a folder belongs.
func ownerOf(folder string) (int, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("look up the owner of %s: the system does not tell", folder)
	}
	return int(stat.Uid), nil
}
