//go:build !windows

package scenario

import "syscall"

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
