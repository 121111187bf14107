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

const errLocked = syscall.EWOULDBLOCK // what it calls a file that somebody else has locked

// lock makes a file ours until it is closed, or this process ends. It does not wait: if somebody else
// has it, the error is errLocked.
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
