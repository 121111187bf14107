//go:build linux || darwin

package scenario

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const unix = true

// waitExited waits until a child has ended, and leaves it to whoever waits for it (waitid(2), WNOWAIT).
func waitExited(pid int, patience time.Duration) error {
	const byPID = 1 // P_PID in sys/wait.h
	return pollFor(patience, fmt.Sprintf("process %d to end", pid), func() bool {
		var info [128]byte // a siginfo_t; si_signo, its first field, stays 0 as long as the child runs
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, byPID, uintptr(pid),
			uintptr(unsafe.Pointer(&info)), syscall.WEXITED|syscall.WNOHANG|syscall.WNOWAIT, 0, 0)
		return errno == syscall.ECHILD || errno == 0 && info != [128]byte{}
	})
}

// waitGone waits until a process has left the process table.
func waitGone(pid int, patience time.Duration) error {
	return pollFor(patience, fmt.Sprintf("process %d to leave the process table", pid), func() bool {
		return syscall.Kill(pid, 0) == syscall.ESRCH
	})
}

// state is what the system calls the state of a process, if it says so in /proc.
func state(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(text), ") ")
	if err != nil || !ok {
		return ""
	}
	return ", in state " + rest[:1]
}
