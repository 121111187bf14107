//go:build unix

package remote

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
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

// AttachPipes is Attach with two pipes, which take half the time: the system tells the writer of a socket,
// and wakes it, whenever something is read at the other end. Whoever sees a process of the same user can open
// its pipes once more (proc(5)), so they are for a sandbox in which nobody sees another one. started returns
// the judge's ends, for Pipes.
func AttachPipes(cmd *exec.Cmd) (started func() (in, out *os.File), err error) {
	theirIn, out, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("no pipe to the child could be made: %w", err)
	}
	in, theirOut, err := os.Pipe()
	if err != nil {
		theirIn.Close()
		out.Close()
		return nil, fmt.Errorf("no pipe from the child could be made: %w", err)
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, theirIn, theirOut)
	n := 2 + len(cmd.ExtraFiles)
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d %d", streamVariable, n-1, n))
	return func() (*os.File, *os.File) {
		theirIn.Close()
		theirOut.Close()
		return in, out
	}, nil
}

// Pipes makes a Stream of the descriptors of two pipes.
func Pipes(in, out int) (Stream, error) {
	for _, fd := range []int{in, out} {
		if err := syscall.SetNonblock(fd, true); err != nil {
			return nil, err
		}
	}
	return pipes{os.NewFile(uintptr(in), "in"), os.NewFile(uintptr(out), "out")}, nil
}

type pipes struct{ in, out *os.File }

func (p pipes) Read(b []byte) (int, error)             { return p.in.Read(b) }
func (p pipes) Write(b []byte) (int, error)            { return p.out.Write(b) }
func (p pipes) Close() error                           { return errors.Join(p.in.Close(), p.out.Close()) }
func (p pipes) SetWriteDeadline(until time.Time) error { return p.out.SetWriteDeadline(until) }

// inherited returns the child's end of the stream.
func inherited() (Stream, error) {
	first, second, two := strings.Cut(os.Getenv(streamVariable), " ")
	os.Unsetenv(streamVariable)
	n, err := strconv.Atoi(first)
	if two && err == nil {
		var out int
		if out, err = strconv.Atoi(second); err == nil {
			return Pipes(n, out)
		}
	}
	if err != nil {
		return nil, errors.New("no stream was handed over")
	}
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
