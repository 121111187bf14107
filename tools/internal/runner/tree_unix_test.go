//go:build unix

package runner

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// gone waits until a process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, time.Millisecond,
		"process %d is still there", pid)
}

// A program ends with all that it has started: in its group, in another session, with its parent
// gone, and deaf to signals.
func TestTree(t *testing.T) {
	for name, script := range map[string]string{
		"child":   `sleep 1000 & echo $!; wait`,
		"deaf":    `trap '' INT TERM HUP; echo $$; while :; do sleep 1000; done`,
		"orphan":  `(sleep 1000 & echo $!); wait; sleep 1000`,
		"session": `setsid sh -c 'echo $$; exec sleep 1000' & wait; sleep 1000`,
		"daemon":  `setsid sh -c '(setsid sh -c "echo \$\$; trap \"\" INT TERM; exec sleep 1000" &)' ; sleep 1000`,
		// the program is gone before it is stopped
		"two ended": `(setsid sh -c 'echo $$; exec sleep 1000' &) ; exit 5`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("setsid"); err != nil || runtime.GOOS != "linux" && name != "child" &&
				name != "deaf" {
				t.Skip("only Linux finds processes that have left their group, and setsid is " +
					"needed to leave it")
			}
			ctx, stop := context.WithCancel(t.Context())
			var pid int
			o := Run(ctx, Command{Path: "/bin/sh", Args: []string{"-c", script}, Line: func(line []byte) {
				_, err := fmt.Sscan(string(line), &pid)
				require.NoError(t, err)
				if name != "two ended" {
					stop()
				}
			}})
			stop()
			if name == "two ended" {
				require.Equal(t, 5, o.Status)
			}
			if name != "two ended" || pid != 0 { // it may have been ended before it spoke
				require.NotZero(t, pid)
				require.False(t, alive(pid), "process %d is still there", pid)
			}
		})
	}
}

// When the tool itself is killed, the supervisor ends the program.
func TestToolIsKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0], "/bin/sh", "-c", "echo $$; exec sleep 1000")
	cmd.Env = append(os.Environ(), roleVariable+"=nest", "TMPDIR="+t.TempDir()) // it cannot remove its own
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pid int
	_, err = fmt.Fscan(out, &pid)
	require.NoError(t, err)
	require.True(t, alive(pid))
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	gone(t, pid)
}
