//go:build !windows

package main

import (
	"context"
	"os/exec"
	"syscall"
)

// What this system calls a connection that the peer has reset, a write to one that is no longer there, and a
// peer that has not answered for so long that the system gives it up.
const (
	errReset      = syscall.ECONNRESET
	errBrokenPipe = syscall.EPIPE
	errVanished   = syscall.ETIMEDOUT
)

// errsTemporary are what accept(2) meets when descriptors or memory are used up, and when a client has gone
// before it was accepted; there Go's Accept takes the next one by itself.
var errsTemporary = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED,
}

// mostClients is how many clients leave enough descriptors (getrlimit(2)) for everything else: maxRunning
// programs, each with its pipes, and some for the process itself.
func mostClients() int {
	const others, each = 16, 10
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > maxClients*each {
		return maxClients
	}
	return max(1, int(limit.Cur)-others-maxRunning*each)
}

// shell returns this system's shell with a command line to execute.
func shell(ctx context.Context, command string) *exec.Cmd {
	return exec.CommandContext(ctx, "sh", "-c", command)
}

// runTree runs a command in a process group of its own (setpgid(2)), and ends all processes of the group:
// when the command's context ends, and also when the command has ended by itself. A process that calls
// setsid(2) or setpgid(2) has left the group. The group's number is that of the command, which has ended by
// then; the system does not give it to another process soon.
func runTree(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	killGroup := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = killGroup
	err := cmd.Run()
	if cmd.Process != nil {
		killGroup() // an error says that nobody is left
	}
	return err
}
