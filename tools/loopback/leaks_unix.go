//go:build linux || darwin

package loopback

import (
	"syscall"
	"unsafe"
)

// hasChildren asks for a child, running or ended, and leaves it to whoever waits for it (waitid(2),
// WNOWAIT). ECHILD means that there is none.
func hasChildren() bool {
	const all = 0      // P_ALL in sys/wait.h
	var info [256]byte // for the siginfo_t; 128 bytes at most
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, all, 0, uintptr(unsafe.Pointer(&info)),
		syscall.WEXITED|syscall.WNOHANG|syscall.WNOWAIT, 0, 0)
	return errno != syscall.ECHILD
}
