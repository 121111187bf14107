//go:build !windows

package main

import (
	"os/exec"
	"syscall"
)

// What this system calls a connection that the peer has reset, and a write to one that is no longer there.
const (
	errReset      = syscall.ECONNRESET
	errBrokenPipe = syscall.EPIPE
)

// shell returns this system's shell with a command line to execute.
func shell(command string) *exec.Cmd {
	return exec.Command("sh", "-c", command)
}
