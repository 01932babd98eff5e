package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"unsafe"
)

// disk is a file system of its own, in a file, whose power can be cut: what it has not been told to make durable
// until then is gone.
type disk struct{ image, folder string }

// diskSize is in bytes; the file is sparse.
const diskSize = 128 << 20

// makeDisk makes a disk in folder and mounts it. That takes root, loop devices and the tools of ext4; the error says
// what is missing.
func makeDisk(ctx context.Context, folder string) (*disk, error) {
	d := &disk{image: filepath.Join(folder, "disk.ext4"), folder: filepath.Join(folder, "disk")}
	if err := os.Mkdir(d.folder, 0o750); err != nil {
		return nil, fmt.Errorf("make disk: %w", err)
	}
	file, err := os.Create(d.image)
	if err != nil {
		return nil, fmt.Errorf("make disk: %w", err)
	}
	if err := errors.Join(file.Truncate(diskSize), file.Close()); err != nil {
		return nil, fmt.Errorf("make disk: %w", err)
	}
	if err := tool(ctx, "mkfs.ext4", "-q", d.image); err != nil {
		return nil, err
	}
	return d, d.mount(ctx)
}

func (d *disk) mount(ctx context.Context) error {
	return tool(ctx, "mount", "-o", "loop", d.image, d.folder)
}

// unmount takes the disk away.
func (d *disk) unmount(ctx context.Context) error { return tool(ctx, "umount", d.folder) }

func tool(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// The request that stops an ext4 file system at once, and its flag not to write out even its journal; they are
// EXT4_IOC_SHUTDOWN and EXT4_GOING_FLAGS_NOLOGFLUSH of the kernel's fs/ext4/ext4.h.
const (
	ext4Shutdown   = 0x8004587d
	ext4NoLogFlush = 2
)

// cut cuts the power: from now on nothing reaches the disk, and what was only in memory never will.
func (d *disk) cut() error {
	folder, err := os.Open(d.folder)
	if err != nil {
		return fmt.Errorf("cut the power: %w", err)
	}
	defer func() { _ = folder.Close() }()
	flags := uint32(ext4NoLogFlush)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, folder.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&flags)))
	if errno != 0 {
		return fmt.Errorf("cut the power: %w", errno)
	}
	return nil
}
