package main

import (
	"math"
	"os"
	"syscall"
	"unsafe"
)

// What this system calls a connection that the peer has reset, and a write to one that is no longer there.
const (
	errReset      = syscall.WSAECONNRESET
	errBrokenPipe = syscall.WSAECONNABORTED
)

const errLocked = syscall.Errno(33) // ERROR_LOCK_VIOLATION: somebody else has locked the file

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

// lock makes a file ours until it is closed, or this process ends. It does not wait: if somebody else
// has it, the error is errLocked. It locks the last byte that a file could have: nobody else could read a
// byte that is locked.
func lock(file *os.File) error {
	const exclusive, now = 2, 1 // LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY
	last := syscall.Overlapped{Offset: math.MaxUint32, OffsetHigh: math.MaxInt32}
	ok, _, err := lockFileEx.Call(file.Fd(), exclusive|now, 0, 1, 0, uintptr(unsafe.Pointer(&last)))
	if ok == 0 {
		return err
	}
	return nil
}

// syncFolder does nothing: this system has no call for it.
func syncFolder(*os.Root) error { return nil }
