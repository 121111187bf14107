package main

import (
	"os/exec"
	"syscall"
)

// What this system calls a connection that the peer has reset, and a write to one that is no longer there.
const (
	errReset      = syscall.WSAECONNRESET
	errBrokenPipe = syscall.WSAECONNABORTED
)

// shell returns this system's shell with a command line to execute. cmd.exe does not read quotes as
// os/exec writes them: with /S it takes the first and the last one away and leaves everything
// between them alone (cmd /?).
func shell(command string) *exec.Cmd {
	cmd := exec.Command("cmd")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd /S /C "` + command + `"`}
	return cmd
}
