//go:build unix

package sandbox

import (
	"os"
	"syscall"
)

const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

func group() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

func signalName(s *os.ProcessState) string {
	if ws := s.Sys().(syscall.WaitStatus); ws.Signaled() {
		return ws.Signal().String()
	}
	return ""
}
