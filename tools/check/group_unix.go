//go:build unix

package check

import (
	"os/exec"
	"syscall"
)

// ownGroup makes cmd begin a process group, so that what it starts can be ended with it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// endGroup ends this process and its group, so that nobody holds its output any more.
func endGroup() { syscall.Kill(0, syscall.SIGKILL) }
