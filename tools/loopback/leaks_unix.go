//go:build linux || darwin

package loopback

import (
	"os"
	"strings"
	"syscall"
	"unsafe"
)

// descriptors lists the open files, sockets and pipes; what the Go runtime keeps for itself is left out.
func descriptors() []string {
	dir := "/dev/fd"
	if _, err := os.Stat("/proc/self/fd"); err == nil {
		dir = "/proc/self/fd"
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var files []string
	for _, e := range entries {
		target, err := os.Readlink(dir + "/" + e.Name())
		if err != nil && dir == "/proc/self/fd" { // the one that was open to read the directory
			continue
		}
		if err != nil { // macOS has no links there
			target = e.Name()
		}
		if strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, "/proc/") {
			continue
		}
		files = append(files, target)
	}
	return files
}

// hasChildren asks for a child, running or ended, and leaves it to whoever waits for it (waitid(2), WNOWAIT). ECHILD
// means that there is none.
func hasChildren() bool {
	const all = 0      // P_ALL in sys/wait.h
	var info [256]byte // for the siginfo_t; 128 bytes at most
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, all, 0, uintptr(unsafe.Pointer(&info)),
		syscall.WEXITED|syscall.WNOHANG|syscall.WNOWAIT, 0, 0)
	return errno != syscall.ECHILD
}
