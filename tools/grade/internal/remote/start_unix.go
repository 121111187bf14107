//go:build unix

package remote

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// streamVariable is in the environment of a child: where it finds its end of the stream.
const streamVariable = "SOCKETBOOK_STREAM"

// Attach makes a stream and gives its other end to cmd, which has not been started: as a descriptor, which
// an environment variable names, on Unix; as a port on 127.0.0.1 and a secret elsewhere. After cmd.Start,
// whether or not it has succeeded, call started once: it lets go of the child's end, and returns the
// judge's. It is for a sandbox that builds its own exec.Cmd; Start is for everybody else.
func Attach(cmd *exec.Cmd) (started func() (Stream, error), err error) {
	syscall.ForkLock.RLock()
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(ends[0])
		syscall.CloseOnExec(ends[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, fmt.Errorf("no pair of sockets for the child could be made: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(ends[0]), "judge"), os.NewFile(uintptr(ends[1]), "child")
	cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, streamVariable+"="+strconv.Itoa(2+len(cmd.ExtraFiles)))
	return func() (Stream, error) {
		theirs.Close()
		defer ours.Close()
		return net.FileConn(ours)
	}, nil
}

// inherited returns the child's end of the stream.
func inherited() (net.Conn, error) {
	n, err := strconv.Atoi(os.Getenv(streamVariable))
	if err != nil {
		return nil, errors.New("no stream was handed over")
	}
	os.Unsetenv(streamVariable)
	f := os.NewFile(uintptr(n), "judge")
	if f == nil {
		return nil, errors.New("no stream was handed over")
	}
	defer f.Close()
	return net.FileConn(f)
}

func ownGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
}

func endGroup(cmd *exec.Cmd) {
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

// zeroBytes returns n zeros, which take no memory as long as nobody touches them.
func zeroBytes(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("%d bytes of the address space could not be mapped: %v", n, err))
	}
	return b
}
