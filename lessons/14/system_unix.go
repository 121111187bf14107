//go:build !windows

package main

import (
	"os"
	"syscall"
)

// What this system calls a connection that the peer has reset, and a write to one that is no longer there.
const (
	errReset      = syscall.ECONNRESET
	errBrokenPipe = syscall.EPIPE
)

// lock makes a file ours until it is closed, or this process ends. It does not wait: if the file is somebody
// else's, it returns an error.
func lock(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) { err = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
	if cerr != nil {
		return cerr
	}
	return err
}

// syncFolder waits until the names in a folder are on the disk.
func syncFolder(folder *os.Root) error {
	dir, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
