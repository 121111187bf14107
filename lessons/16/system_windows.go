package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
)

// What this system calls a connection that the peer has reset, a write to one that is no longer there, and a
// peer that has not answered for so long that the system gives it up.
const (
	errReset      = syscall.WSAECONNRESET
	errBrokenPipe = syscall.WSAECONNABORTED
	errVanished   = syscall.Errno(10060) // WSAETIMEDOUT; a short idle comes before keep-alive (WSAENETRESET)
)

// errsTemporary are what accept meets when sockets or buffers are used up (WSAEMFILE, WSAENOBUFS), and
// when a client has gone before it was accepted; there Go's Accept may take the next one by itself.
var errsTemporary = []error{
	syscall.Errno(10024), syscall.Errno(10055), syscall.WSAECONNRESET, syscall.WSAECONNABORTED,
}

// mostClients is how many clients leave enough descriptors for everything else: there is no limit here that a
// server would meet.
func mostClients() int { return maxClients }

// shell returns this system's shell with a command line to execute. cmd.exe does not read quotes as
// os/exec writes them: with /S it takes the first and the last one away and leaves everything
// between them alone (cmd /?).
func shell(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cmd")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd /S /C "` + command + `"`}
	return cmd
}

// runTree runs a command in a job object of its own, and ends all processes of the job: when the command's
// context ends, and also when the command has ended by itself. A process cannot leave its job.
func runTree(cmd *exec.Cmd) error {
	job, _, err := createJobObject.Call(0, 0)
	if job == 0 {
		return fmt.Errorf("making a job object: %w", err)
	}
	defer syscall.CloseHandle(syscall.Handle(job))
	cmd.Cancel = func() error {
		terminateJobObject.Call(job, 1)
		return cmd.Process.Kill() // it may not be in the job yet
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	// It starts nothing before it is in the job, and a Ctrl-C in the server's console is the server's.
	cmd.SysProcAttr.CreationFlags = createSuspended | syscall.CREATE_NEW_PROCESS_GROUP
	if err := cmd.Start(); err != nil {
		return err
	}
	var why error
	err = cmd.Process.WithHandle(func(process uintptr) {
		if ok, _, err := assignProcessToJobObject.Call(job, process); ok == 0 {
			why = fmt.Errorf("putting it into its job object: %w", err)
			return
		}
		resumeProcess.Call(process)
	})
	if why = errors.Join(err, why); why != nil {
		cmd.Process.Kill()
	}
	err = cmd.Wait()
	terminateJobObject.Call(job, 1)
	return errors.Join(why, err)
}

const createSuspended = 0x4 // CREATE_SUSPENDED

// The functions of Windows that package syscall does not have.
var (
	kernel32                 = syscall.NewLazyDLL("kernel32.dll")
	createJobObject          = kernel32.NewProc("CreateJobObjectW")
	assignProcessToJobObject = kernel32.NewProc("AssignProcessToJobObject")
	terminateJobObject       = kernel32.NewProc("TerminateJobObject")
	resumeProcess            = syscall.NewLazyDLL("ntdll.dll").NewProc("NtResumeProcess")
)
