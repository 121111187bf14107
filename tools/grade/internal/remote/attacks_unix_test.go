//go:build unix

package remote

import "syscall"

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
