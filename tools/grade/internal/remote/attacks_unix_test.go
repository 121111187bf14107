//go:build unix

package remote

import (
	"os"
	"os/exec"
	"syscall"
)

// keepDescriptor returns another descriptor of the stream: Serve closes the first one.
func keepDescriptor(n int) int {
	d, err := syscall.Dup(n)
	if err != nil {
		panic(err)
	}
	return d
}

func closeAll() {
	for d := range 100 {
		syscall.Close(d)
	}
}

func stopSelf() { syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) }

// startPipes is Start with pipes, as in a sandbox.
func startPipes(cmd *exec.Cmd) (*Process, error) {
	return startWith(cmd, func(cmd *exec.Cmd) (func() (Stream, error), error) {
		started, err := AttachPipes(cmd)
		return func() (Stream, error) {
			in, out := started()
			defer in.Close()
			defer out.Close()
			var fds [2]int
			for i, f := range []*os.File{in, out} {
				fd, err := syscall.Dup(int(f.Fd()))
				if err != nil {
					return nil, err
				}
				syscall.CloseOnExec(fd)
				fds[i] = fd
			}
			return Pipes(fds[0], fds[1])
		}, err
	})
}
