//go:build linux || darwin

package loopback

import (
	"os/exec"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A child that has ended is found as well, and whoever started it still gets its status.
func TestLeakedLeavesChildrenAlone(t *testing.T) {
	before := Snapshot()
	cmd := exec.Command("sh", "-c", "exit 7")
	require.NoError(t, cmd.Start())
	untilEnded(t, cmd.Process.Pid)
	for range 2 {
		require.Contains(t, before.left(new([]byte)), "child process")
	}
	require.Error(t, cmd.Wait())
	require.Equal(t, 7, cmd.ProcessState.ExitCode(), "nobody has taken its status")
	require.NoError(t, before.Leaked())
}

// untilEnded blocks until a child has ended, and leaves its status where it is.
func untilEnded(t *testing.T, pid int) {
	const one = 1 // P_PID in sys/wait.h
	var info [256]byte
	errno := syscall.EINTR
	for errno == syscall.EINTR {
		_, _, errno = syscall.Syscall6(
			syscall.SYS_WAITID,
			one,
			uintptr(pid),
			uintptr(unsafe.Pointer(&info)),
			syscall.WEXITED|syscall.WNOWAIT,
			0,
			0,
		)
	}
	require.Zero(t, errno)
}
