//go:build !windows

package scenario

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// limitDescriptors lets this process open n more descriptors, and no more, until restore is called.
func limitDescriptors(n int) (restore func() error, err error) {
	var free []int // the lowest ones, which are given out first
	for range n + 1 {
		fd, err := syscall.Dup(0)
		if err != nil {
			return nil, err
		}
		free = append(free, fd)
	}
	for _, fd := range free {
		syscall.Close(fd)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		return nil, err
	}
	limited := before
	limited.Cur = uint64(free[n])
	return func() error { return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) },
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limited)
}

// allowDescriptors lets this process open n descriptors at most, from now on.
func allowDescriptors(n int) error {
	limit := syscall.Rlimit{Cur: uint64(n), Max: uint64(n)}
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// shortenQueue lets n connections wait to be accepted, and no more. listen(2) may be called again.
func shortenQueue(ln net.Listener, n int) error {
	raw, err := ln.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), n-1) })
	return errors.Join(cerr, err)
}

// openDescriptors returns how many descriptors of this process are open; 0 where the system does not tell.
func openDescriptors() int {
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		return 0
	}
	return len(open) - 1 // that of the folder itself
}
